# SPDX-License-Identifier: Apache-2.0

"""The image store with a real web server, and with processes that die."""

import contextlib
import hashlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from unittest import mock

import fixtures
import testtools

from ironic_ext import images
from ironic_ext.images.store import partial
from lab import process
from tests import fault_server
from tests.unit.images import fake_service

_MIB = 1 << 20

_NGINX = """\
daemon off;
user root;
pid {directory}/nginx.pid;
error_log stderr;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    log_format plain '$request_method $uri $status $body_bytes_sent';
    access_log {directory}/access.log plain;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    sendfile on;
    server {{
        # Little of what is sent is on its way when a reader dies.
        listen 127.0.0.1:{port} backlog=512 sndbuf=128k;
        root {root};
        location /slow/ {{ alias {root}/; limit_rate 48m; }}
    }}
}}
"""


class Nginx(process.Service):
    """nginx that counts the bytes it sends."""

    def __init__(self, directory, root):
        super().__init__('nginx', directory)
        self.port = process.free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self._config = directory / 'nginx.conf'
        self._config.write_text(_NGINX.format(
            directory=directory, port=self.port, root=root))

    def command(self):
        return ['/usr/sbin/nginx', '-e', 'stderr', '-p', str(self.directory),
                '-c', str(self._config)]

    def is_ready(self):
        return process.http_answers(self.url)

    def answers(self, name):
        """Return (status, bytes of the body) of every GET of a file."""
        log = (self.directory / 'access.log').read_text().splitlines()
        return [(int(status), int(count))
                for method, uri, status, count in map(str.split, log)
                if method == 'GET' and uri.endswith('/' + name)]


class StoreTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger('ironic_ext'))
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.root = self.folder / 'store'
        self.web = self.folder / 'web'
        self.web.mkdir()
        self.nginx = Nginx(self.folder, self.web)

    def serve(self):
        self.nginx.start()
        self.addCleanup(self.nginx.stop)

    def sent(self, name):
        """Return how many bytes of a file the server has sent."""
        return sum(count for _status, count in self.nginx.answers(name))

    def received(self):
        """Return how many bytes a download has by now."""
        found = [partial.State.read(str(path).removesuffix('.state'))
                 for path in self.root.glob('partial/*.state')]
        return sum(state.spans.total for state in found if state)

    def offer(self, name, size):
        """Put an image on the web server; return its digest."""
        content = os.urandom(size)
        # As a careful operator does.
        (self.web / f'{name}.new').write_bytes(content)
        (self.web / f'{name}.new').rename(self.web / name)
        return hashlib.sha256(content).hexdigest()

    def store(self, **options):
        settings = images.Settings(connections=1, retry_interval=0.05,
                                   allowed_paths=(str(self.web),))
        return images.ImageStore(str(self.root), settings,
                                 **{'lock_timeout': 60, **options})

    def fetch(self, href, checksum=None, **options):
        """Fetch an image as a new process would; return its digest."""
        with self.store(**options).lease(href, checksum) as image:
            with open(image.path, 'rb') as stream:
                return hashlib.file_digest(stream, 'sha256').hexdigest()

    @contextlib.contextmanager
    def forked(self, work):
        """Run a function in a child process; yields its id.

        The child ends with 0 if the function returns.
        """
        child = os.fork()
        if not child:
            code = 1
            try:
                work()
                code = 0
            finally:
                os._exit(code)
        try:
            yield child
        finally:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    def files(self):
        return sorted(str(path.relative_to(self.root))
                      for path in self.root.rglob('*')
                      if path.is_file() and path.name != 'lock')

    def assertIntact(self):
        """Every object is what its name says."""
        for path in (self.root / 'objects').glob('*'):
            if '.' not in path.name:
                with path.open('rb') as stream:
                    self.assertEqual(path.name, hashlib.file_digest(
                        stream, 'sha256').hexdigest())
        # Whatever the dead process left, nobody stumbles over it.
        self.store().versions()


class KillTestCase(StoreTestCase):

    def test_a_download_that_is_killed_50_times_resumes_each_time(self):
        self.serve()
        size = 512 * _MIB
        digest = self.offer('a.iso', size)
        href = f'{self.nginx.url}/slow/a.iso'
        seed = random.randrange(1 << 32)
        self.addDetail('seed', testtools.content.text_content(str(seed)))
        chance = random.Random(seed)
        kills = downloads = kept = 0
        while kills < 50:
            target = kept + chance.uniform(0, 1.2 * size / 50)
            with self.forked(lambda: self.fetch(href)) as child:
                while not (done := os.waitpid(child, os.WNOHANG)[0]) and (
                        self.received() < target):
                    time.sleep(0.001)
                if not done:
                    time.sleep(chance.uniform(0, 0.005))
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                    kills += 1
            self.assertIntact()
            self.assertGreaterEqual(self.received(), 0 if done else kept)
            kept = self.received()
            if done:
                downloads += 1
                self.store().prune(older_than=0)
        self.assertGreater(kept, 0)
        self.assertEqual(digest, self.fetch(href, digest))
        # What is on its way when a reader dies is sent in vain: 1 to 3 MiB,
        # and on a busy machine what the sockets' buffers hold.
        self.assertLess(self.sent('a.iso'),
                        size * (downloads + 1) + kills * 6 * _MIB)
        self.assertEqual(3, len(self.files()), self.files())

    def test_a_process_may_die_at_every_single_step(self):
        """Kill a child at its first system call, at its second, ..."""
        href = 'http://x/a.iso'
        content = os.urandom(200000)
        digest = hashlib.sha256(content).hexdigest()

        def store(source):
            return images.ImageStore(str(self.root),
                                     service_for=lambda href: source)

        def source(content=content):
            found = fake_service.FakeService()
            found.put(href, content, etag='"1"')
            return found

        def work(last):
            steps = 0

            def counted(function):
                def call(*args, **kwargs):
                    nonlocal steps
                    steps += 1
                    if steps == last:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return function(*args, **kwargs)
                return call

            for name in ('open', 'close', 'rename', 'unlink', 'fsync',
                         'fchmod', 'ftruncate', 'pwrite', 'utime', 'mkdir',
                         'rmdir', 'makedirs', 'listdir'):
                setattr(os, name, counted(getattr(os, name)))
            with store(source()).lease(href):
                pass
            store(source()).hold(digest, 'node:1')
            store(source()).release(digest, 'node:1')
            store(source()).prune(older_than=0)

        last, status = 0, None
        while status != 0:
            last += 1
            with self.forked(lambda: work(last)) as child:
                _child, status = os.waitpid(child, 0)
            if status:
                self.assertEqual(signal.SIGKILL, status)
            self.assertIntact()
            with store(source()).lease(href, digest) as image:
                self.assertEqual(content,
                                 pathlib.Path(image.path).read_bytes())
            store(source()).release_all('node:1')
            store(source()).prune(older_than=0)
            store(source()).rebuild()
            self.assertEqual([], self.files(), f'after step {last}')
        self.assertGreater(last, 50)


class SharingTestCase(StoreTestCase):

    def setUp(self):
        super().setUp()
        self.serve()

    def test_50_processes_share_one_download(self):
        size = 64 * _MIB
        digest = self.offer('a.iso', size)
        href = f'{self.nginx.url}/slow/a.iso'

        def work():
            assert self.fetch(href) == digest

        with contextlib.ExitStack() as stack:
            children = [stack.enter_context(self.forked(work))
                        for _number in range(50)]
            codes = [os.waitpid(child, 0)[1] for child in children]
        self.assertEqual([0] * 50, codes)
        self.assertEqual(size, self.sent('a.iso'))
        self.assertEqual(3, len(self.files()), self.files())

    def test_one_who_dies_downloading_leaves_the_rest_to_who_waits(self):
        size = 64 * _MIB
        digest = self.offer('a.iso', size)
        href = f'{self.nginx.url}/slow/a.iso'
        with self.forked(lambda: self.fetch(href)) as first:
            process.await_condition(
                lambda: list(self.root.glob('partial/*.state')),
                'the download to begin', timeout=20, interval=0.01)
            with self.forked(lambda: self.fetch(href, digest)) as second:
                process.await_condition(
                    lambda: self.received() > 5 * _MIB,
                    'some of the image', timeout=20, interval=0.01)
                os.kill(first, signal.SIGKILL)
                os.waitpid(first, 0)
                self.assertEqual(0, os.waitpid(second, 0)[1])
        answers = self.nginx.answers('a.iso')
        self.assertEqual(206, answers[-1][0])
        self.assertLess(answers[-1][1], size - 4 * _MIB)

    def test_pruning_never_takes_an_image_from_a_reader(self):
        digest = self.offer('a.iso', 300000)
        href = f'{self.nginx.url}/a.iso'
        until = time.monotonic() + 4

        def read():
            while time.monotonic() < until:
                assert self.fetch(href) == digest

        def prune():
            while time.monotonic() < until:
                self.store().prune(older_than=0)

        with contextlib.ExitStack() as stack:
            children = [stack.enter_context(self.forked(work))
                        for work in (read, read, prune, prune)]
            codes = [os.waitpid(child, 0)[1] for child in children]
        self.assertEqual([0] * 4, codes)
        self.assertGreater(len(self.nginx.answers('a.iso')), 3)

    def test_a_changed_image_is_downloaded_and_a_held_one_stays(self):
        old = self.offer('a.iso', _MIB)
        href = f'{self.nginx.url}/a.iso'
        self.assertEqual(old, self.fetch(href))
        self.assertEqual(old, self.fetch(href))
        self.assertEqual(_MIB, self.sent('a.iso'))
        self.store().hold(old, 'node:1')
        new = self.offer('a.iso', 2 * _MIB)
        self.assertEqual(new, self.fetch(href, max_size=_MIB))
        with self.store().open(old) as image:
            self.assertEqual(_MIB, image.size)

    def test_a_lost_index_costs_no_download(self):
        digest = self.offer('a.iso', _MIB)
        href = f'{self.nginx.url}/a.iso'
        self.fetch(href)
        for path in (self.root / 'index').iterdir():
            path.unlink()
        (self.root / 'index').rmdir()
        self.assertEqual(digest, self.fetch(href))
        self.assertEqual(_MIB, self.sent('a.iso'))

    def test_a_large_download_needs_little_memory(self):
        self.offer('a.iso', 256 * _MIB)
        # Not ru_maxrss, which this process would hand down.
        script = ('import sys\n'
                  'from ironic_ext import images\n'
                  'with images.ImageStore(sys.argv[1]).lease(sys.argv[2]):\n'
                  '    pass\n'
                  'print(*(line.split()[1] for line in open('
                  '"/proc/self/status") if line.startswith("VmHWM")))\n')
        output = subprocess.run(
            [sys.executable, '-c', script, str(self.root),
             f'{self.nginx.url}/a.iso'], check=True, text=True,
            stdout=subprocess.PIPE).stdout
        self.assertLess(int(output) << 10, 100 * _MIB)


class DiskTestCase(StoreTestCase):

    def setUp(self):
        super().setUp()
        self.root.mkdir()
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=24m', 'none',
                        str(self.root)], check=True)
        self.addCleanup(subprocess.run, ['umount', str(self.root)],
                        check=True)

    def assertRefused(self, href):
        error = self.assertRaises(images.NoSpaceError, self.fetch, href)
        self.assertIn(str(self.root), str(error))
        self.assertIn(href, str(error))
        self.assertEqual([], self.files())

    def test_an_image_that_does_not_fit_is_refused_before_its_download(self):
        self.serve()
        self.offer('a.iso', 32 * _MIB)
        self.assertRefused(f'{self.nginx.url}/a.iso')
        self.assertLess(self.sent('a.iso'), 16 * _MIB)

    def test_an_image_of_unknown_size_ends_with_the_disk(self):
        with fault_server.serving() as web:
            web.add('/a.iso', bytes(32 * _MIB), chunked=True, ranges=False)
            self.assertRefused(f'{web.url}/a.iso')

    def test_a_disk_that_fills_up_meanwhile_is_told(self):
        # As if the room were taken between the look and the writing.
        self.serve()
        self.offer('a.iso', 32 * _MIB)
        kind = images.store.housekeeping.Housekeeping
        with mock.patch.object(kind, 'room'), mock.patch.object(
                kind, 'require_possible'):
            self.assertRefused(f'{self.nginx.url}/a.iso')

    def test_a_local_file_of_another_file_system_is_copied(self):
        digest = self.offer('a.iso', 3 * _MIB)
        with self.store().lease(f'file://{self.web}/a.iso', digest) as image:
            self.assertFalse(os.path.samefile(image.path,
                                              self.web / 'a.iso'))
        self.assertEqual(1, os.stat(self.web / 'a.iso').st_nlink)

    def test_unused_images_make_room_on_a_small_disk(self):
        self.serve()
        for name in ('a.iso', 'b.iso', 'c.iso'):
            digest = self.offer(name, 10 * _MIB)
            self.assertEqual(digest, self.fetch(f'{self.nginx.url}/{name}'))
        self.assertLess(len(list(self.root.glob('objects/*.json'))), 3)

    def test_a_held_image_does_not_make_room(self):
        self.serve()
        kept = self.offer('a.iso', 16 * _MIB)
        self.fetch(f'{self.nginx.url}/a.iso')
        self.store().hold(kept, 'node:1')
        self.offer('b.iso', 16 * _MIB)
        self.assertRaises(images.NoSpaceError, self.fetch,
                          f'{self.nginx.url}/b.iso')
        self.assertEqual(kept, self.fetch('http://127.0.0.1:9/', kept))


class ReflinkTestCase(StoreTestCase):

    def setUp(self):
        super().setUp()
        disk = self.folder / 'disk'
        with disk.open('wb') as stream:
            stream.truncate(512 * _MIB)
        subprocess.run(['mkfs.xfs', '-q', '-m', 'reflink=1', str(disk)],
                       check=True)
        mount = self.folder / 'xfs'
        mount.mkdir()
        subprocess.run(['mount', '-o', 'loop', str(disk), str(mount)],
                       check=True)
        self.addCleanup(subprocess.run, ['umount', str(mount)], check=True)
        self.root, self.web = mount / 'store', mount / 'images'
        self.web.mkdir()
        self.mount = mount

    def used(self):
        os.sync()
        facts = os.statvfs(self.mount)
        return (facts.f_blocks - facts.f_bfree) * facts.f_frsize

    def test_a_local_file_shares_its_blocks_but_not_its_fate(self):
        digest = self.offer('a.iso', 64 * _MIB)
        local = self.web / 'a.iso'
        before = self.used()
        with self.store().lease(f'file://{local}') as image:
            self.assertEqual(f'sha256:{digest}', image.digest)
            self.assertEqual('reflink',
                             image.place(str(self.mount / 'out.iso')))
        self.assertLess(self.used() - before, 8 * _MIB)
        with local.open('r+b') as stream:
            stream.write(b'other')
        self.assertTrue(self.store().verify(digest))
        self.assertNotEqual(digest, self.fetch(f'file://{local}'))
        with self.store().open(digest) as image:
            self.assertIsNotNone(image)
