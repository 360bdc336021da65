# SPDX-License-Identifier: Apache-2.0

"""What it costs to have an image: the store beside curl and Ironic.

    python -m benchmarks.image_download [--size 1G] [--runs 3] [--rtt 20]

prints downloads from nginx on loopback and over a link with latency, hits,
and many requests for one image at once. Needs nginx, curl and iproute2,
root for the link, and free space of about three times the size. The rates
mean something on a quiet machine only; the seconds of CPU bear some load.
"""

import argparse
import collections.abc
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile

from benchmarks import delayed_link
from benchmarks import image_jobs
from benchmarks import injection
from benchmarks import measure

from ironic_ext.cli import progress
from lab import process

_NGINX = """\
daemon off;
{user}
pid {directory}/nginx.pid;
error_log stderr;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    log_format bytes '$status $bytes_sent';
    access_log {directory}/access.log bytes;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    sendfile on;
    server {{ listen {address}:{port}; root {directory}/www; }}
}}
"""

Wrap = collections.abc.Callable[..., list[str]]


def _plain(*command: str) -> list[str]:
    return list(command)


class Nginx(process.Service):
    """nginx that serves one image.

    :param address: to listen at.
    :param there: turns a command line into one that runs at the server.
    :param here: the same for a client.
    """

    def __init__(self, directory: pathlib.Path, address: str = '127.0.0.1',
                 there: Wrap = _plain, here: Wrap = _plain) -> None:
        super().__init__('nginx', directory)
        self._there, self._here = there, here
        port = process.free_port()
        self.url = f'http://{address}:{port}/image'
        self._config = directory / 'nginx.conf'
        self._config.write_text(_NGINX.format(
            directory=directory, address=address, port=port,
            user='user root;' if os.geteuid() == 0 else ''))

    def command(self) -> list[str]:
        """See process.Service."""
        return self._there(
            '/usr/sbin/nginx', '-e', 'stderr', '-p', str(self.directory),
            '-c', str(self._config))

    def is_ready(self) -> bool:
        """See process.Service."""
        return not subprocess.run(
            self._here('curl', '-sI', '-m', '5', '-o', os.devnull, self.url)
        ).returncode

    def bytes_sent(self) -> int:
        """Return what all answers so far had, headers included."""
        log = self.directory / 'access.log'
        return sum(int(line.split()[1])
                   for line in log.read_text().splitlines())


@dataclasses.dataclass(frozen=True)
class Result:
    """A download: seconds, seconds of all CPUs, peak resident bytes."""

    seconds: float
    cpu: float
    memory: int


@dataclasses.dataclass(frozen=True)
class Bench:
    """Where the jobs run.

    :ivar work: what jobs write, emptied between them.
    """

    nginx: Nginx
    work: pathlib.Path
    logs: pathlib.Path
    checksum: str
    here: Wrap = _plain

    def job(self, name: str, *options: str, fresh: bool = True
            ) -> tuple[dict[str, float], measure.Cost]:
        """Run a job of image_jobs; return what it says and what it cost.

        :param fresh: nothing is there from the job before.
        """
        if fresh:
            image_jobs.empty(self.work)
        cost = measure.run([self.here(
            sys.executable, '-m', 'benchmarks.image_jobs', name,
            self.nginx.url, str(self.work), *options)], self.logs)
        found: dict[str, float] = json.loads(
            (self.logs / 'log').read_text().splitlines()[-1])
        return found, cost

    def curl(self, *after: str) -> Result:
        """Download by curl, then run a command."""
        image_jobs.empty(self.work)
        image = str(self.work / 'image')
        commands = [self.here('curl', '-sS', '-o', image, self.nginx.url)]
        if after:
            commands.append([*after, image])
        before = os.times()
        cost = measure.run(commands, self.logs)
        after_it = os.times()
        cpu = (after_it.children_user + after_it.children_system
               - before.children_user - before.children_system)
        return Result(cost.seconds, cpu, cost.memory)

    def client(self, name: str, *options: str) -> Result:
        """Download by a job."""
        found, cost = self.job(name, *options)
        return Result(found['seconds'], found['cpu'], cost.memory)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--size', default='1G', type=injection.parse_size,
                        help='of the image')
    parser.add_argument('--runs', type=int, default=3,
                        help='runs of each client; medians are printed')
    parser.add_argument('--crowd', type=int, default=50,
                        help='requests for one image at the same time')
    parser.add_argument('--rtt', type=float, default=20, metavar='MS',
                        help='round trip of the link; 0 leaves it out')
    parser.add_argument('--directory', metavar='DIR',
                        help='where to work; the default is TMPDIR')
    return parser.parse_args()


def _write_image(path: pathlib.Path, size: int) -> None:
    block = os.urandom(1 << 20)
    with path.open('wb') as file:
        for _ in range(size >> 20):
            file.write(block)
        file.write(block[:size & 0xfffff])


Client = collections.abc.Callable[[], Result]


def _compare(title: str, clients: dict[str, Client], runs: int) -> None:
    """Run clients in turn and print them, the first one as the measure."""
    found: dict[str, list[Result]] = {name: [] for name in clients}
    for run in range(-1, runs):              # the first round only warms up
        for name, client in clients.items():
            result = client()
            if run >= 0:
                found[name].append(result)
    print(f'\n{title}')

    def median(name: str, value: str) -> float:
        return statistics.median(getattr(result, value)
                                 for result in found[name])
    unit = median(next(iter(clients)), 'seconds')
    for name, results in found.items():
        seconds = median(name, 'seconds')
        memory = max(result.memory for result in results)
        print(f'  {name:<26}{seconds:>7.2f} s  rate {unit / seconds:>5.2f} '
              f'of the first  CPU {median(name, "cpu"):>5.2f} s  memory '
              f'{progress.size_text(memory)}', flush=True)


def _loopback(bench: Bench, runs: int) -> None:
    verified = '--checksum', bench.checksum
    _compare('Download on loopback', {
        'curl, not verified': bench.curl,
        'curl, then sha256sum': lambda: bench.curl('sha256sum'),
        'curl, then sync': lambda: bench.curl('sync'),
        'Ironic, sha256': lambda: bench.client('fetch-ironic', *verified),
        'store, sha256 and synced': lambda: bench.client(
            'fetch-store', *verified),
    }, runs)


def _hits(bench: Bench) -> None:
    found, _cost = bench.job('hits', '--checksum', bench.checksum,
                             '--repeat', '50')
    print('\nHits, each with a place of its own (medians)')
    print(f'  checksum given, no request        {found["known"]:>8.2f} ms')
    print(f'  revalidated                       {found["revalidated"]:>8.2f}'
          f' ms, {found["revalidated"] - found["request"]:.2f} more than '
          f'the request alone ({found["request"]:.2f})')
    print(f'  cp --reflink=auto                 {found["copy"]:>8.2f} ms',
          flush=True)


def _crowds(bench: Bench, crowd: int, size: int) -> None:
    print(f'\n{crowd} requests for one image at once')
    for name in ('threads', 'processes'):
        before = bench.nginx.bytes_sent()
        found, cost = bench.job(
            f'crowd-{name}', '--checksum', bench.checksum, '--repeat',
            str(crowd))
        sent = (bench.nginx.bytes_sent() - before) / size
        print(f'  {name:<10} {found["finished"]:.0f} finished, first '
              f'{found["first"]:.2f} s, last {found["last"]:.2f} s (ratio '
              f'{found["last"] / found["first"]:.3f}); {sent:.2f} downloads; '
              f'memory {progress.size_text(cost.memory)}', flush=True)


def _link(bench: Bench, link: delayed_link.DelayedLink, runs: int) -> None:
    verified = '--checksum', bench.checksum
    _compare(
        f'Download over a round trip of {link.delay * 2e3:g} ms '
        f'({link.kind})', {
            'curl, not verified': bench.curl,
            'Ironic, sha256': lambda: bench.client(
                'fetch-ironic', *verified),
            'store, one connection': lambda: bench.client(
                'fetch-store', *verified, '--connections', '1'),
            'store, up to four': lambda: bench.client(
                'fetch-store', *verified),
        }, runs)


@contextlib.contextmanager
def _running(nginx: Nginx) -> collections.abc.Iterator[Nginx]:
    nginx.start()
    try:
        yield nginx
    finally:
        nginx.stop()


def main() -> None:
    """Run the comparison and print it."""
    args = _arguments()
    # Namespaces and servers are to go, also when this is ended from outside.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(f'{progress.size_text(args.size)}, medians of {args.runs} '
          f'interleaved runs on {os.cpu_count()} CPUs, load '
          f'{os.getloadavg()[0]:.1f}.')
    with contextlib.ExitStack() as stack:
        top = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(
            prefix='ironic-ext-bench-', dir=args.directory)))
        top.chmod(0o755)
        web, work, logs = top / 'www', top / 'work', top / 'logs'
        for folder in (web, work, logs):
            folder.mkdir()
        _write_image(web / 'image', args.size)
        checksum = image_jobs.digest(web / 'image')
        with _running(Nginx(top)) as nginx:
            bench = Bench(nginx, work, logs, checksum)
            _loopback(bench, args.runs)
            _hits(bench)
            _crowds(bench, args.crowd, args.size)
        if not args.rtt:
            return
        try:
            link = stack.enter_context(
                delayed_link.DelayedLink(args.rtt / 2e3))
        except delayed_link.LinkError as exc:
            print(f'\nNo link with latency: {exc}')
            return
        with _running(Nginx(top, delayed_link.SERVER, link.on_server,
                            link.on_client)) as nginx:
            _link(Bench(nginx, work, logs, checksum, link.on_client), link,
                  args.runs)


if __name__ == '__main__':
    main()
