# SPDX-License-Identifier: Apache-2.0

"""Ironic's own image cache on top of the image services of this suite."""

import base64
import hashlib
import http.server
import json
import os
import pathlib
import tempfile
import threading
import types
import unittest.mock

# Before anything else of Ironic: it chooses the threading model of tests.
import ironic.tests.unit  # noqa: F401
from ironic.common import context as ironic_context  # noqa: H306
from ironic.common import exception
from ironic.common import image_service
from ironic.common import images
from ironic.common import keystone
from ironic.drivers.modules import image_cache
from ironic.tests import base
from keystoneauth1.identity import v3

from ironic_ext.drivers.images import configured as ironic_images
from ironic_ext.drivers.images import ironic_services as ironic_image_services
from ironic_ext.drivers import ironic_patches
from ironic_ext.images import registry
from tests import fault_server
from tests.functional import test_glance_images
from tests import ironic_series

CONTENT = os.urandom(3 << 20)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class ConductorTestCase(base.TestCase):
    """A conductor whose image services are replaced."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        self.master = self.folder / 'master'
        self.cache = image_cache.ImageCache(
            str(self.master), cache_size=1 << 30, cache_ttl=3600,
            disable_validation=True)
        self.config(replace_ironic_image_services=True, retry_interval=0,
                    group='ext_images')
        # Its servers are on loopback addresses.
        self.config(auth_strategy='noauth')
        self.config(file_url_allowed_paths=[str(self.folder)],
                    group='conductor')
        for patch in (
                unittest.mock.patch.object(
                    image_service, 'protocol_mapping',
                    image_service.protocol_mapping),
                unittest.mock.patch.object(
                    image_service, 'GlanceImageService',
                    image_service.GlanceImageService)):
            patch.start()
            self.addCleanup(patch.stop)
        ironic_patches.IMAGE_SERVICES.install()

    def fetch(self, href, name='image', **given):
        path = self.folder / name
        self.cache.fetch_image(
            href, str(path), ctx=ironic_context.get_admin_context(),
            force_raw=False, **given)
        return path

    def digest(self, href, **given):
        return hashlib.sha256(self.fetch(href, **given).read_bytes()
                              ).hexdigest()

    def assertNothingLeft(self):
        self.assertEqual([], os.listdir(self.master))
        self.assertFalse((self.folder / 'image').exists())


class InstallTestCase(ConductorTestCase):

    def test_some_schemes_are_replaced_and_the_others_stay(self):
        found = image_service.protocol_mapping
        self.assertIn('ironic_ext', found['https'].__module__)
        self.assertIn('ironic.common', found['oci'].__module__)

    def test_it_is_off_by_default(self):
        self.config(replace_ironic_image_services=False, group='ext_images')
        found = image_service.protocol_mapping
        ironic_patches.IMAGE_SERVICES.install()
        self.assertIs(found, image_service.protocol_mapping)

    def test_a_uuid_still_gets_the_context(self):
        context = ironic_context.get_admin_context()
        uuid = '7a1b2c3d-0000-4000-8000-123456789abc'
        for href in (uuid, f'glance://{uuid}'):
            found = image_service.get_image_service(href, context=context)
            self.assertIsInstance(found,
                                  ironic_image_services.GlanceImageService)
            self.assertIs(context, found.context)


class WebTestCase(ConductorTestCase):

    def setUp(self):
        super().setUp()
        self.server = self.enterContext(fault_server.serving())
        self.resource = self.server.add('/live.iso', CONTENT)
        self.href = f'{self.server.url}/live.iso'

    def test_a_broken_download_resumes(self):
        self.resource.faults = [fault_server.cut(1 << 20)] * 2
        self.assertEqual(SHA256, self.digest(self.href))
        sent = sum(request.sent for request in self.server.requests)
        self.assertLess(sent, len(CONTENT) * 1.5)

    def test_a_hit_is_not_downloaded_again(self):
        self.fetch(self.href)
        count = len(self.server.sent())
        self.assertTrue(self.fetch(self.href, 'other').samefile(
            self.folder / 'image'))
        self.assertEqual(count, len(self.server.sent()))

    def test_a_server_that_refuses_head_will_do(self):
        self.resource.head = False
        self.assertEqual(SHA256, self.digest(self.href + '?signature=x'))

    def test_the_checksum_is_verified_while_it_arrives(self):
        with unittest.mock.patch.object(
                images.checksum_utils, 'validate_checksum',
                side_effect=AssertionError('read again')):
            self.assertEqual(SHA256, self.digest(
                self.href, expected_checksum=SHA256.upper(),
                expected_checksum_algo='sha256'))

    def test_a_wrong_checksum_leaves_nothing(self):
        self.assertRaises(
            exception.ImageChecksumError, self.fetch, self.href,
            expected_checksum='0' * 64, expected_checksum_algo='sha256')
        self.assertNothingLeft()

    def test_ironic_decides_about_md5(self):
        md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
        given = {'expected_checksum': md5, 'expected_checksum_algo': 'md5'}
        self.config(allow_md5_checksum=False, group='agent')
        self.assertRaises(exception.ImageChecksumError, self.fetch,
                          self.href, **given)
        self.config(allow_md5_checksum=True, group='agent')
        self.assertEqual(SHA256, self.digest(self.href, **given))

    def test_other_algorithms_are_verified_by_ironic(self):
        given = {'expected_checksum_algo': 'sha3_256'}
        self.assertEqual(SHA256, self.digest(
            self.href, expected_checksum=hashlib.sha3_256(
                CONTENT).hexdigest(), **given))
        self.assertRaises(
            exception.ImageChecksumError, self.fetch, self.href + '?2',
            'other', expected_checksum='0' * 64, **given)

    def test_errors_are_ironics_and_leave_nothing(self):
        self.server.add('/locked', CONTENT, authorization='Basic x')
        self.server.add('/page', always=fault_server.page())
        for name, kind in (('missing', exception.ImageRefValidationFailed),
                           ('locked', exception.ImageNotAuthorized),
                           ('page', exception.ImageRefValidationFailed)):
            error = self.assertRaises(
                kind, self.fetch, f'{self.server.url}/{name}?secret')
            self.assertNotIn('secret', str(error))
            self.assertNothingLeft()
        self.resource.faults = [fault_server.status(500)] * 10
        self.config(retries=1, group='ext_images')
        self.assertRaises(exception.ImageDownloadFailed, self.fetch,
                          self.href)
        self.assertNothingLeft()

    def test_a_node_s_credentials_are_used(self):
        word = base64.b64encode(b'u:p').decode()
        self.resource.authorization = f'Basic {word}'
        self.assertEqual(SHA256, self.digest(self.href, image_auth_data={
            'username': 'u', 'password': 'p'}))

    def test_the_services_credentials_go_to_permitted_hosts_alone(self):
        ironic_series.require_newer('[deploy]image_server_auth_hosts')
        self.config(image_server_auth_strategy='http_basic',
                    image_server_user='u', image_server_password='p',
                    image_server_auth_hosts=['elsewhere'], group='deploy')
        # As Ironic gives them when image_source is on that other host.
        self.fetch(self.href, image_auth_data={
            'username': 'u', 'password': 'p'})
        for request in self.server.requests:
            self.assertNotIn('Authorization', request.headers)

    def test_an_operator_s_token_for_a_node_is_a_bearer_token(self):
        self.resource.authorization = 'Bearer a-token'
        node = types.SimpleNamespace(
            instance_info={}, driver_info={'image_server_token': 'a-token'})
        service = registry.service_for(
            self.href, ironic_images.settings_for(node, None))
        self.assertEqual(len(CONTENT), service.stat(self.href).size)

    def test_an_image_of_unknown_size_is_downloaded(self):
        self.resource.chunked = True
        self.resource.ranges = False
        self.assertEqual(SHA256, self.digest(self.href))

    def test_a_directory_is_told_from_an_image(self):
        self.server.add('/os/', b'<html><title>Index</title></html>',
                        kind='text/html')
        self.assertTrue(images.is_source_a_path(
            None, f'{self.server.url}/os/'))
        self.assertFalse(images.is_source_a_path(None, self.href))


class FileTestCase(ConductorTestCase):

    def setUp(self):
        super().setUp()
        self.image = self.folder / 'live.iso'
        self.image.write_bytes(CONTENT)
        self.image.chmod(0o640)

    def test_an_image_is_linked_and_left_as_it_is(self):
        before = self.image.stat()
        found = self.fetch(self.image.as_uri(), expected_checksum=SHA256,
                           expected_checksum_algo='sha256')
        self.assertTrue(found.samefile(self.image))
        after = self.image.stat()
        self.assertEqual((before.st_mode, before.st_mtime_ns),
                         (after.st_mode, after.st_mtime_ns))
        self.assertEqual([], os.listdir(self.master))

    def test_a_link_out_of_the_allowed_paths_is_refused(self):
        (self.folder / 'link').symlink_to('/etc/passwd')
        self.assertRaises(exception.ImageRefValidationFailed, self.fetch,
                          f'file://{self.folder}/link')
        self.assertNothingLeft()

    def test_a_wrong_checksum_leaves_nothing(self):
        self.assertRaises(
            exception.ImageChecksumError, self.fetch, self.image.as_uri(),
            expected_checksum='0' * 64, expected_checksum_algo='sha256')
        self.assertNothingLeft()
        self.assertEqual(CONTENT, self.image.read_bytes())


class _Keystone(http.server.BaseHTTPRequestHandler):
    """As much of Identity API v3 as it takes to log in."""

    def do_GET(self):
        self._answer(200, {'version': {
            'id': 'v3.14', 'status': 'stable', 'links': [
                {'rel': 'self', 'href': self.server.url}]}})

    def do_POST(self):
        size = int(self.headers['Content-Length'])
        user = json.loads(self.rfile.read(size))['auth']['identity'][
            'password']['user']
        if user['password'] != 'right':
            self._answer(401, {'error': {'code': 401, 'message': 'no'}})
            return
        endpoint = {'interface': 'public', 'region': 'r', 'region_id': 'r',
                    'id': 'e', 'url': self.server.glance}
        self._answer(201, {'token': {
            'methods': ['password'], 'expires_at': '2099-01-01T00:00:00Z',
            'issued_at': '2026-01-01T00:00:00Z',
            'user': {'id': 'u', 'name': 'u',
                     'domain': {'id': 'd', 'name': 'd'}},
            'project': {'id': 'p', 'name': 'service',
                        'domain': {'id': 'd', 'name': 'd'}},
            'roles': [{'id': 'r', 'name': 'admin'}],
            'catalog': [{'type': 'image', 'name': 'glance', 'id': 'g',
                         'endpoints': [endpoint]}]}})

    def _answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header('X-Subject-Token', 'token')
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


class GlanceTestCase(test_glance_images.RealGlance, ConductorTestCase):
    """Both ways to log in, with a real Glance behind them."""

    def setUp(self):
        super().setUp()
        self.wanted = hashlib.sha256(
            test_glance_images.CONTENT).hexdigest()

    def standalone(self):
        self.config(auth_type='none', endpoint_override=self.glance.url,
                    group='glance')

    def with_keystone(self, password):
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), _Keystone)
        server.url = f'http://127.0.0.1:{server.server_address[1]}/v3'
        server.glance = self.glance.url
        thread = threading.Thread(target=server.serve_forever,
                                  kwargs={'poll_interval': 0.01})
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        self.config(service_type='image', group='glance')
        # Not by [glance]: its options would stay registered for good.
        patch = unittest.mock.patch.object(
            keystone, 'get_auth', autospec=True, return_value=v3.Password(
                auth_url=server.url, username='u', password=password,
                user_domain_id='d', project_name='service',
                project_domain_id='d'))
        patch.start()
        self.addCleanup(patch.stop)

    def test_a_standalone_glance_needs_no_login(self):
        self.standalone()
        self.assertEqual(self.wanted, self.digest(self.image.id))
        self.assertEqual(self.wanted, self.digest(
            f'glance://{self.image.id}', name='other',
            expected_checksum=self.wanted, expected_checksum_algo='sha256'))

    def test_the_catalog_of_keystone_leads_to_glance(self):
        self.with_keystone('right')
        self.assertEqual(self.wanted, self.digest(self.image.id))

    def test_a_wrong_password_is_an_error_of_ironic(self):
        self.with_keystone('wrong')
        error = self.assertRaises(exception.ImageNotAuthorized, self.fetch,
                                  self.image.id)
        self.assertIn('Keystone', str(error))
        self.assertNothingLeft()

    def test_a_missing_image_is_not_found(self):
        self.standalone()
        self.assertRaises(exception.ImageNotFound, self.fetch,
                          '7a1b2c3d-0000-4000-8000-123456789abc')

    def test_the_properties_ironic_reads_are_there(self):
        self.standalone()
        found = images.get_image_properties(
            ironic_context.get_admin_context(), self.image.id)
        self.assertEqual('a-kernel', found['kernel_id'])
