# SPDX-License-Identifier: Apache-2.0

"""Servers that end while they start."""

import pathlib
import types
import unittest.mock

import fixtures
import testtools

from lab import process
from tests.cluster import hosts
from tests.cluster import site


class ServerTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        addresses = hosts.Addresses(
            self.folder, dict.fromkeys(('ironic', 'ext_media', 'ext_catalog'),
                                       'sqlite://'),
            0, 1, 'http://media', 'http://boot', 'http://web')
        self.server = hosts.media_server('m1', 1, addresses)
        self.addCleanup(self.server.stop)
        self.starts = self.folder / 'starts'

    def start(self, ends, persists):
        """Start one that ends at first, so many times."""
        self.server.command = lambda: [
            'sh', '-c', f'echo >> {self.starts}; '
            f'[ $(wc -l < {self.starts}) -gt {ends} ] || exit 1; sleep 60']
        self.server.is_ready = lambda: (
            self.starts.exists()
            and len(self.starts.read_text().splitlines()) > ends)
        with unittest.mock.patch.multiple(
                hosts, _RESTART=0.0, _PERSISTS=persists):
            self.server.start()

    def test_it_is_started_anew_as_its_unit_does(self):
        self.start(2, 60.0)
        self.assertIsNotNone(self.server.pid)

    def test_it_is_not_for_ever(self):
        error = self.assertRaises(process.LabError, self.start, 9, 0.0)
        self.assertIn('m1 ended with 1 while starting', str(error))


class UnhandledTest(testtools.TestCase):

    def test_what_servers_did_not_foresee_is_told(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        made = site.Site.__new__(site.Site)
        made.services = {}
        for name, text in (('c1', 'CRITICAL Unhandled error: Ironic\'s'),
                           ('m1', 'INFO Serving'),
                           ('b2', 'INFO x\nCRITICAL Unhandled error: E\nat')):
            (folder / name).write_text(text)
            made.services[name] = types.SimpleNamespace(
                log_path=folder / name)
        self.assertEqual(['b2: CRITICAL Unhandled error: E'],
                         made.unhandled())
