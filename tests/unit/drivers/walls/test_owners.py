# SPDX-License-Identifier: Apache-2.0

"""Attacks of a node's owner on files and services of the conductor."""

import contextlib

from ironic.common import exception

from ironic_ext.drivers.boot import instance
from ironic_ext.drivers.images import bases
from ironic_ext import images
from ironic_ext.node import boot_plan
from tests import fault_server
from tests.unit.drivers import base


class OwnersTestCase(base.RedfishIsoTestCase):

    def setUp(self):
        super().setUp()
        self.secret = self.folder / 'ext-boot.key'
        self.secret.write_text('SecretWord')
        self.config(file_url_allowed_paths=[str(self.folder)],
                    group='conductor')
        self.config(token_key_file=str(self.secret), group='ext_server')

    def plan(self, **info):
        self.say(**{'boot_iso': self.href, **info})
        with self.task(shared=True) as task:
            with instance.planned(task, None, patient=False) as plan:
                return {path: content[:] for path, content
                        in plan.injection.files.items()}

    def refusal(self, **info):
        message = str(self.assertRaises(
            exception.InvalidParameterValue, self.plan, **info))
        self.assertNotIn('SecretWord', message)
        return message

    def read(self, href, reach=bases.Reach.IMAGE, **options):
        with self.task(shared=True) as task:
            return bases.store(task, patient=False, reach=reach,
                               **options).read(href, 1000)


class FileTestCase(OwnersTestCase):

    def test_a_file_for_the_iso_shows_no_secret_of_the_conductor(self):
        database = self.folder / 'ironic.sqlite'
        database.write_text('SecretWord')
        self.config(connection=f'sqlite:///{database}?timeout=30',
                    group='ext_catalog')
        alias = self.folder / 'alias.key'
        alias.hardlink_to(self.secret)
        for strategy in ('noauth', 'http_basic', 'keystone'):
            self.config(auth_strategy=strategy)
            for path in (self.secret, alias, database):
                with self.subTest(f'{strategy} {path}'):
                    self.refusal(boot_iso_files={
                        '/k': {'href': f'file://{path}'}})
                    self.refusal(configdrive=f'file://{path}')
                    self.assertRaises(images.HrefError, self.read,
                                      f'file://{path}')

    def test_files_for_the_iso_come_from_owners_directories_alone(self):
        mine = self.images / 'mine.txt'
        mine.write_text('mine')
        files = {'/k': {'href': f'file://{mine}'}}
        self.assertEqual(b'mine', self.plan(
            boot_iso_files=files)['/k'])
        self.config(auth_strategy='keystone')
        self.assertIn('owner_file_paths', self.refusal(boot_iso_files=files))
        self.assertIn('owner_file_paths', self.refusal(
            boot_iso_files=None, configdrive=f'file://{mine}'))
        # The image itself is still the operator's list.
        self.assertEqual(b'mine', self.read(f'file://{mine}'))
        self.config(owner_file_paths=[str(self.images)], group='ext_images')
        self.assertEqual(b'mine', self.plan(
            boot_iso_files=files, configdrive=None
        )['/k'])

    def test_another_owners_published_image_is_no_image(self):
        published = self.folder / 'http' / 'ext-media' / 'x-secret.iso'
        published.parent.mkdir(parents=True)
        published.write_text('SecretWord')
        self.assertRaises(images.HrefError, self.read,
                          f'file://{published}')
        images_ = self.folder / 'http' / 'images'
        images_.mkdir()
        (images_ / 'a').write_text('image')
        self.assertEqual(b'image', self.read(f'file://{images_}/a'))

    def test_the_catalogs_files_are_reached_by_their_name_alone(self):
        isos = self.folder / 'isos'
        isos.mkdir()
        (isos / 'a.iso').write_text('iso')
        self.config(iso_dir=str(isos), group='ext_catalog')
        self.config(auth_strategy='keystone')
        href = f'file://{isos}/a.iso'
        self.assertRaises(images.HrefError, self.read, href)
        self.assertRaises(images.HrefError, self.read, href,
                          user_access=False)
        self.assertEqual(b'iso', self.read(href, bases.Reach.OPERATOR))

    def test_a_data_image_is_fenced_as_a_boot_image_is(self):
        self.assertRaises(images.HrefError, self.read,
                          f'file://{self.secret}', user_access=False)


class AddressTestCase(OwnersTestCase):

    @contextlib.contextmanager
    def requests_to(self):
        with fault_server.serving() as web:
            web.add('/a', b'inside')
            yield web

    def test_loopback_is_closed_to_owners_beside_the_operator(self):
        with self.requests_to() as web:
            for strategy in ('noauth', 'http_basic'):
                self.config(auth_strategy=strategy)
                self.assertEqual(b'inside', self.read(f'{web.url}/a'))
            asked = len(web.requests)
            self.config(auth_strategy='keystone')
            self.assertRaises(images.HrefError, self.read, f'{web.url}/a')
            self.assertEqual(asked, len(web.requests))
            self.assertEqual(b'inside', self.read(
                f'{web.url}/a', bases.Reach.OPERATOR))
            self.config(allowed_networks=['127.0.0.1/32'],
                        group='ext_images')
            self.assertEqual(b'inside', self.read(f'{web.url}/a'))

    def test_every_href_of_a_node_is_fenced(self):
        self.config(auth_strategy='keystone')
        with self.requests_to() as web:
            href = f'{web.url}/a'
            self.refusal(boot_iso_files={'/k': href})
            self.refusal(boot_iso_files=None, configdrive=href)
            self.say(boot_iso=href, configdrive=None)
            self.failure(exception.InvalidParameterValue, 'validate')
            # Of an image that lies elsewhere, only the checksum is asked.
            self.say(boot_iso='http://203.0.113.1/a.iso',
                     boot_iso_checksum=href)
            self.failure(exception.InvalidParameterValue, 'validate')
            self.assertEqual([], web.requests)

    def test_a_redirect_leads_to_no_closed_place(self):
        with self.requests_to() as inside, self.requests_to() as outside:
            host, port = inside.url.removeprefix('http://').split(':')
            self.config(host_ip=host, port=int(port), group='ext_server')
            outside.add('/go', b'', always=fault_server.redirect(
                f'{inside.url}/a'))
            outside.add('/meta', b'', always=fault_server.redirect(
                'http://169.254.169.254/latest'))
            for path in ('/go', '/meta'):
                error = self.assertRaises(images.HrefError, self.read,
                                          f'{outside.url}{path}')
                self.assertIn('is not fetched', str(error))
            self.assertEqual([], inside.requests)

    def test_the_services_of_the_installation_are_closed_to_all(self):
        with self.requests_to() as web:
            port = int(web.url.rpartition(':')[2])
            self.config(port=port, host_ip='0.0.0.0', group='api')
            for host in ('127.0.0.1', 'localhost', '127.1', '2130706433',
                         '0x7f000001', '[::ffff:127.0.0.1]'):
                with self.subTest(host):
                    self.assertRaises(images.HrefError, self.read,
                                      f'http://{host}:{port}/a')
            self.assertEqual([], web.requests)

    def test_a_proxy_is_not_sent_inside(self):
        with self.requests_to() as proxy:
            proxies = {'http': proxy.url}
            self.config(auth_strategy='keystone')
            for host in ('169.254.169.254', '127.0.0.1', 'localhost'):
                with self.subTest(host):
                    self.assertRaises(
                        images.HrefError, self.read, f'http://{host}/a',
                        access=images.Access(proxies=proxies))
            self.assertEqual([], proxy.requests)


class AgentTestCase(base.DriverTestCase):

    def test_the_agents_iso_is_the_owners_choice_if_the_node_says_it(self):
        for info, href, expected in (
                ({'deploy_iso': 'http://x/a.iso'}, 'http://x/a.iso', True),
                ({'redfish_deploy_iso': 'http://x/a.iso'}, 'http://x/a.iso',
                 True),
                ({}, 'http://conf/a.iso', False)):
            self.node.driver_info = info
            plan = boot_plan.for_agent(
                self.node, 'deploy_iso', href, {}, append_params=None,
                network_data=None, ca=None)
            self.assertEqual(expected, plan.chosen_by_owner)
