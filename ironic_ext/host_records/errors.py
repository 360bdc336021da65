# SPDX-License-Identifier: Apache-2.0

"""What fails of hosts' records."""

import collections.abc
import contextlib

from sqlalchemy import exc as sql_errors


class RecordsError(Exception):
    """The database fails; one sentence."""


@contextlib.contextmanager
def translated() -> collections.abc.Iterator[None]:
    """Raise what SQLAlchemy raises as RecordsError."""
    try:
        yield
    except sql_errors.SQLAlchemyError as exc:
        raise failure(exc) from exc


def failure(exc: Exception) -> RecordsError:
    """Return the error of a cause."""
    text = str(exc).partition('\n')[0][:300]
    return RecordsError(
        f'the database of hosts\' records fails ([ext_catalog]connection; '
        f'after an update, run "ironic-boot-server --upgrade"): {text}')
