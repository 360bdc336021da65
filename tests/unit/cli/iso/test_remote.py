# SPDX-License-Identifier: Apache-2.0

"""An ISO on a web server: what is asked for, and what is refused."""

import hashlib
import http.server
import mmap
import random
import re
import tempfile
import threading

import testtools

from ironic_ext.cli import errors
from ironic_ext.cli.iso import remote
from ironic_ext import iso
from tests import isos

_SIZE = 5 << 20


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers ranges of the server's content, or does as it is told."""

    protocol_version = 'HTTP/1.1'

    def do_GET(self) -> None:
        server = self.server
        server.asked.append((self.path, self.headers.get('Range', ''),
                             self.client_address[1]))
        if self.path in server.redirects:
            self.send_response(302)
            self.send_header('Location', server.redirects[self.path])
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        data, tag = server.content, server.tag
        match = re.fullmatch(r'bytes=(\d+)-(\d+)',
                             self.headers.get('Range', ''))
        whole = match is None or not server.ranges or (
            self.headers.get('If-Range') not in (None, tag))
        first, last = (0, len(data) - 1) if whole else (
            int(match[1]), min(int(match[2]), len(data) - 1))
        part = data[first:last + 1]
        self.send_response(200 if whole else 206)
        if tag:
            self.send_header('ETag', tag)
        if not whole:
            self.send_header('Content-Range', server.said.format(
                first=first, last=last, size=len(data)))
        self.send_header('Content-Length', str(len(part)))
        self.end_headers()
        server.sent += len(part)
        self.wfile.write(part[:len(part) - server.short])
        if server.short:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: object) -> None:
        """A client may go away."""

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.content = random.Random(1).randbytes(_SIZE)
        self.tag = '"one"'
        self.ranges = True
        self.short = 0
        self.said = 'bytes {first}-{last}/{size}'
        self.redirects: dict[str, str] = {}
        self.asked: list[tuple[str, str, int]] = []
        self.sent = 0


class RemoteSourceTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.server = _Server()
        thread = threading.Thread(target=self.server.serve_forever,
                                  kwargs={'poll_interval': 0.01})
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)
        self.url = f'http://127.0.0.1:{self.server.server_port}/a.iso'

    def opened(self, url: str = '') -> remote.RemoteSource:
        source = remote.RemoteSource(url or self.url)
        self.addCleanup(source.close)
        return source

    def refused(self, *words: str, kind: type[Exception] = iso.IsoError
                ) -> None:
        with testtools.ExpectedException(
                kind, '.*' + '.*'.join(map(re.escape, words))):
            source = self.opened()
            source.read(3 << 20, 100, 'it')

    def test_any_range_reads_as_it_is_on_the_server(self) -> None:
        source = self.opened()
        self.assertEqual(_SIZE, source.size)
        rng = random.Random(2)
        for _ in range(100):
            length = rng.choice((0, 1, 2048, 70_000, 3 << 20))
            offset = rng.randrange(_SIZE - length + 1)
            self.assertEqual(
                hashlib.sha256(self.server.content[
                    offset:offset + length]).digest(),
                hashlib.sha256(source.read(offset, length, 'it')).digest())

    def test_one_connection_fetches_what_is_needed_once(self) -> None:
        source = self.opened()
        for _ in range(3):
            source.read(32768, 2048, 'it')
            source.read(40_000, 100, 'it')
        self.assertEqual(65536, source.fetched)
        self.assertEqual(2, len(self.server.asked))
        self.assertEqual(1, len({port for *_, port in self.server.asked}))

    def test_an_inspection_fetches_little_of_an_image(self) -> None:
        base = isos.shared('esp_fat32')
        self.server.content = base.read_bytes()
        source = self.opened()
        told = iso.inspect(iso.IsoImage(source)).as_dict()
        with iso.IsoImage.open(base) as image:
            expected = iso.inspect(image).as_dict()
        expected['path'] = self.url
        self.assertEqual(expected, told)
        self.assertLess(source.fetched, 1 << 20)
        self.assertGreater(source.size, 36 << 20)
        self.assertLess(len(self.server.asked), 30)

    def test_of_5_gib_some_hundred_kib_are_read(self) -> None:
        with tempfile.TemporaryFile() as sparse:
            sparse.write(isos.shared('lorax_like').read_bytes())
            sparse.truncate(5 << 30)
            self.server.content = mmap.mmap(
                sparse.fileno(), 0, access=mmap.ACCESS_READ)
        self.addCleanup(self.server.content.close)
        told = iso.inspect(iso.IsoImage(self.opened())).as_dict()
        self.assertEqual(5 << 30, told['size'])
        self.assertEqual(
            {'bios from cd', 'bios from disk', 'uefi-x64 from cd',
             'uefi-x64 from disk'},
            {f'{path["firmware"]} from {path["medium"]}'
             for path in told['boot_paths']})
        self.assertLess(self.server.sent, 800 << 10)

    def test_a_range_outside_the_image_is_not_asked_for(self) -> None:
        source = self.opened()
        self.assertRaises(iso.CorruptImageError, source.read, _SIZE, 1, 'it')
        self.assertEqual(1, len(self.server.asked))

    def test_a_server_without_ranges_needs_a_download(self) -> None:
        self.server.ranges = False
        self.refused('sends whole files only', '--download',
                     kind=errors.CommandError)
        self.assertEqual(self.server.content, b''.join(
            data for data, _ in remote.pieces(self.url)))

    def test_another_file_meanwhile_is_told(self) -> None:
        source = self.opened()
        self.server.tag = '"two"'
        with testtools.ExpectedException(iso.IsoError, '.*was replaced'):
            source.read(3 << 20, 100, 'it')

    def test_another_size_meanwhile_is_told_without_an_etag(self) -> None:
        self.server.tag = ''
        source = self.opened()
        self.server.content += b'more'
        with testtools.ExpectedException(
                iso.IsoError, f'.*of {_SIZE + 4}, where .*of {_SIZE} were'):
            source.read(3 << 20, 100, 'it')

    def test_an_answer_of_another_range_is_refused(self) -> None:
        for said, words in (
                ('bytes 0-9/{size}', 'bytes 0 to 9'), ('', 'does not say'),
                ('bytes {first}-{last}/*', 'does not say')):
            self.server.said = said
            self.refused(words)

    def test_an_answer_that_breaks_off_is_told(self) -> None:
        self.server.short = 5
        self.refused('the server sent 32763 bytes of 32768')
        self.assertRaises(iso.IsoError, list, remote.pieces(self.url))

    def test_an_error_of_the_server_is_told(self) -> None:
        for place, words in (('/a.iso', 'lead nowhere'), (
                'ftp://x/a.iso', 'no place as safe'), (
                'http://[x/', 'lead nowhere')):
            self.server.redirects['/a.iso'] = place
            self.refused(words)

    def test_redirects_are_followed_and_remembered(self) -> None:
        self.server.redirects['/a.iso'] = '/b/c.iso?token=secret'
        source = self.opened()
        source.read(3 << 20, 100, 'it')
        self.assertEqual(
            ['/a.iso', '/b/c.iso?token=secret', '/b/c.iso?token=secret'],
            [path for path, *_ in self.server.asked])

    def test_a_query_is_in_no_message(self) -> None:
        source = self.opened(self.url + '?token=secret')
        self.assertEqual(self.url, source.path)
        self.server.said = ''
        error = self.assertRaises(iso.IsoError, source.read, 3 << 20, 100,
                                  'it')
        self.assertNotIn('secret', str(error))

    def test_a_password_in_a_url_is_refused(self) -> None:
        error = self.assertRaises(errors.CommandError, remote.RemoteSource,
                                  'https://me:secret@example.com/a.iso')
        self.assertNotIn('secret', str(error))

    def test_a_server_that_is_not_there_is_told(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.refused('127.0.0.1', 'efused')
