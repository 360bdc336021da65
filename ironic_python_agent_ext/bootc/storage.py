# SPDX-License-Identifier: Apache-2.0

"""The file system that an image lies on until it is installed.

It is mounted where podman keeps images anyway, so that the ramdisk's own
file system, half of the memory at most, takes none of it; a directory of it
is mounted on /var/tmp, where bootc unpacks layers. What there is to take down
is recorded before it is made: an agent that is killed leaves it to
the next one.
"""

import dataclasses
import json
import os
import pathlib
import time
import typing

from ironic_python_agent import utils
from oslo_concurrency import processutils
from oslo_log import log

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import pull_files
from ironic_python_agent_ext.bootc import storage_plan

LOG = log.getLogger(__name__)

#: Where the agent keeps what belongs to an install.
STATE = pathlib.Path('/run/ironic-bootc')

_RECORD = STATE / 'store.json'
#: Name of the file systems, also for people who look at mounts.
_LABEL = 'ironic-bootc'
# Directory of the store that is mounted on /var/tmp.
_TEMPORARY = 'ironic-bootc-tmp'
_ZRAM_CONTROL = pathlib.Path('/sys/class/zram-control')
_BLOCK = pathlib.Path('/sys/block')
#: Seconds until a device that is in use is given up.
_BUSY = 20.0
_PAUSE = 0.2


@dataclasses.dataclass(frozen=True)
class Store:
    """A mounted store, or what is left of one."""

    kind: str
    #: Device to give back: of zram, a loop, or the operator's scratch disk.
    device: str | None = None

    @classmethod
    def make(cls, plan: storage_plan.StorePlan) -> typing.Self:
        """Make the file system and mount it.

        :raises: StoreError; nothing is left then.
        """
        store = cls(plan.kind)
        try:
            if plan.kind == storage_plan.TMPFS:
                _record(store)
                _mount('-t', 'tmpfs', '-o', f'size={plan.size},mode=0700',
                       _LABEL)
                _cover_temporary()
                return store
            store = cls(plan.kind, _device(plan))
            _record(store)
            _format(typing.cast(str, store.device), plan)
            _mount('-t', 'ext4', '-o', 'noatime,nobarrier,discard',
                   typing.cast(str, store.device))
            _cover_temporary()
            return store
        except (OSError, processutils.ProcessExecutionError) as exc:
            store.remove()
            raise errors.StoreError(
                f'no {plan.kind} store can be made for the image: '
                f'{_why(exc)}') from exc
        except errors.StoreError:
            store.remove()
            raise

    @classmethod
    def left(cls) -> typing.Self | None:
        """Return what an earlier install did not take down."""
        try:
            return cls(**json.loads(_RECORD.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            # Killed while it was written: nothing was made yet.
            return cls(storage_plan.TMPFS)

    @property
    def used(self) -> int:
        """Bytes that lie in the store."""
        figures = os.statvfs(pull_files.GRAPH)
        return (figures.f_blocks - figures.f_bfree) * figures.f_frsize

    @property
    def room(self) -> int:
        """Bytes that can still be written to the store."""
        figures = os.statvfs(pull_files.GRAPH)
        found = figures.f_bavail * figures.f_frsize
        if self.kind == storage_plan.ZRAM:
            return min(found, _zram_room(typing.cast(str, self.device)))
        return found

    def remove(self) -> None:
        """Unmount the store and give its device back.

        :raises: StoreError when something holds it.
        """
        _unmount()
        if self.device is not None:
            if self.kind == storage_plan.ZRAM:
                _remove_zram(self.device)
            elif self.kind == storage_plan.TARGET:
                _detach_loop(self.device)
            elif os.path.exists(self.device):
                _try('wipefs', '--all', '--quiet', self.device)
        _RECORD.unlink(missing_ok=True)


def load_modules() -> None:
    """Have the kernel know what an install may need, where it has modules.

    What is built in, or missing, is found out by what needs it.
    """
    for name in ('overlay', 'zram', 'loop', 'dm_mod', 'dm_crypt'):
        try:
            utils.execute('modprobe', '--quiet', name)
        except (OSError, processutils.ProcessExecutionError):
            LOG.debug('No kernel module %s was loaded', name)


def _record(store: Store) -> None:
    temporary = _RECORD.with_suffix('.new')
    temporary.write_text(json.dumps(dataclasses.asdict(store)))
    temporary.rename(_RECORD)


def _device(plan: storage_plan.StorePlan) -> str:
    if plan.kind == storage_plan.ZRAM:
        return _add_zram(plan)
    assert plan.device is not None
    if plan.kind == storage_plan.TARGET:
        return _attach_loop(plan.device, plan.size)
    try:
        # What is mounted, or part of an array, is not given exclusively.
        os.close(os.open(plan.device, os.O_RDWR | os.O_EXCL))
    except OSError as exc:
        raise errors.StoreError(
            f'scratch disk {plan.device} cannot hold the image: '
            f'{exc.strerror}') from exc
    return plan.device


def _add_zram(plan: storage_plan.StorePlan) -> str:
    name = f'zram{(_ZRAM_CONTROL / "hot_add").read_text().strip()}'
    _record(Store(storage_plan.ZRAM, f'/dev/{name}'))
    settings = _BLOCK / name
    if plan.compressor is not None:
        (settings / 'comp_algorithm').write_text(plan.compressor)
    (settings / 'disksize').write_text(str(plan.size))
    # Writing fails beyond it, instead of the kernel killing programs.
    (settings / 'mem_limit').write_text(str(plan.memory))
    _await(lambda: os.path.exists(f'/dev/{name}'))
    return f'/dev/{name}'


def _remove_zram(device: str) -> None:
    settings = _BLOCK / os.path.basename(device)
    if not settings.exists():
        return

    def reset() -> bool:
        try:
            (settings / 'reset').write_text('1')
        except OSError:
            return False
        return True

    if not _await(reset):
        raise errors.StoreError(f'{device} is in use and cannot be removed')
    number = os.path.basename(device).removeprefix('zram')
    try:
        (_ZRAM_CONTROL / 'hot_remove').write_text(number)
    except OSError as exc:
        # It takes no memory any more.
        LOG.warning('Cannot remove %(device)s: %(why)s',
                    {'device': device, 'why': exc})


def _attach_loop(device: str, size: int) -> str:
    """Make a device of a disk's last bytes, but for those of its GPT."""
    whole = int(utils.execute('blockdev', '--getsize64', device)[0])
    offset = (whole - storage_plan.BACKUP_TABLE - size) >> 20 << 20
    return str(utils.execute(
        'losetup', '--find', '--show', f'--offset={offset}',
        f'--sizelimit={size}', device)[0]).strip()


def _detach_loop(device: str) -> None:
    _try('wipefs', '--all', '--quiet', device)
    _try('losetup', '--detach', device)


def _format(device: str, plan: storage_plan.StorePlan) -> None:
    # A journal is of no use to what is thrown away.
    utils.execute('mkfs.ext4', '-q', '-F', '-O', '^has_journal', '-m', '0',
                  '-i', '8192', '-E', 'lazy_itable_init=1,nodiscard',
                  '-L', _LABEL, device)


def _mount(*arguments: str) -> None:
    pull_files.GRAPH.mkdir(mode=0o700, parents=True, exist_ok=True)
    utils.execute('mount', *arguments, str(pull_files.GRAPH))


def _cover_temporary() -> None:
    """Mount a directory of the store on /var/tmp."""
    directory = pull_files.GRAPH / _TEMPORARY
    directory.mkdir()
    directory.chmod(0o1777)
    pull_files.TEMPORARY.mkdir(parents=True, exist_ok=True)
    utils.execute('mount', '--bind', str(directory),
                  str(pull_files.TEMPORARY))


def _zram_room(device: str) -> int:
    """Return the bytes that a compressed disk takes until memory is short.

    Of zram's mm_stat: size as written, compressed, all with its tables.
    """
    settings = _BLOCK / os.path.basename(device)
    figures = [*map(int, (settings / 'mm_stat').read_text().split())]
    original, _compressed, used, limit = figures[:4]
    if not limit or not used or not original:
        return 1 << 62
    return int((limit - used) * original / used)


def _covers() -> bool:
    """Tell whether a directory of ours lies on /var/tmp."""
    return any(fields[3].split('/')[-1] == _TEMPORARY for fields in map(
        str.split, pathlib.Path('/proc/self/mountinfo').read_text(
        ).splitlines()) if fields[4] == os.path.realpath(
            pull_files.TEMPORARY))


def _is_mounted() -> bool:
    """Tell whether a store of ours lies where podman keeps images."""
    record = Store.left()
    for line in pathlib.Path('/proc/self/mountinfo').read_text().splitlines():
        before, _dash, after = line.partition(' - ')
        if before.split()[4] != str(pull_files.GRAPH):
            continue
        source = after.split()[1]
        if source == _LABEL or (record is not None
                                and source == record.device):
            return True
    return False


def _unmount() -> None:
    if _covers():
        # Nothing of it is worth to wait for: who holds it was ended.
        _try('umount', '--lazy', str(pull_files.TEMPORARY))

    def attempt() -> bool:
        if not _is_mounted():
            return True
        _try('umount', '--recursive', str(pull_files.GRAPH))
        return not _is_mounted()

    if not _await(attempt):
        _try('umount', '--recursive', '--lazy', str(pull_files.GRAPH))


def _await(condition: typing.Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _BUSY
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _try(*command: str) -> None:
    try:
        utils.execute(*command)
    except (OSError, processutils.ProcessExecutionError) as exc:
        LOG.warning('%(command)s: %(why)s',
                    {'command': ' '.join(command), 'why': _why(exc)})


def _why(exc: Exception) -> str:
    if isinstance(exc, processutils.ProcessExecutionError):
        return ' '.join((exc.stderr or exc.stdout or str(exc)).split())[:300]
    return str(exc)
