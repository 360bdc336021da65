# SPDX-License-Identifier: Apache-2.0

"""Files and config drives of a node, on disk while its boot is made."""

import collections.abc
import contextlib
import os
import typing

from ironic.conf import CONF

from ironic_ext.drivers.images import bases as base_images
from ironic_ext import images
from ironic_ext.images import spool as spools
from ironic_ext.node import boot_files
from ironic_ext import stored

_MIB = 1 << 20
#: Seconds to wait for other nodes where somebody waits for an API answer.
_API_SECONDS = 10.0
# Seconds for all of it then: the API gives the conductor up after 60
# (rpc_response_timeout), and a thread of the conductor waits.
_API_PATIENCE = 50.0
_OPTION = '[ext_boot]content_space'


def limits() -> boot_files.Limits:
    """Return how much one node may have."""
    return boot_files.Limits(
        file=CONF.ext_boot.max_file_size * _MIB,
        total=CONF.ext_boot.max_total_size * _MIB,
        configdrive=CONF.ext_boot.max_configdrive_size * _MIB)


@contextlib.contextmanager
def shelf(task: typing.Any, *, patient: bool = True
          ) -> collections.abc.Iterator['Shelf']:
    """Keep a node's content while the context lasts.

    :param patient: see images.bases.store().
    """
    timeout = float(CONF.ext_boot.content_timeout)
    one = limits()
    with spools.Spool(_folder, spools.Limits(
            CONF.ext_boot.content_space * _MIB,
            # Files, and a config drive as it came, decoded and unpacked.
            one.total + 4 * one.configdrive,
            timeout if patient else min(timeout, _API_SECONDS),
            _OPTION, None if patient else _API_PATIENCE)) as spool:
        yield Shelf(task, patient, spool)


class Shelf:
    """Where a node's content lies: boot_files.Shelf."""

    def __init__(self, task: typing.Any, patient: bool, spool: spools.Spool
                 ) -> None:
        self._task = task
        self._patient = patient
        self._spool = spool

    def read(self, href: str, limit: int) -> stored.Content:
        """Download at most so many bytes.

        :raises: ImageError
        """
        target = self._spool.download(limit, images.redacted(href))
        base_images.store(
            self._task, patient=self._patient,
            reach=base_images.Reach.CONTENT).download(href, target)
        return target.content()

    def keep(self, pieces: collections.abc.Iterable[bytes]
             ) -> stored.Content:
        """Keep what the pieces are together.

        :raises: ImageError
        """
        return self._spool.keep(pieces)


def _folder() -> str:
    """Return the directory, made when missing.

    :raises: OSError
    """
    path = os.path.join(CONF.ext_state.dir, 'content')
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path
