# SPDX-License-Identifier: Apache-2.0

"""Targets of the Linux SCSI target framework, tgt (tgtd(8), tgtadm(8)).

tgtd is started by others, and forgets everything when it ends. A LUN is a
disk, not a cd: one reader that ejects a cd takes it away from all.
"""

import contextlib
import functools
import secrets
import time

from ironic_ext.san import daemon
from ironic_ext.san import errors
from ironic_ext.san import exports
from ironic_ext.san import location
from ironic_ext.san import settings as san_settings
from ironic_ext.san.tgt import tgtadm

#: tgtd's word for every initiator.
_ALL = 'ALL'
_TRIES = 10
#: tgtd has their numbers in 32 bits with a sign.
_TIDS = (1 << 31) - 2
#: Seconds between two tries to remove what tgtd reads from.
_ACTIVE_INTERVAL = 0.05


def targets(settings: san_settings.Settings) -> exports.Exports:
    """Return the targets of this host's tgtd."""
    return exports.Exports(settings, TgtDaemon(settings))


class TgtDaemon:
    """A tgtd that runs on this host.

    :param settings: how to reach it.
    """

    def __init__(self, settings: san_settings.Settings) -> None:
        self._tgtadm = tgtadm.Tgtadm(settings)
        self._timeout = settings.timeout

    def require(self) -> None:
        """Make sure that tgtd answers.

        :raises: TargetDaemonError
        """
        self._tgtadm.run('system', 'show')

    def serve(self, target: daemon.Target) -> None:
        """Serve an image; see daemon.Daemon.

        :raises: TargetDaemonError
        """
        for _ in range(_TRIES):
            # At random, as to ask for those in use takes longer with every
            # target, and others can take one meanwhile.
            tid = secrets.randbelow(_TIDS) + 1
            try:
                self._tgtadm.run('target', 'new', tid=tid,
                                 targetname=target.iqn)
            except tgtadm.ExistsError:
                # The number, or the name.
                for mine in self._find(target.iqn):
                    if _is_right(mine, target):
                        return
                    self._remove(mine)
                continue
            try:
                self._fill(tid, target)
            except BaseException:
                with contextlib.suppress(errors.TargetDaemonError):
                    self.withdraw(target.iqn)
                raise
            return
        raise errors.TargetDaemonError(
            f'tgtd always has a target {target.iqn} already: somebody else '
            'makes it again')

    def _fill(self, tid: int, target: daemon.Target) -> None:
        run = self._tgtadm.run
        run('logicalunit', 'new', tid=tid, lun=location.LUN,
            backing_store=target.path)
        # tgtd takes no notice of it when the LUN is made.
        run('logicalunit', 'update', tid=tid, lun=location.LUN,
            params='readonly=1,vendor_id=IRONIC,product_id=ISO,'
                   f'scsi_id={target.serial},scsi_sn={target.serial}')
        if target.chap is not None:
            self._add_account(target.chap)
            run('account', 'bind', tid=tid, user=target.chap.username)
        # Last: until then nobody can log in, so nobody could write.
        for address in _acl(target):
            run('target', 'bind', tid=tid, initiator_address=address)

    def _add_account(self, chap: location.Chap) -> None:
        try:
            self._tgtadm.add_account(chap)
        except tgtadm.ExistsError:
            # It was left behind, and may have another password.
            self._tgtadm.run('account', 'delete', user=chap.username)
            self._tgtadm.add_account(chap)

    def withdraw(self, iqn: str, chap: location.Chap | None = None) -> None:
        """Serve it no longer; see daemon.Daemon.

        :raises: TargetDaemonError
        """
        try:
            for shown in self._find(iqn):
                self._remove(shown)
            # A conductor that was killed may have removed the target alone.
            if chap is not None and chap.username in self._tgtadm.accounts():
                self._tgtadm.run('account', 'delete', user=chap.username)
        except tgtadm.NotRunningError:
            return

    def _find(self, iqn: str) -> list[tgtadm.Shown]:
        return [shown for shown in self._tgtadm.targets()
                if shown.iqn == iqn]

    def _remove(self, shown: tgtadm.Shown) -> None:
        self._remove_target(shown.tid)
        for account in shown.accounts:
            self._tgtadm.run('account', 'delete', user=account)

    def _remove_target(self, tid: int) -> None:
        """Remove a target, whoever reads it.

        With "force" tgtd closes the sessions, and then refuses if it was
        reading for one of them, until that read is done. Initiators log in
        again at once, and read on, where they are let.
        """
        deadline = time.monotonic() + self._timeout
        self._tgtadm.run('target', 'update', tid=tid, name='state',
                         value='offline')
        while True:
            try:
                self._tgtadm.run('target', 'delete', force=True, tid=tid)
                return
            except tgtadm.ActiveError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_ACTIVE_INTERVAL)

    def served(self) -> dict[str, daemon.Served]:
        """Return what there is; see daemon.Daemon.

        :raises: TargetDaemonError
        """
        return {shown.iqn: daemon.Served(
            shown.iqn, _path(shown), shown.sessions,
            functools.partial(_is_right, shown))
            for shown in self._tgtadm.targets()}


def _path(shown: tgtadm.Shown) -> str:
    return next((lun.path for lun in shown.luns
                 if lun.number == location.LUN), '')


def _is_right(shown: tgtadm.Shown, target: daemon.Target) -> bool:
    accounts = {target.chap.username} if target.chap else set()
    return (tgtadm.Lun(location.LUN, target.path, True) in shown.luns
            and shown.accounts == accounts
            and shown.acl == set(_acl(target)))


def _acl(target: daemon.Target) -> list[str]:
    """Return the addresses as tgtd's ACL has them."""
    addresses = []
    for network in target.networks:
        if not network.prefixlen:
            # It cannot shift by a whole word.
            return [_ALL]
        address = str(network.network_address)
        if network.version == 6:
            address = f'[{address}]'
        # It takes a whole address for no network.
        if network.prefixlen < network.max_prefixlen:
            address = f'{address}/{network.prefixlen}'
        addresses.append(address)
    return addresses or [_ALL]
