# SPDX-License-Identifier: Apache-2.0

"""Nodes that boot with a boot config, inline or from the catalog."""

import logging
import re
import shutil

import fixtures
from ironic.common import exception
from ironic.common import states
from ironic.conf import CONF
from testtools import matchers

from ironic_ext import catalog
from ironic_ext.catalog import store
from ironic_ext import host_records
from ironic_ext import iso
from ironic_ext.iso import boot_path
from ironic_ext.node import boot_state
from ironic_ext.node import tokens
from tests.unit.catalog import database
from tests.unit.drivers import base

KICKSTART = 'network --hostname {{ name }}\ntext\n'


class BootConfigTestCase(base.RedfishIsoTestCase):

    kind = 'lorax_like'

    def setUp(self):
        super().setUp()
        self.isos_dir = self.folder / 'isos'
        self.isos_dir.mkdir()
        self.config(connection=f'sqlite:///{self.folder}/catalog.sqlite',
                    iso_dir=str(self.isos_dir), group='ext_catalog')

    def fill(self, project='', shared=False, **spec):
        """Put an ISO and two configs into the catalog."""
        spec |= {'project': project, 'shared': shared}
        shutil.copyfile(self.base, self.isos_dir / 'live.iso')
        opened = store.Catalog(f'sqlite:///{self.folder}/catalog.sqlite')
        self.addCleanup(opened.close)
        opened.upgrade()
        for name in ('fits', 'other'):
            opened.create(database.config(
                name, format='kickstart', data={'ks.cfg': KICKSTART},
                template=True, project=project, shared=shared))
        made = opened.create(database.iso(
            'live', iso_file='live.iso', boot_configs=('fits',), **spec))
        opened.set_status(made, catalog.ISCSICdromStatus(phase='Ready'))

    def test_an_inline_config_is_in_the_medium(self):
        self.say(boot_iso=self.href, boot_config={
            'format': 'kickstart', 'data': {'ks.cfg': KICKSTART},
            'template': True})
        self.call('validate')
        self.call('prepare_instance')
        image = self.medium()
        self.assertEqual(b'network --hostname node-7\ntext\n',
                         image.read_file('/ks.cfg'))
        for line in self.arguments(image):
            self.assertIn('inst.ks=', line)

    def started(self):
        """What the medium starts by itself, on each boot path."""
        return {path.name: path.unattended
                for path in boot_path.boot_paths(self.medium())
                if not path.dead}

    def install(self, **info):
        self.say(boot_iso=self.href, boot_config={
            'format': 'kickstart', 'data': {'ks.cfg': 'reboot\n'}}, **info)

    def test_an_installation_for_once_starts_by_itself(self):
        self.install()
        self.call('validate')
        self.call('prepare_instance')
        for said in self.started().values():
            self.assertThat(said, matchers.EndsWith(' after 5 s'))

    def test_none_starts_by_itself_where_the_medium_stays(self):
        self.config(once_boot_device='persistent', group='ext_boot')
        with iso.IsoImage.open(self.base) as image:
            before = {path.name: path.unattended
                      for path in boot_path.boot_paths(image)
                      if not path.dead}
        self.install()
        self.call('prepare_instance')
        self.assertEqual(before, self.started())

    def test_nobody_can_ask_for_it_there(self):
        self.config(once_boot_device='persistent', group='ext_boot')
        self.install(boot_unattended=True)
        self.assertIn('run again at every start', self.failure(
            exception.InvalidParameterValue, 'validate'))

    def test_an_entry_that_is_not_there_is_told_before_the_deployment(self):
        self.install(boot_unattended='Nothing of the kind')
        self.assertIn('name one of its entries', self.failure(
            exception.InvalidParameterValue, 'validate'))

    def test_iso_and_config_are_named_by_the_catalog(self):
        self.fill()
        self.say(boot_iso='live', boot_config='fits')
        self.call('validate')
        self.call('prepare_instance')
        self.assertEqual(b'network --hostname node-7\ntext\n',
                         self.medium().read_file('/ks.cfg'))

    def test_what_is_another_projects_reads_as_what_there_is_not(self):
        self.fill(project='p')
        self.node.owner = 'q'
        found = []
        for name in ('live', 'none'):
            self.say(boot_iso=name, boot_config=None)
            found.append(self.failure(exception.InvalidParameterValue,
                                      'validate'))
        for name in ('fits', 'none'):
            self.say(boot_iso=self.href, boot_config=name)
            found.append(self.failure(exception.InvalidParameterValue,
                                      'validate'))
        self.assertEqual(found[0].replace('live', 'none'), found[1])
        self.assertEqual(found[2].replace('fits', 'none'), found[3])

    def test_a_node_uses_what_is_its_lessees_and_not_its_owners(self):
        self.fill(project='p')
        self.node.owner = 'p'
        self.say(boot_iso='live', boot_config='fits')
        self.call('validate')
        self.node.lessee = 'q'
        self.say()
        self.failure(exception.InvalidParameterValue, 'validate')
        self.node.owner, self.node.lessee = None, 'p'
        self.say()
        self.call('validate')

    def test_an_owner_names_no_project_to_have_its_catalog(self):
        self.fill(project='p')
        self.node.owner, self.node.lessee = 'q', 'p'
        for name in ('live', 'none'):
            self.say(boot_iso=name, boot_config=None)
            refusal = self.failure(exception.InvalidParameterValue,
                                   'validate')
            self.assertIn('trusted_owners', refusal)
        self.say(boot_iso=self.href, boot_config='fits')
        self.assertIn('does not exist', self.failure(
            exception.InvalidParameterValue, 'validate'))
        for trusted in ('q', '*'):
            self.config(trusted_owners=[trusted], group='ext_catalog')
            self.say(boot_iso='live', boot_config='fits')
            self.call('validate')

    def test_a_leased_node_has_what_is_shared(self):
        self.fill(shared=True)
        self.node.owner, self.node.lessee = 'q', 'p'
        self.say(boot_iso='live', boot_config='fits')
        self.call('validate')

    def test_an_owners_iso_gets_no_config_that_is_not_theirs(self):
        self.fill(shared=True)
        self.say(boot_iso=self.href, boot_config='fits')
        self.call('validate')
        self.node.owner = 'q'
        self.say()
        self.assertIn('anyISO', self.failure(
            exception.InvalidParameterValue, 'validate'))
        self.say(boot_iso='live')
        self.call('validate')

    def test_the_catalogs_directory_is_for_its_isos_alone(self):
        self.fill()
        self.say(boot_iso=f'file://{self.isos_dir}/live.iso')
        self.assertIn('not allowed', self.failure(
            exception.InvalidParameterValue, 'validate'))

    def test_a_config_of_another_iso_is_refused_before_anything_happens(self):
        self.fill()
        self.say(boot_iso='live', boot_config='other')
        self.assertIn('does not fit ISO "live"', self.failure(
            exception.InvalidParameterValue, 'validate'))
        self.assertIn('does not fit ISO "live"', self.failure(
            exception.InvalidParameterValue, 'prepare_instance'))
        self.assertClean()

    def by_url(self, **server):
        self.fill()
        self.config(public_url='http://192.0.2.9:8093/',
                    token_key_file=str(self.folder / 'boot.key'),
                    **server, group='ext_server')
        self.say(boot_iso='live', boot_config='fits',
                 boot_config_delivery='url')

    def test_by_url_a_token_of_the_node_is_in_the_kernel_arguments(self):
        self.by_url()
        self.call('validate')
        self.call('prepare_instance')
        image = self.medium()
        self.assertRaises(iso.IsoError, image.read_file, '/ks.cfg')
        signer = tokens.Tokens.from_file(str(self.folder / 'boot.key'))
        for line in self.arguments(image):
            token, = re.findall(
                r'inst\.ks=http://192\.0\.2\.9:8093/t/(\S+)/ks\.cfg ', line)
            self.assertEqual(self.node.uuid, signer.read(token).node)

    def test_the_token_is_of_the_boot_that_begins(self):
        self.by_url()
        self.be(states.DEPLOYING)
        records = host_records.HostRecords(CONF.ext_catalog.connection)
        self.addCleanup(records.close)
        ended = records.end(self.node.uuid, generation=0)
        self.call('prepare_instance')
        signer = tokens.Tokens.from_file(str(self.folder / 'boot.key'))
        token = self.arguments(self.medium())[0].partition(
            '/t/')[2].partition('/')[0]
        generation = signer.read(token).generation
        self.assertTrue(generation.conductor)
        self.assertEqual(
            (boot_state.generation(self.node.driver_internal_info),
             ended.generation), generation)

    def test_a_template_names_where_its_machine_reports_and_reads(self):
        self.by_url()
        self.say(boot_iso=self.href, boot_config_delivery='inject',
                 boot_config={
                     'format': 'kickstart', 'template': True,
                     'data': {'ks.cfg': 'url {{ boot.complete_url }} '
                                        '{{ boot.token }} '
                                        '{{ boot.config_url }}ks.cfg\n'}})
        self.call('prepare_instance')
        text = self.medium().read_file('/ks.cfg').decode()
        url, token, config = text.split()[1:]
        self.assertEqual(
            (f'http://192.0.2.9:8093/api/v1/boot-complete?token={token}',
             f'http://192.0.2.9:8093/t/{token}/ks.cfg'), (url, config))
        signer = tokens.Tokens.from_file(str(self.folder / 'boot.key'))
        self.assertEqual(self.node.uuid, signer.read(token).node)

    def test_the_token_is_not_logged(self):
        logged = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))
        self.by_url()
        self.call('prepare_instance')
        token = self.arguments(self.medium())[0].partition('/t/')[2][:60]
        self.assertEqual(60, len(token))
        self.assertNotIn(token, logged.output)

    def test_a_token_that_cannot_be_signed_is_refused(self):
        self.by_url()
        (self.folder / 'boot.key').write_text('no key')
        self.assertIn('cannot be made', self.failure(
            exception.InvalidParameterValue, 'validate'))

    def test_the_catalogs_database_is_no_image(self):
        self.fill()
        self.config(file_url_allowed_paths=[str(self.folder)],
                    group='conductor')
        self.say(boot_iso=f'file://{self.folder}/catalog.sqlite')
        self.assertIn('not allowed', self.failure(
            exception.InvalidParameterValue, 'validate'))
