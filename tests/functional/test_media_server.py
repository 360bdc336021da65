# SPDX-License-Identifier: Apache-2.0

"""The media server as processes, judged by real clients."""

import asyncio
import contextlib
import hashlib
import os
import pathlib
import random
import re
import signal
import socket
import ssl
import subprocess
import urllib.error
import urllib.request

import fixtures
import testtools

from ironic_ext import iso
from ironic_ext import spans
from lab import process
from tests import isos
from tests import media_streams

TOKEN = media_streams.TOKEN
FILES = {'/openstack/latest/meta_data.json': b'{"uuid": "1"}',
         '/openstack/latest/user_data': b'#cloud-config\n' * 9000}
MIB = 1 << 20
#: Seconds: more than any step needs on a busy machine.
PATIENCE = 60


def sha256(path):
    with open(path, 'rb') as stream:
        return hashlib.file_digest(stream, 'sha256').hexdigest()


def _address(number):
    """Return where one of many clients connects from."""
    return f'127.0.0.{2 + number % 100}'


class _ServerTest(testtools.TestCase):
    """A server on a customised image, and that image written to a file."""

    payload = 48 * MIB
    options: dict = {}
    scheme = 'http'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = fixtures.TempDir()
        folder.setUp()
        cls.addClassCleanup(folder.cleanUp)
        cls.images = pathlib.Path(folder.path)
        cls.base = isos.lorax_like(cls.images, payload=cls.payload)
        cls.overlay = cls.images / 'node-1.overlay'
        cls.written = cls.images / 'written.iso'
        with iso.IsoImage.open(cls.base) as opened, iso.inject(
                opened, iso.Injection(append_args='node=one',
                                      files=FILES)) as image:
            image.save(cls.overlay)
            image.write(cls.written)

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.media = {TOKEN: media_streams.medium(self.base, self.overlay)}
        self.server = media_streams.Server(
            self.folder, self.media, workers=2, **self.options)
        self.addCleanup(self.server.stop)
        self.server.start()
        self._await(lambda: len(self.server.workers()) == 2, 'two workers')
        self.url = (f'{self.scheme}://127.0.0.1:{self.server.port}/{TOKEN}/'
                    f'node-1.iso')
        self.copy = self.folder / 'copy.iso'

    def _await(self, condition, what):
        return process.await_condition(condition, what, timeout=PATIENCE)

    def _run(self, *command, check=True):
        return subprocess.run(
            [str(word) for word in command], check=check,
            capture_output=True, text=True, timeout=300,
            stdin=subprocess.DEVNULL)

    def _curl(self, *options, check=True):
        return self._run('curl', '-sS', '-o', self.copy, *options, self.url,
                         check=check)

    def _copy_is_whole(self):
        self.assertEqual(sha256(self.written), sha256(self.copy))


class ClientsTest(_ServerTest):

    options = {'session_gap': 0.5, 'metrics_port': 0}

    def test_curl_gets_the_written_image(self):
        self._curl()
        self._copy_is_whole()

    def test_curl_resumes(self):
        self._curl('-r', f'0-{self.payload // 3}')
        self._curl('-C', '-')
        self._copy_is_whole()

    def test_curl_asks_only_once(self):
        etags = self.folder / 'etag'
        self._curl('--etag-save', etags)
        done = self._curl('--etag-compare', etags, '-w', '%{http_code}')
        self.assertEqual('304', done.stdout)

    def test_wget_goes_on_when_the_server_comes_back(self):
        wget = subprocess.Popen(
            ['wget', '-q', '-O', str(self.copy), '--limit-rate=8m',
             '--tries=50', '--waitretry=1', '--retry-connrefused', self.url],
            stdin=subprocess.DEVNULL)
        self.addCleanup(self._end, wget)
        self._await(lambda: self.copy.exists()
                    and self.copy.stat().st_size > 4 * MIB, 'some of it')
        self.server.kill()
        self.assertIsNone(wget.poll())
        self.server.start()
        self.assertEqual(0, wget.wait(PATIENCE))
        self._copy_is_whole()
        # It asked for the rest, not for everything again.
        got = sum(report.sent for report in self._await(
            self._whole_reports, 'the reports'))
        self.assertLess(got, 1.5 * self.written.stat().st_size)

    def _whole_reports(self):
        reports = self.server.reports()
        read = [span for report in reports for span in report.ranges]
        size = self.written.stat().st_size
        # The dead server's last second is in no report.
        return reports if spans.joined(read)[-1:][0][1] == size else None

    def _end(self, child):
        if child.poll() is None:
            child.kill()
        child.wait()

    def test_a_reader_that_has_gone_is_a_line_in_the_log(self):
        # By one process: a second one may start after the session's end.
        self._curl('-r', '0-999999', self.url, '--next', '-sS',
                   '-o', self.copy, '-r', '500000-1999999')
        line = self._await(lambda: re.search(
            r'Medium medium-1 of node node-1: 127\.0\.0\.1 read (\d+) bytes '
            r'\((\d+)%\) in 1 ranges by 2 requests, 2500000 bytes sent from '
            r'\S+Z to \S+Z', self.server.log_tail()), 'the line')
        self.assertEqual('2000000', line[1])
        self.assertNotIn(TOKEN, self.server.log_path.read_text())

    def test_prometheus_sees_all_workers(self):
        for _ in range(20):
            self._curl('-r', '0-9')
        url = re.search(r'Metrics at (\S+)',
                        self.server.log_path.read_text())[1]

        def page():
            with urllib.request.urlopen(url) as response:
                text = response.read().decode()
            return 'ironic_ext_media_sent_bytes_total 200.0\n' in text and text

        text = self._await(page, 'the bytes')
        self.assertIn('# TYPE ironic_ext_media_responses_total counter', text)
        self.assertIn('ironic_ext_media_responses_total{status="206"} 20.0',
                      text)
        self.assertIn('# TYPE ironic_ext_media_open_connections gauge', text)

    def test_a_revoked_medium_is_gone_from_all_workers(self):
        for _ in range(10):
            self._curl('-r', '0-9')
        self.media[TOKEN]['revoked'] = True
        self.server.publish(self.media)
        self._await(lambda: {
            self._curl('-r', '0-9', '-w', '%{http_code}').stdout
            for _ in range(10)} == {'410'}, 'the end of it')


class ProcessesTest(_ServerTest):

    options = {'metrics_port': 0}

    def test_a_dead_worker_is_replaced(self):
        before = self.server.workers()
        os.kill(before[0], signal.SIGKILL)
        self._await(
            lambda: len(self.server.workers()) == 2
            and before[0] not in self.server.workers(), 'another worker')
        for _ in range(10):             # whichever of them gets it
            self._curl('-r', '0-9')
        self.assertEqual(self.written.read_bytes()[:10],
                         self.copy.read_bytes())

    def test_a_stopped_server_ends_what_it_began(self):
        curl = subprocess.Popen(
            ['curl', '-sS', '--limit-rate', '16M', '-o', self.copy,
             self.url], stdin=subprocess.DEVNULL)
        self._await(lambda: self.copy.exists()
                    and self.copy.stat().st_size > MIB, 'some of it')
        self.server.stop()
        self.assertEqual(0, curl.wait(PATIENCE))
        self._copy_is_whole()
        self.assertEqual(7, self._curl(check=False).returncode)
        # Also the last second's reads are recorded.
        self.assertEqual(
            ((0, self.written.stat().st_size),),
            spans.joined(span for report in self.server.reports()
                         for span in report.ranges))

    def _refusal(self, **options):
        """Start another server; return what it says before it ends."""
        folder = self.useFixture(fixtures.TempDir()).path
        other = media_streams.Server(pathlib.Path(folder), {}, **options)
        done = self._run(*other.command(), check=False)
        self.assertNotEqual(0, done.returncode)
        self.assertNotIn('Serving media at', done.stderr)
        return done.stderr

    def test_a_port_in_use_is_one_clear_sentence(self):
        with socket.create_server(('127.0.0.1', 0)) as taken:
            port = taken.getsockname()[1]
            self.assertIn(f'cannot listen on 127.0.0.1 port {port}',
                          self._refusal(port=port))

    def test_a_second_server_takes_no_connections_of_the_first(self):
        # It has other media: half of all readers would not find theirs.
        for host in ('127.0.0.1', '0.0.0.0'):
            refusal = self._refusal(host=host, port=self.server.port)
            self.assertIn('another ironic-media-server', refusal)
            self.assertIn('[ext_media]port', refusal)
        for _ in range(10):
            self._curl('--fail', '-r', '0-9')

    def test_a_taken_port_of_metrics_is_told_before_anything_is_served(self):
        with socket.create_server(('127.0.0.1', 0)) as taken:
            port = taken.getsockname()[1]
            self.assertIn(f'cannot listen on 127.0.0.1 port {port}',
                          refusal := self._refusal(metrics_port=port))
        self.assertIn('[ext_media]metrics_port', refusal)


class ManyReadersTest(_ServerTest):

    def _files(self):
        return {pid: len(os.listdir(f'/proc/{pid}/fd'))
                for pid in self.server.workers()}

    def test_a_thousand_readers_of_whom_some_hang_up(self):
        self._curl()
        files = self._files()
        before = media_streams.memory(self.server.pid)
        content = self.written.read_bytes()
        peak = asyncio.run(self._readers(content, 1000))
        self.assertLess(peak - before, 40 * MIB)
        # Each connection was closed; a worker that had served nothing yet
        # has opened the image meanwhile.
        self._await(lambda: all(
            count <= files[pid] + 5 for pid, count in self._files().items()),
            'the connections to be closed')
        self._curl()
        self._copy_is_whole()

    async def _readers(self, content, count):
        """Let so many read at one time; return the server's memory."""
        rng = random.Random(3)
        spans = []
        for _ in range(count):
            first = rng.randrange(len(content) - 200000)
            spans.append((first, first + rng.randrange(1, 200000)))
        everybody_is_in = asyncio.Barrier(count + 1)
        tasks = [asyncio.create_task(self._read(
            number, content, first, end, everybody_is_in))
            for number, (first, end) in enumerate(spans)]
        async with asyncio.timeout(PATIENCE):
            await everybody_is_in.wait()
            memory = media_streams.memory(self.server.pid)
            await asyncio.gather(*tasks)
        return memory

    async def _read(self, number, content, first, end, everybody_is_in):
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', self.server.port, limit=4096,
            local_addr=(_address(number), 0))
        with contextlib.closing(writer):
            writer.write(f'GET /{TOKEN} HTTP/1.1\r\nHost: x\r\n'
                         f'Range: bytes={first}-{end - 1}\r\n\r\n'.encode())
            head = await reader.readuntil(b'\r\n\r\n')
            self.assertIn(b' 206 ', head)
            await everybody_is_in.wait()
            if number % 10 == 0:
                writer.transport.abort()
                return
            self.assertEqual(content[first:end],
                             await reader.readexactly(end - first))


class HostileClientsTest(_ServerTest):

    options = {'header_timeout': 1}

    def test_slowloris_does_not_keep_others_out(self):
        slow = []
        for number in range(300):
            sock = self.enterContext(socket.create_connection(
                ('127.0.0.1', self.server.port),
                source_address=(_address(number), 0)))
            sock.sendall(b'GET / HTTP/1.1\r\nHost: x\r\nX-')
            slow.append(sock)
        self._curl()
        self._copy_is_whole()
        for sock in slow:
            sock.settimeout(PATIENCE)
            self.assertIn(b' 408 ', sock.recv(4096))

    def test_random_bytes_do_no_harm(self):
        rng = random.Random(9)
        workers = self.server.workers()
        request = (f'GET /{TOKEN} HTTP/1.1\r\nHost: x\r\n'
                   f'Range: bytes=0-9\r\n\r\n').encode()
        for _ in range(300):
            data = bytearray(request * 3)
            for _ in range(rng.randrange(1, 9)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            with socket.create_connection(
                    ('127.0.0.1', self.server.port)) as sock:
                sock.sendall(data)
        self._curl()
        self._copy_is_whole()
        self.assertEqual(workers, self.server.workers())
        self.assertNotIn('Traceback', self.server.log_path.read_text())


class TlsTest(_ServerTest):

    scheme = 'https'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificate = cls.images / 'server.pem'
        cls.options = {'header_timeout': 2, 'tls': {
            'certificate_file': str(cls.certificate)}}
        cls._certify('/CN=media')

    @classmethod
    def _certify(cls, subject):
        parts = [cls.images / 'key.pem', cls.images / 'certificate.pem']
        subprocess.run(
            ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes',
             '-keyout', parts[0], '-out', parts[1], '-days', '2', '-subj',
             subject, '-addext', 'subjectAltName=IP:127.0.0.1'], check=True,
            capture_output=True)
        cls.certificate.write_bytes(b''.join(
            part.read_bytes() for part in parts))

    def _secure(self, **versions):
        context = ssl.create_default_context(cafile=self.certificate)
        for name, value in versions.items():
            setattr(context, name, value)
        sock = socket.create_connection(('127.0.0.1', self.server.port),
                                        PATIENCE)
        self.addCleanup(sock.close)
        return context.wrap_socket(sock, server_hostname='127.0.0.1')

    def test_the_written_image_and_its_parts(self):
        self._curl('--cacert', self.certificate)
        self._copy_is_whole()
        self._curl('--cacert', self.certificate, '-r', '70000-3999999')
        self.assertEqual(self.written.read_bytes()[70000:4000000],
                         self.copy.read_bytes())

    def test_a_slow_reader_gets_every_byte(self):
        self._curl('--cacert', self.certificate, '--limit-rate', '24M')
        self._copy_is_whole()

    def test_pipelined_requests_are_answered(self):
        sock = self._secure()
        request = (f'GET /{TOKEN} HTTP/1.1\r\nHost: x\r\n'
                   f'Range: bytes=%d-%d\r\n\r\n')
        sock.sendall(''.join(request % (n, n) for n in range(200)).encode())
        sock.sendall((request % (7, 6)).encode())
        data = b''
        while b' 416 ' not in data:
            data += sock.recv(1 << 16)
        self.assertEqual(200, data.count(b'HTTP/1.1 206'))

    def test_a_new_certificate_is_taken_without_an_end(self):
        workers = self.server.workers()
        request = (f'GET /{TOKEN} HTTP/1.1\r\nHost: x\r\n'
                   f'Range: bytes=0-0\r\n\r\n').encode()
        before = self._secure()
        before.sendall(request)         # from now on it is kept alive
        self.assertIn(b' 206 ', before.recv(4096))
        old = self.certificate.read_bytes()
        self.addCleanup(self.certificate.write_bytes, old)
        self._certify('/CN=renewed')
        os.kill(self.server.pid, signal.SIGHUP)

        def renewed():
            with contextlib.suppress(ssl.SSLError):
                return 'renewed' in str(self._secure().getpeercert())

        for _ in range(10):             # whichever worker gets it
            self._await(renewed, 'the new certificate')
        before.sendall(request)
        self.assertIn(b' 206 ', before.recv(4096) + before.recv(4096))
        self.assertEqual(workers, self.server.workers())

    def test_old_versions_and_plain_text_are_refused(self):
        self.assertRaises(OSError, self._secure,
                          maximum_version=ssl.TLSVersion.TLSv1_1,
                          minimum_version=ssl.TLSVersion.TLSv1)
        self.assertRaises(
            (OSError, urllib.error.URLError), urllib.request.urlopen,
            self.url.replace('https', 'http'), timeout=PATIENCE)

    def test_a_handshake_that_never_comes_is_ended(self):
        with socket.create_connection(('127.0.0.1', self.server.port),
                                      PATIENCE) as sock:
            self.assertEqual(b'', sock.recv(1))
