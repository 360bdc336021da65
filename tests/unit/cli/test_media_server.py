# SPDX-License-Identifier: Apache-2.0

"""Tests for the media server's command: from ironic.conf to its parts."""

import contextlib
import io
import logging
import pathlib
import tempfile
import unittest.mock

import testtools

from ironic_ext.cli import media_server
from ironic_ext.media import records
from ironic_ext.media.stream import settings as server_settings
from tests.unit.media import database


class MediaServerTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        # What it sets up is for a process of its own.
        for target in ('oslo_log.log.setup',
                       'ironic_ext.media.housekeeping.sweep_now_and_then'):
            patch = unittest.mock.patch(target)
            patch.start()
            self.addCleanup(patch.stop)
        alembic = logging.getLogger('alembic')
        self.addCleanup(alembic.setLevel, alembic.level)
        # A process that ends closes its database; Python 3.13 warns of one
        # that is let go of while open.
        self.opened = []
        patch = unittest.mock.patch.object(records, 'MediaRecords',
                                           self.open)
        patch.start()
        self.addCleanup(patch.stop)
        self.served = []
        patch = unittest.mock.patch(
            'ironic_ext.media.stream.server.run',
            lambda *args: self.served.append(args))
        patch.start()
        self.addCleanup(patch.stop)

    def open(self, connection):
        """Open the records of media until the test ends."""
        found = self.real_records(connection)
        self.opened.append(found)
        self.addCleanup(found.close)
        return found

    real_records = records.MediaRecords

    def arguments(self, *more, **options):
        """Return a command line with a configuration file of its own."""
        path = self.folder / 'ironic.conf'
        path.write_text('\n'.join([
            '[ext_images]', f'cache_dir = {self.folder}/store',
            '[ext_media]',
            *(f'{name} = {value}' for name, value in {
                'connection': f'sqlite:///{self.folder}/media.sqlite',
                'overlay_dir': f'{self.folder}/overlays',
                **options}.items())]))
        return ['--config-file', str(path), *more]

    def run_main(self, *more, **options):
        """Return the exit code and what went to standard error."""
        error = io.StringIO()
        with contextlib.redirect_stderr(error):
            code = media_server.main(self.arguments(*more, **options))
        return code, error.getvalue()

    def settings(self, **options):
        self.assertEqual((0, ''), self.run_main(**options))
        return self.served[-1][0]

    def refusal(self, **options):
        code, error = self.run_main(**options)
        self.assertEqual(1, code)
        self.assertEqual([], self.served)
        self.assertTrue(error.startswith('ironic-media-server: '), error)
        self.assertEqual(1, error.count('\n'))
        return error

    def test_the_defaults_are_those_of_the_server(self):
        self.assertEqual(server_settings.ServerSettings(port=8092),
                         self.settings())

    def test_what_ironic_conf_says_arrives(self):
        found = self.settings(
            host_ip='::1', port=9000, workers=3, use_ssl='true',
            cert_file='/c.pem', key_file='/k.pem', tls_ciphers='HIGH',
            tls_minimum_version='1.3', metrics_host_ip='192.0.2.1',
            metrics_port=9001, max_connections=10,
            max_client_connections=3, send_timeout=5,
            min_rate=0, stop_timeout=7)
        self.assertEqual(server_settings.ServerSettings(
            host='::1', port=9000, workers=3,
            tls=server_settings.TlsSettings(
                '/c.pem', '/k.pem', minimum_version='TLSv1_3',
                ciphers='HIGH'),
            metrics_host='192.0.2.1', metrics_port=9001, max_connections=10,
            max_client_connections=3,
            send_timeout=5, min_rate=0, stop_timeout=7), found)

    def test_tls_needs_a_certificate(self):
        self.assertIn('[ext_media]cert_file', self.refusal(use_ssl='true'))

    def test_what_cannot_work_is_told_before_anything_is_served(self):
        self.assertIn('[ext_media]connection',
                      self.refusal(connection='nonsense'))
        (self.folder / 'file').write_text('')
        self.refusal(overlay_dir=f'{self.folder}/file/overlays')
        self.refusal(port='x')

    def test_each_process_finds_media_and_their_bases(self):
        self.run_main()
        media, bases = self.served[-1][1]()
        known = records.MediaRecords(f'sqlite:///{self.folder}/media.sqlite')
        self.addCleanup(known.close)
        token = known.create(database.medium(), None)
        medium = media.find(token)
        self.assertEqual(database.NODE, medium.node)
        exc = self.assertRaises(media_server.contract.BaseMissingError,
                                bases.open, medium)
        self.assertIn('ironic-ext-images', str(exc))

    def test_upgrading_serves_nothing(self):
        self.assertEqual((0, ''), self.run_main('--upgrade'))
        self.assertEqual([], self.served)
        self.assertTrue((self.folder / 'media.sqlite').exists())

    def test_help_is_printed(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertRaises(SystemExit, media_server.main, ['--help'])
        self.assertIn('--config-file', out.getvalue())
        self.assertIn('--upgrade', out.getvalue())
