# SPDX-License-Identifier: Apache-2.0

"""What the catalog refuses: one sentence each, without secrets."""

import collections.abc
import dataclasses


class CatalogError(Exception):
    """The catalog cannot do what was asked."""


class DatabaseError(CatalogError):
    """The database does not answer, or lacks the tables."""


class NotFoundError(CatalogError):
    """There is no such resource."""


class AlreadyExistsError(CatalogError):
    """A resource of that kind and name is there."""


class ConflictError(CatalogError):
    """Somebody else was faster, or the state does not allow it."""


class InUseError(ConflictError):
    """Others refer to the resource.

    :ivar referrers: who, such as ``ISCSICdrom/coreos-live``.
    """

    def __init__(self, message: str,
                 referrers: collections.abc.Iterable[str]) -> None:
        """Keep the names of who refers to it."""
        super().__init__(message)
        self.referrers = tuple(referrers)


class TooOldError(CatalogError):
    """The changes after that resource version are no longer known."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a document.

    :ivar field: path of the field, such as ``spec.bootConfigs[1]``.
    :ivar reason: what is wrong, and what to do.
    """

    field: str
    reason: str

    def __str__(self) -> str:
        """Return both as one text."""
        return f'{self.field}: {self.reason}' if self.field else self.reason


class InvalidError(CatalogError):
    """A document or a request is malformed.

    :ivar problems: everything that was found.
    """

    def __init__(self, *problems: Problem) -> None:
        """Join the problems into the message, and keep them."""
        super().__init__('; '.join(map(str, problems)))
        self.problems = problems
