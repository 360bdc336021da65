# SPDX-License-Identifier: Apache-2.0

"""Jobs of the image benchmark, each a process of its own.

Prints one JSON object. Starting Python and importing is not measured: a
conductor has done that once.
"""

import argparse
import collections.abc
import hashlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import threading
import time
import typing

import requests

from ironic_ext import images
from ironic_ext.images import registry
from ironic_ext.images import settings as image_settings
from ironic_ext.images.store import files
from ironic_ext.images.store import shares


def _store(args: argparse.Namespace) -> images.ImageStore:
    settings = image_settings.Settings(
        access=image_settings.Access(proxies={}),
        connections=args.connections)
    # Entry points are looked up once in the life of a process.
    registry.service_for(args.href, settings)
    return images.ImageStore(str(args.directory / 'store'),
                             settings=settings)


def _seconds(job: collections.abc.Callable[[], object]) -> float:
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def _costs(job: collections.abc.Callable[[], object]) -> dict[str, float]:
    """Return seconds, and seconds of all CPUs, that a job takes."""
    busy = time.process_time()
    seconds = _seconds(job)
    return {'seconds': seconds, 'cpu': time.process_time() - busy}


def fetch_store(args: argparse.Namespace) -> dict[str, float]:
    """Lease an image that is not there, verified."""
    store = _store(args)

    def job() -> None:
        with store.lease(args.href, args.checksum) as image:
            image.place(str(args.directory / 'image'))
    return _costs(job)


def fetch_ironic(args: argparse.Namespace) -> dict[str, float]:
    """Do the same with Ironic's HttpImageService and ImageCache."""
    from ironic.common import context
    from ironic.common import service
    from ironic.drivers.modules import image_cache
    service.prepare_command(['benchmark', '--config-file', os.devnull])
    cache = image_cache.ImageCache(
        str(args.directory / 'master'), cache_size=1 << 40, cache_ttl=3600,
        disable_validation=True)
    facts: dict[str, typing.Any] = {}
    if args.checksum:
        algorithm, _colon, digest = args.checksum.partition(':')
        facts = {'expected_checksum': digest,
                 'expected_checksum_algo': algorithm}
    return _costs(lambda: cache.fetch_image(
        args.href, str(args.directory / 'image'),
        ctx=context.get_admin_context(), force_raw=False, **facts))


def hits(args: argparse.Namespace) -> dict[str, float]:
    """Lease what is there, again and again: milliseconds, medians."""
    store = _store(args)
    target = args.directory / 'hit'
    with store.lease(args.href, args.checksum) as image:
        path = os.path.realpath(image.path)

    def known() -> None:
        with store.lease(args.href, args.checksum) as found:
            found.place(str(target))

    def revalidated() -> None:
        with store.lease(args.href) as found:
            found.place(str(target))

    def request() -> None:
        # What a revalidation cannot do without: one request, answered 304.
        with requests.Session() as session:
            session.trust_env = False
            session.get(args.href, headers=condition).raise_for_status()

    def copy() -> None:
        subprocess.run(['cp', '--reflink=auto', path, target], check=True)

    with requests.head(args.href, proxies={'http': ''}) as answer:
        condition = {'If-None-Match': answer.headers['ETag']}
    found = {}
    for job, count in ((known, args.repeat), (revalidated, args.repeat),
                       (request, args.repeat), (copy, 3)):
        times = []
        for _ in range(count):
            target.unlink(missing_ok=True)
            times.append(_seconds(job))
        found[job.__name__] = statistics.median(times) * 1e3
    return found


def crowd_threads(args: argparse.Namespace) -> dict[str, float]:
    """Have many threads of one process want one image at once."""
    store = _store(args)
    barrier = threading.Barrier(args.repeat)
    ends: list[float] = []

    def job() -> None:
        barrier.wait()
        with store.lease(args.href, args.checksum) as image:
            os.stat(image.path)
        ends.append(time.perf_counter())
    threads = [threading.Thread(target=job) for _ in range(args.repeat)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {'first': min(ends) - started, 'last': max(ends) - started,
            'finished': len(ends)}


def crowd_processes(args: argparse.Namespace) -> dict[str, float]:
    """Have many processes want one image at once."""
    store = _store(args)
    go_read, go_write = os.pipe()
    end_read, end_write = os.pipe()
    children = []
    for _ in range(args.repeat):
        pid = os.fork()
        if not pid:
            os.close(go_write)
            os.read(go_read, 1)             # until the parent closes it
            with store.lease(args.href, args.checksum) as image:
                os.stat(image.path)
            os.write(end_write, b'%.6f\n' % time.monotonic())
            os._exit(0)
        children.append(pid)
    os.close(end_write)
    started = time.monotonic()
    os.close(go_write)
    for pid in children:
        os.waitpid(pid, 0)
    with open(end_read) as file:
        ends = [float(line) - started for line in file]
    return {'first': min(ends), 'last': max(ends), 'finished': len(ends)}


def share(args: argparse.Namespace) -> dict[str, float]:
    """Look whether a project has room: milliseconds, medians.

    With as many images in the store as are asked for, of two projects; the
    href is not used. A download looks at most twice a second.
    """
    root = str(args.directory / 'store')
    sources = args.directory / 'sources'
    sources.mkdir()
    stores = {project: images.ImageStore(
        root, settings=image_settings.Settings(
            project=project, allowed_paths=(str(sources),)))
        for project in 'ab'}
    for number in range(args.repeat):
        source = sources / str(number)
        source.write_bytes(number.to_bytes(4) * 1024)
        with stores['ab'[number % 2]].lease(f'file://{source}'):
            pass
    one = shares.Shares(files.StoreFiles(root), 1 << 40, lambda _name: True)
    return {'look': 1e3 * statistics.median(
        _seconds(lambda: one.require_possible('a', 1 << 20, '', 'image'))
        for _run in range(20)), 'images': args.repeat}


JOBS = {'fetch-store': fetch_store, 'fetch-ironic': fetch_ironic,
        'share': share, 'hits': hits, 'crowd-threads': crowd_threads,
        'crowd-processes': crowd_processes}


def digest(path: pathlib.Path) -> str:
    """Return the checksum of a file as the store wants it."""
    with path.open('rb') as file:
        return f'sha256:{hashlib.file_digest(file, "sha256").hexdigest()}'


def empty(directory: pathlib.Path) -> None:
    """Remove what a job has left."""
    for path in directory.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def main() -> None:
    """Do one job."""
    parser = argparse.ArgumentParser()
    parser.add_argument('job', choices=JOBS)
    parser.add_argument('href')
    parser.add_argument('directory', type=pathlib.Path)
    parser.add_argument('--checksum')
    parser.add_argument('--connections', type=int, default=4)
    parser.add_argument('--repeat', type=int, default=50)
    args = parser.parse_args()
    print(json.dumps(JOBS[args.job](args)))


if __name__ == '__main__':
    main()
