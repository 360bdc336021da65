# SPDX-License-Identifier: Apache-2.0

"""What is found in media that are read whole."""

import pathlib

import fixtures
import testtools

from tests.cluster import reading
from tests import file_server

_UUIDS = ('7e0e0a6c-6f4c-4d3e-8f5a-0d6d3c1b2a10',
          '1be26c0b-03f2-4d2e-ae87-c02d7f33c123')


class ReadingTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.url = self.useFixture(
            file_server.FileServer(self.folder)).url

    def read(self, number, content):
        """Read a medium that has a content with {argument}, {uuid}."""
        wanted = reading.argument(number, 7)
        (self.folder / 'a.iso').write_text(content.format(
            argument=wanted, uuid=_UUIDS[number],
            name=reading.node_name(number)))
        return reading.read(reading.node_name(number), _UUIDS[number],
                            f'{self.url}/a.iso', wanted)

    def test_media_of_two_nodes_differ_by_what_is_theirs_alone(self):
        text = 'linux /vmlinuz node={argument}\n{uuid} {name}\n'
        first, second = (self.read(number, text) for number in (0, 1))
        self.assertEqual(first.digest, second.digest)
        self.assertEqual(('cluster-0001.0007',), second.arguments)
        self.assertEqual(second.argument, *second.arguments)

    def test_one_other_byte_is_another_digest(self):
        self.assertNotEqual(self.read(0, '{argument} a').digest,
                            self.read(1, '{argument} b').digest)

    def test_arguments_of_others_are_seen(self):
        found = self.read(1, '{argument} cluster-0000.0001')
        self.assertEqual(('cluster-0000.0001', 'cluster-0001.0007'),
                         found.arguments)

    def test_what_is_gone_is_an_error_and_does_not_answer(self):
        url = f'{self.url}/gone.iso'
        found = reading.read('cluster-0001', _UUIDS[1], url, 'x')
        self.assertIn('404', found.error)
        self.assertFalse(reading.answers(url))
