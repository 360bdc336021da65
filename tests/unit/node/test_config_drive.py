# SPDX-License-Identifier: Apache-2.0

"""Tests for reading config drives, made by the tools that make real ones."""

import base64
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

from openstack.baremetal import configdrive as os_configdrive
import testtools

from ironic_ext.node import config_drive
from ironic_ext.node import errors
from tests import shelves

UUID = '1be26c0b-03f2-4d2e-ae87-c02d7f33c781'
LIMIT = 4 << 20


def packed(image):
    return base64.b64encode(gzip.compress(image)).decode()


def iso_image(folder):
    return gzip.decompress(base64.b64decode(os_configdrive.pack(str(folder))))


def vfat_image(folder):
    for tool in ('mkfs.vfat', 'mcopy'):
        if not shutil.which(tool):
            raise unittest.SkipTest(f'{tool} is missing: install dosfstools '
                                    'and mtools')
    image = folder.parent / 'vfat.img'
    image.write_bytes(bytes(1440 << 10))
    subprocess.run(['mkfs.vfat', '-n', 'config-2', image], check=True,
                   capture_output=True)
    subprocess.run(['mcopy', '-s', '-i', image,
                    *(str(path) for path in sorted(folder.iterdir())), '::'],
                   check=True, env={**os.environ, 'MTOOLS_SKIP_CHECK': '1'})
    return image.read_bytes()


class ConfigDriveTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.downloads = {}
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name, 'drive')
        self.folder.mkdir()

    def put(self, path, content):
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def read(self, value, limit=LIMIT, name='node-7'):
        return config_drive.files(
            value, node_uuid=UUID, node_name=name, limit=limit,
            shelf=shelves.MemoryShelf(
                lambda url, size: self.downloads[url]))

    def refusal(self, value, **options):
        def read():
            self.read(value, **options)

        message = str(self.assertRaises(errors.PlanError,
                                        read))
        self.assertTrue(message.startswith('the config drive '), message)
        self.assertNotIn('\n', message)
        return message


class ImageTestCase(ConfigDriveTestCase):

    def setUp(self):
        super().setUp()
        self.put('openstack/latest/meta_data.json', b'{"uuid": "x"}')
        self.put('openstack/latest/user_data', b'#!/bin/sh\n' * 1000)
        self.put('openstack/content/0000', b'\0\xff')
        self.put('ec2/latest/meta-data.json', b'{}')
        self.expected = {
            f'/{path.relative_to(self.folder)}': path.read_bytes()
            for path in self.folder.rglob('*') if path.is_file()}

    def test_an_iso_9660_image_is_read(self):
        self.assertEqual(self.expected,
                         self.read(os_configdrive.pack(str(self.folder))))

    def test_a_vfat_image_is_read(self):
        self.assertEqual(self.expected,
                         self.read(packed(vfat_image(self.folder))))

    def test_a_url_of_any_form_is_read(self):
        image = iso_image(self.folder)
        for form in (image, gzip.compress(image), packed(image).encode(),
                     packed(image).encode() + b'\n', vfat_image(self.folder)):
            self.downloads['https://x/drive'] = form
            self.assertEqual(self.expected, self.read('https://x/drive'))

    def test_base64_may_have_line_breaks(self):
        text = base64.encodebytes(
            gzip.compress(iso_image(self.folder))).decode()
        self.assertEqual(self.expected, self.read(text))

    def test_files_beside_the_known_directories_are_left_out(self):
        self.put('boot/grub/grub.cfg', b'evil')
        self.assertEqual(self.expected,
                         self.read(os_configdrive.pack(str(self.folder))))

    def test_a_drive_of_something_else_is_refused(self):
        shutil.rmtree(self.folder / 'openstack')
        shutil.rmtree(self.folder / 'ec2')
        self.put('user-data', b'x')
        self.assertIn('openstack', self.refusal(
            os_configdrive.pack(str(self.folder))))

    def test_a_symbolic_link_is_refused(self):
        os.symlink('/etc/passwd', self.folder / 'openstack' / 'link')
        self.assertIn('symbolic link', self.refusal(
            os_configdrive.pack(str(self.folder))))

    def test_a_bomb_is_refused_before_it_is_unpacked(self):
        bomb = base64.b64encode(gzip.compress(bytes(64 << 20))).decode()
        self.assertIn('larger than the limit', self.refusal(bomb))

    def test_a_bomb_of_many_members_is_refused(self):
        # 10 MB; with each of them the rest was copied.
        empty = base64.b64encode(gzip.compress(b'') * 500_000).decode()
        began = time.thread_time()
        self.assertIn('gzip members', self.refusal(empty))
        self.assertGreater(5, time.thread_time() - began)
        bomb = base64.b64encode(gzip.compress(bytes(1 << 20)) * 8).decode()
        self.assertIn('larger than the limit', self.refusal(bomb))

    def test_names_that_share_their_content_cannot_multiply_it(self):
        if not shutil.which('genisoimage'):
            self.skipTest('genisoimage is missing')
        self.put('openstack/0', bytes(300_000))
        for number in range(1, 20):
            os.link(self.folder / 'openstack/0',
                    self.folder / f'openstack/{number}')
        image = self.folder.parent / 'links.iso'
        subprocess.run(['genisoimage', '-quiet', '-R', '-cache-inodes',
                        '-o', image, self.folder], check=True,
                       capture_output=True)
        self.assertLess(image.stat().st_size, 2_000_000)
        self.assertIn('more bytes of files', self.refusal(
            packed(image.read_bytes()), limit=1 << 30))

    def test_a_damaged_image_is_refused(self):
        image = iso_image(self.folder)
        for damaged in (image[:20 * 2048], vfat_image(self.folder)[:2048]):
            self.assertNotIn('/tmp', self.refusal(packed(damaged)))
        self.assertIn('cut off', self.refusal(
            base64.b64encode(gzip.compress(image)[:-9]).decode()))

    def test_what_is_no_image_is_refused(self):
        for value in ('!', 'AAAA', packed(b''), packed(b'x' * 100000), 7,
                      ['x'], 'ä' * 8):
            with self.subTest(repr(value)[:20]):
                self.refusal(value)


class JsonTestCase(ConfigDriveTestCase):

    def test_nothing_is_no_config_drive(self):
        for value in (None, '', {}):
            self.assertEqual({}, self.read(value))

    def test_the_files_are_those_openstacksdk_makes(self):
        value = {'meta_data': {'hostname': 'h'}, 'user_data': 'text',
                 'network_data': {'links': []}, 'vendor_data': {'a': 1}}
        image = os_configdrive.build(
            {'uuid': UUID, 'name': 'node-7', 'hostname': 'h'},
            user_data=b'text', network_data={'links': []},
            vendor_data={'a': 1})
        self.assertEqual(self.read(image), self.read(value))

    def test_the_nodes_names_are_defaults_only(self):
        meta_data = json.loads(self.read(
            {'meta_data': {'uuid': 'mine', 'name': 'too'}})[
                '/openstack/latest/meta_data.json'])
        self.assertEqual({'uuid': 'mine', 'name': 'too'}, meta_data)

    def test_a_node_without_a_name_has_none_in_its_meta_data(self):
        meta_data = self.read({'user_data': 'x'}, name=None)[
            '/openstack/latest/meta_data.json']
        self.assertEqual({'uuid': UUID}, json.loads(meta_data))

    def test_structured_user_data_is_written_as_json(self):
        files = self.read({'user_data': {'ignition': {'version': '3.4.0'}}})
        self.assertEqual({'ignition': {'version': '3.4.0'}},
                         json.loads(files['/openstack/latest/user_data']))

    def test_the_nodes_own_copy_is_not_changed(self):
        value = {'user_data': 'x'}
        self.read(value)
        self.assertEqual({'user_data': 'x'}, value)

    def test_malformed_values_are_refused(self):
        for value in ({'metadata': {}}, {'meta_data': 'x'},
                      {'network_data': []}, {'vendor_data': 5},
                      {'user_data': 5}, {'user_data': '\ud800'}):
            with self.subTest(str(value)):
                self.refusal(value)

    def test_too_much_is_refused(self):
        self.assertIn('more than the limit', self.refusal(
            {'user_data': 'x' * 1000}, limit=1000))
