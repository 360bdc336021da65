# SPDX-License-Identifier: Apache-2.0

"""iSCSI targets of tgt: many on one base, and how fast they are read.

    python -m benchmarks.san_targets [--size 1G] [--targets 100]
        [--file-system xfs|btrfs|ext4] [--rounds 3]

Everything is on a file system of its own, on a loop device. First as many
customised images of one base get a target each: how long that takes, what
it costs in disk beyond the base, how long a new tgtd takes to serve them
all again. Then a whole image is read: from the file by dd, by one and by two
at a time, and through tgtd by one and two clients (qemu-img bench, eight
requests of 256 KiB under way). These are taken in turn, round by round; the
file is in the page cache, so that the way is measured and not the disk.
Needs root's rights, the packages of bindep's profile "test", and free space
of the size (ext4: of all images). About a minute.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import os
import pathlib
import re
import resource
import statistics
import subprocess
import tempfile
import time
import typing

from benchmarks import injection

from ironic_ext import images
from ironic_ext import iso
from ironic_ext import san
from tests.functional import tgtd
from tests import isos

_MIB = 1 << 20
_MKFS = {'xfs': ('mkfs.xfs', '-q', '-m', 'reflink=1'),
         'btrfs': ('mkfs.btrfs', '-q'),
         'ext4': ('mkfs.ext4', '-q', '-m', '0')}
_RUN_TIME = re.compile(r'Run completed in ([0-9.]+) seconds')
#: Bytes of one request; Linux' initiator reads ahead about as much.
_REQUEST = 256 << 10


@dataclasses.dataclass(frozen=True)
class Created:
    """What the targets cost.

    :ivar seconds: to plan the images, and to export them.
    :ivar cpu: seconds of both, of this process and of tgtadm.
    :ivar slowest: seconds of the slowest export.
    :ivar disk: bytes beyond the base.
    :ivar again: seconds until a new tgtd serves all of them.
    """

    count: int
    planned: float
    exported: float
    cpu: float
    slowest: float
    disk: int
    again: float
    released: float


@contextlib.contextmanager
def mounted(kind: str, size: int, directory: pathlib.Path
            ) -> typing.Iterator[pathlib.Path]:
    """Yield an empty file system of that many bytes."""
    disk, mount = directory / 'disk', directory / 'mount'
    mount.mkdir()
    with open(disk, 'wb') as stream:
        stream.truncate(size)
    subprocess.run([*_MKFS[kind], str(disk)], check=True,
                   capture_output=True)
    subprocess.run(['mount', '-o', 'loop', str(disk), str(mount)],
                   check=True)
    try:
        yield mount
    finally:
        subprocess.run(['umount', str(mount)], check=True)


def used(mount: pathlib.Path) -> int:
    """Return the bytes that a file system has in use."""
    os.sync()
    facts = os.statvfs(mount)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize


def create(targets: san.Targets, base: images.BaseImage, count: int,
           mount: pathlib.Path, server: tgtd.Tgtd) -> Created:
    """Make the targets, let tgtd be restarted, and remove them again."""
    before = used(mount)
    planned, exported, cpu = 0.0, [], _cpu_seconds()
    for number in range(count):
        began = time.monotonic()
        config = {'/openstack/latest/user_data': os.urandom(5000)}
        with iso.IsoImage.open(base.path) as image, iso.inject(
                image, iso.Injection(append_args=f'host={number}',
                                     files=config)) as made:
            middle = time.monotonic()
            targets.export(f'node:{number}', made, base)
        planned += middle - began
        exported.append(time.monotonic() - middle)
    cpu = _cpu_seconds() - cpu
    disk = used(mount) - before
    server.kill()
    server.start()
    began = time.monotonic()
    rebuilt = targets.rebuild()
    again = time.monotonic() - began
    assert len(rebuilt.made) == count and not rebuilt.failed
    began = time.monotonic()
    for number in range(count):
        targets.release(f'node:{number}')
    assert not targets.status()
    return Created(count, planned, sum(exported), cpu, max(exported), disk,
                   again, time.monotonic() - began)


def _cpu_seconds() -> float:
    return sum(facts.ru_utime + facts.ru_stime for facts in map(
        resource.getrusage,
        (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def _dd(path: str, size: int) -> float:
    began = time.monotonic()
    subprocess.run(['dd', f'if={path}', 'of=/dev/null', 'bs=1M',
                    'status=none'], check=True)
    return time.monotonic() - began


def _through_tgt(found: san.Location, size: int) -> float:
    portal = san.Portal(found.portal, found.port)
    done = subprocess.run(
        ['qemu-img', 'bench', '-f', 'raw', '-c', str(size // _REQUEST),
         '-d', '8', '-s', str(_REQUEST),
         f'iscsi://{portal}/{found.iqn}/{found.lun}'],
        check=True, capture_output=True, text=True)
    match = _RUN_TIME.search(done.stdout)
    assert match is not None, done.stdout
    return float(match[1])


def rate(read: typing.Callable[..., float], where: object, size: int,
         clients: int) -> float:
    """Return the bytes per second of all clients together."""
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        seconds = max(pool.map(lambda _: read(where, size),
                               range(clients)))
    return size * clients / seconds


def compare(targets: san.Targets, base: images.BaseImage, rounds: int
            ) -> dict[str, float]:
    """Read the base by dd and through tgtd; return medians in bytes/s."""
    with iso.IsoImage.open(base.path) as image:
        with iso.inject(image, iso.Injection()) as plain:
            found = targets.export('bench', plain, base)
    ways: dict[str, tuple[typing.Callable[..., float], object, int]] = {
        'dd from the file': (_dd, base.path, 1),
        'dd from the file, two at a time': (_dd, base.path, 2),
        'tgt, one client': (_through_tgt, found, 1),
        'tgt, two clients': (_through_tgt, found, 2)}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for read, where, _ in ways.values():
        read(where, base.size)
    for _ in range(rounds):
        for name, (read, where, clients) in ways.items():
            rates[name].append(rate(read, where, base.size, clients))
    targets.release('bench')
    return {name: statistics.median(found) for name, found in rates.items()}


def report(facts: Created, base: images.BaseImage, kind: str,
           rates: dict[str, float]) -> str:
    """Return what was found as text."""
    lines = [
        f'{facts.count} customised images of one ISO of '
        f'{base.size / _MIB:.0f} MiB, on {kind}:',
        f'  planned in             {facts.planned:8.2f} s',
        f'  exported in            {facts.exported:8.2f} s'
        f'  (slowest {facts.slowest * 1000:.0f} ms)',
        f'  CPU time of both       {facts.cpu:8.2f} s',
        f'  disk beyond the base   {facts.disk / _MIB:8.1f} MiB',
        f'  served by a new tgtd   {facts.again:8.2f} s',
        f'  released in            {facts.released:8.2f} s',
        'A whole image, read in order (all clients together):']
    first = next(iter(rates.values()))
    lines += [f'  {name:32} {value / _MIB:8.0f} MiB/s  x{value / first:.2f}'
              for name, value in rates.items()]
    return '\n'.join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--size', type=injection.parse_size, default='1G')
    parser.add_argument('--targets', type=int, default=100)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--file-system', choices=sorted(_MKFS),
                        default='xfs')
    parser.add_argument('--directory', type=pathlib.Path, default=None)
    given = parser.parse_args()
    copies = given.targets if given.file_system == 'ext4' else 0
    room = int((given.size + 64 * _MIB) * (copies + 1)) + 512 * _MIB
    with (tempfile.TemporaryDirectory(dir=given.directory) as name,
          mounted(given.file_system, room, pathlib.Path(name)) as mount,
          tgtd.Tgtd() as server):
        path = isos.KINDS['lorax_like'].build(mount, payload=given.size)
        with open(path, 'rb') as stream:
            digest = hashlib.file_digest(stream, 'sha256').hexdigest()
        base = images.BaseImage(str(path), 'file:///isos/base.iso',
                                path.stat().st_size, f'sha256:{digest}')
        targets = san.open_targets('tgt', san.Settings(
            root=str(mount / 'exports'), portal=server.portal,
            control_port=server.control_port, chap='none'))
        facts = create(targets, base, given.targets, mount, server)
        rates = compare(targets, base, given.rounds)
    print(report(facts, base, given.file_system, rates))


if __name__ == '__main__':
    main()
