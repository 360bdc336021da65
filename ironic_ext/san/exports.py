# SPDX-License-Identifier: Apache-2.0

"""Images served by a program on this host, each from a file of its own.

A customised image is a file beside its base: blocks are shared where the
file system can, else it is a copy. tgt has no backing store
for overlays, and a file keeps on working when the conductor restarts.
"""

import contextlib
import dataclasses
import hashlib
import logging
import os
import secrets
import stat

from ironic_ext import blocks
from ironic_ext.san import contract
from ironic_ext.san import daemon as daemons
from ironic_ext.san import errors
from ironic_ext.san import location
from ironic_ext.san import settings as san_settings
from ironic_ext.san import target_records

LOG = logging.getLogger(__name__)

_MODE = 0o444
#: Bytes; 96 bits, as RFC 7143 section 9.2.1 asks for, in 16 characters,
#: the most that some initiators take.
_PASSWORD_BYTES = 12
#: Longest serial number that initiators agree on.
_SERIAL = 20


class Exports:
    """Targets, and who needs them; see targets.Targets.

    :param settings: of the site.
    :param daemon: that serves them.
    """

    def __init__(self, settings: san_settings.Settings,
                 daemon: daemons.Daemon) -> None:
        self._settings = settings
        self._daemon = daemon
        self._records = target_records.TargetRecords(settings.root)

    def require(self) -> None:
        """Make sure that targets can be made here and now.

        :raises: TargetDaemonError
        """
        self._daemon.require()

    def export(self, owner: str, image: contract.Image, base: contract.Base,
               *, portal: location.Portal | None = None,
               given: location.Location | None = None) -> location.Location:
        """Serve an image; see targets.Targets.

        :raises: SanError, and what ``image.write`` raises
        """
        portal = portal or self._settings.portal_for()
        if given is not None:
            raise errors.SanError(
                f'target {given.iqn} is given, but the back end makes its '
                'own: use "static"')
        key = _key(image, base)
        with self._records.locked(key, make=True):
            before = self._records.read(key)
            record = (before or self._new(key, image, base)
                      ).with_owner(owner)
            if record != before:
                # First: what is made from now on has a record.
                self._records.write(record)
            try:
                self._place(record, image, base)
                self._daemon.serve(self._target(record))
            except BaseException:
                self._take_back(record, before)
                raise
        LOG.info('%(image)s is served as %(iqn)s for %(owner)s',
                 {'image': record.image, 'iqn': record.iqn, 'owner': owner})
        return _location(record, portal)

    def _new(self, key: str, image: contract.Image, base: contract.Base
             ) -> target_records.TargetRecord:
        customised = not contract.is_base(image, base)
        chap = None
        if (self._settings.chap == san_settings.CHAP_ALL or customised
                and self._settings.chap == san_settings.CHAP_CUSTOMISED):
            chap = location.Chap(f'ironic-{key[:12]}',
                                 secrets.token_urlsafe(_PASSWORD_BYTES))
        return target_records.TargetRecord(
            key, f'{self._settings.iqn_prefix}:iso-{key}', base.href,
            image.size, customised, chap)

    def _place(self, record: target_records.TargetRecord,
               image: contract.Image, base: contract.Base) -> None:
        """Put the image where it is served from, if it is not there."""
        path = self._records.image(record.key)
        if _size(path) == record.size:
            return
        self._records.sweep(record.key)
        self._require_room(record, image, base)
        try:
            if not record.customised:
                base.place(path)
                # Of a hard link it would be the mode of the base.
                if os.stat(path).st_nlink == 1:
                    os.chmod(path, _MODE)
            else:
                image.write(path, mode=_MODE)
        except OSError as exc:
            raise errors.of_file(f'cannot write {path}', exc) from exc
        except Exception as exc:
            if isinstance(exc.__cause__, OSError):
                raise errors.of_file(f'cannot write {path}',
                                     exc.__cause__) from exc
            raise

    def _require_room(self, record: target_records.TargetRecord,
                      image: contract.Image, base: contract.Base) -> None:
        folder = os.path.join(self._records.folder, record.key)
        try:
            facts = os.statvfs(folder)
            shares = blocks.can_share(base.path, folder)
            near = os.stat(base.path).st_dev == os.stat(folder).st_dev
        except OSError as exc:
            raise errors.of_file(f'cannot read {folder}', exc) from exc
        if shares:
            needed = image.literal_bytes
        elif near and not record.customised:
            # A hard link.
            needed = 0
        else:
            needed = image.size
        free = facts.f_bavail * facts.f_frsize
        if needed + self._settings.min_free > free:
            raise errors.NoSpaceError(
                f'there is no room to serve {record.image} from '
                f'{self._settings.root}: it needs {_mib(needed)} MiB there, '
                f'{_mib(free)} MiB are free and '
                f'{_mib(self._settings.min_free)} MiB have to stay free; '
                'make room, or put [ext_san]export_dir on a file system '
                'with reflinks together with [ext_images]cache_dir')

    def _take_back(self, record: target_records.TargetRecord,
                   before: target_records.TargetRecord | None) -> None:
        """Undo a failed export as far as that is possible now."""
        with contextlib.suppress(errors.SanError):
            if before is not None and before.owners:
                self._records.write(before)
            else:
                self._let_go(dataclasses.replace(record, owners=()))

    def find(self, owner: str, *, portal: location.Portal | None = None
             ) -> list[location.Location]:
        """Return what an owner has; see targets.Targets.

        :raises: SanError
        """
        portal = portal or self._settings.portal_for()
        return [_location(record, portal) for record in self._records.all()
                if owner in record.owners]

    def release(self, owner: str) -> None:
        """Let go of what an owner has; see targets.Targets.

        :raises: SanError: the first failure. rebuild() tries again.
        """
        failures = []
        # Where nobody is left, somebody was killed, or failed, amid this.
        for key in [record.key for record in self._records.all()
                    if owner in record.owners or not record.owners]:
            try:
                with self._records.locked(key) as held:
                    record = self._records.read(key) if held else None
                    if record is None:
                        continue
                    if owner in record.owners:
                        self._let_go(record.without(owner))
                    elif not record.owners:
                        self._drop(record)
            except errors.SanError as exc:
                failures.append(exc)
        if failures:
            raise failures[0]

    def _let_go(self, record: target_records.TargetRecord) -> None:
        self._records.write(record)
        if not record.owners:
            self._drop(record)

    def _drop(self, record: target_records.TargetRecord) -> None:
        """Remove a target that nobody needs; it is locked."""
        self._daemon.withdraw(record.iqn, record.chap)
        self._records.remove(record.key)
        LOG.info('%(image)s is not served any more as %(iqn)s',
                 {'image': record.image, 'iqn': record.iqn})

    def owners(self) -> set[str]:
        """Return who has anything.

        :raises: SanError
        """
        return {owner for record in self._records.all()
                for owner in record.owners}

    def rebuild(self) -> contract.Rebuilt:
        """Make what should be there; see targets.Targets.

        Whatever is being worked on at this moment is left alone. The daemon
        is not asked where nothing was ever made.

        :raises: SanError when the daemon cannot be asked
        """
        if not os.path.isdir(self._records.folder):
            return contract.Rebuilt()
        keys = self._records.keys()
        served = self._daemon.served()
        outcome: dict[str, list[str]] = {'made': [], 'removed': [],
                                         'failed': []}
        strays = self._strays(keys, served)
        for key in sorted({*keys, *strays}):
            iqn = strays.get(key, key)
            try:
                with self._records.locked(key, make=key in strays,
                                          wait=False) as held:
                    done, iqn = self._mend(key, iqn, served
                                           ) if held else ('', iqn)
            except errors.SanError as exc:
                LOG.warning('The iSCSI target %(iqn)s cannot be mended, '
                            'trying again later: %(error)s',
                            {'iqn': iqn, 'error': exc})
                done = 'failed'
            if done:
                outcome[done].append(iqn)
        return contract.Rebuilt(**{name: tuple(iqns)
                                   for name, iqns in outcome.items()})

    def _strays(self, keys: list[str], served: dict[str, daemons.Served]
                ) -> dict[str, str]:
        """Return targets whose directories were removed by hand."""
        return {key: one.iqn for one in served.values()
                if (key := os.path.basename(os.path.dirname(one.path)))
                and one.path == self._records.image(key)
                and key not in keys}

    def _mend(self, key: str, iqn: str, served: dict[str, daemons.Served]
              ) -> tuple[str, str]:
        record = self._records.read(key)
        if record is None or not record.owners:
            iqn = record.iqn if record else iqn
            if record or iqn in served:
                self._daemon.withdraw(iqn, record.chap if record else None)
            self._records.remove(key)
            return 'removed', iqn
        if _size(self._records.image(key)) != record.size:
            LOG.error('The image of the iSCSI target %(iqn)s is gone, '
                      'deploy or rebuild the nodes that boot it: %(owners)s',
                      {'iqn': record.iqn,
                       'owners': ', '.join(record.owners)})
            return 'failed', record.iqn
        target = self._target(record)
        if record.iqn in served and served[record.iqn].right(target):
            return '', record.iqn
        self._daemon.serve(target)
        return 'made', record.iqn

    def status(self) -> list[contract.TargetStatus]:
        """Return what there is; see targets.Targets.

        :raises: SanError
        """
        served: dict[str, daemons.Served] = {}
        # Then everything is down.
        with contextlib.suppress(errors.TargetDaemonError):
            served = self._daemon.served()
        return [self._status(record, served.get(record.iqn))
                for record in self._records.all()]

    def _status(self, record: target_records.TargetRecord,
                served: daemons.Served | None) -> contract.TargetStatus:
        path = self._records.image(record.key)
        state = contract.SERVED
        if _size(path) != record.size:
            state = contract.LOST
        elif served is None or not served.right(self._target(record)):
            state = contract.DOWN
        disk = 0
        with contextlib.suppress(OSError):
            disk = os.stat(path).st_blocks * 512
        return contract.TargetStatus(
            record.iqn, record.image, record.size, disk, record.customised,
            record.owners, state, served.sessions if served else 0)

    def _target(self, record: target_records.TargetRecord) -> daemons.Target:
        return daemons.Target(
            record.iqn, self._records.image(record.key),
            record.key[:_SERIAL], record.chap, self._settings.networks)


def _key(image: contract.Image, base: contract.Base) -> str:
    """Return what names the content of an image."""
    if not base.digest:
        raise errors.SanError(
            f'{base.href} has no digest to name its target by')
    facts = base.digest
    if not contract.is_base(image, base):
        facts += f' {image.digest}'
    return hashlib.sha256(facts.encode()).hexdigest()[:32]


def _location(record: target_records.TargetRecord, portal: location.Portal
              ) -> location.Location:
    return location.Location(record.iqn, portal.host, portal.port,
                             chap=record.chap)


def _size(path: str) -> int | None:
    """Return the bytes of a regular file, None where there is none."""
    try:
        facts = os.lstat(path)
    except OSError:
        return None
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None


def _mib(count: int) -> int:
    return -(-count // (1 << 20))
