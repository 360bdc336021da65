# SPDX-License-Identifier: Apache-2.0

"""What config a machine is given."""

import dataclasses

from oslo_utils import strutils
import testtools

from ironic_ext import catalog
from ironic_ext import config_formats
from ironic_ext.node import boot_state
from ironic_ext.node import host as hosts
from ironic_ext.node import tokens
from ironic_ext.server import errors
from ironic_ext.server.machines import configs
from tests.unit.node import test_host as test_hosts

MAC = '52:54:00:00:00:01'


class Found(dict):
    """What is in memory, and a generation of it."""

    generation = 0

    def __setitem__(self, key, item):
        super().__setitem__(key, item)
        self.generation += 1

    def __delitem__(self, key):
        super().__delitem__(key)
        self.generation += 1


class KnownCatalog:
    def __init__(self, *found):
        self.found = Found({(item.kind, item.metadata.name): item
                            for item in found})

    @property
    def generation(self):
        return self.found.generation

    def iso(self, name):
        return self.found.get(('ISCSICdrom', name))

    def config(self, name):
        return self.found.get(('BootConfig', name))


def config(name, text='text\n', template=False, version='1'):
    return catalog.BootConfig(
        catalog.Metadata(name, uid=name, resource_version=version),
        catalog.BootConfigSpec('kickstart', {'ks.cfg': text},
                               template=template))


class ConfigsTestCase(testtools.TestCase):
    """The config of a host."""

    def setUp(self):
        super().setUp()
        self.catalog = KnownCatalog(
            config('server'), config('other'),
            config('facts', 'text {{ name }} {{ mac }}\n', template=True),
            test_hosts.iso('netinst', 'server', 'facts'))
        self.configs = configs.Configs(self.catalog, self.catalog,
                                       delivery='url')

    def text(self, **info):
        found = self.configs.of(test_hosts.host(instance_info=info))
        self.assertIsInstance(found, config_formats.Config)
        return found.files[found.primary]

    def test_templates_are_filled_with_the_hosts_facts(self):
        self.assertEqual(f'text server1 {MAC}\n', self.text(
            boot_iso='netinst', boot_config='facts'))

    def test_templates_know_where_the_machine_reports(self):
        self.catalog.found['BootConfig', 'facts'] = config(
            'facts', 'url {{ boot.complete_url }}\n', template=True)
        self.configs = configs.Configs(
            self.catalog, self.catalog,
            lambda host: tokens.links('http://192.0.2.1', f'T-{host.uuid}'))
        self.assertEqual(
            'url http://192.0.2.1/api/v1/boot-complete'
            f'?token=T-{test_hosts.UUID}\n',
            self.text(boot_iso='netinst', boot_config='facts'))

    def test_a_config_that_changed_is_served_as_it_is_now(self):
        self.assertEqual('text\n', self.text(boot_config='server'))
        self.catalog.found['BootConfig', 'server'] = config(
            'server', 'reboot\n', version='2')
        self.assertEqual('reboot\n', self.text(boot_config='server'))

    def test_the_rules_hold_when_a_machine_asks(self):
        self.assertRaises(errors.ConflictError, self.text,
                          boot_iso='netinst', boot_config='other')

    def test_what_is_not_there_is_not_found(self):
        self.assertRaises(errors.NotFoundError, self.text)
        self.assertRaises(errors.NotFoundError, self.text,
                          boot_config='gone')
        self.assertRaises(errors.NotFoundError, self.text,
                          boot_config='no\nname')

    def test_an_inline_config_is_served(self):
        self.assertEqual('reboot\n', self.text(boot_config={
            'format': 'kickstart', 'data': {'ks.cfg': 'reboot\n'}}))

    def test_an_inline_config_goes_by_url_only_where_it_is_to(self):
        inline = {'format': 'kickstart', 'data': {'ks.cfg': 'reboot\n'}}
        self.configs = configs.Configs(self.catalog, self.catalog)
        self.assertRaises(errors.ForbiddenError, self.text,
                          boot_config=inline)
        self.assertRaises(errors.ForbiddenError, self.text,
                          boot_config=inline, boot_config_delivery='inject')
        for way in ('url', 'auto'):
            self.assertEqual('reboot\n', self.text(
                boot_config=inline, boot_config_delivery=way))
        # What was to go into the ISO if possible has a URL with a token.
        for way, code in (('url', None), ('auto', 403), ('inject', 403)):
            host = test_hosts.host(instance_info={
                'boot_config': inline, 'boot_config_delivery': way})
            try:
                self.configs.of(host, by_token=False)
                found = None
            except errors.ForbiddenError as exc:
                found = exc.code
            self.assertEqual(code, found, way)
        # By driver_info, and as a conductor delivered it last.
        for said in ({'boot_config_delivery': 'url'},
                     {'boot': boot_state.BootState(delivery='url')}):
            self.configs.of(test_hosts.host(
                instance_info={'boot_config': inline}, **said))

    def test_an_inline_config_that_is_none_is_a_conflict(self):
        self.assertRaises(errors.ConflictError, self.text,
                          boot_config={'format': 'kickstart'})

    def test_an_inline_config_with_holes_is_a_conflict(self):
        shown = strutils.mask_dict_password({'boot_config': {
            'format': 'kickstart', 'data': {
                'ks.cfg': 'user --name=a --password=geheim\n'}}}, '******')
        error = self.assertRaises(errors.ConflictError, self.text, **shown)
        self.assertIn('put the config into the catalog', str(error))

    def at_hand(self, **info):
        return self.configs.at_hand(test_hosts.host(instance_info=info))

    def test_a_config_is_at_hand_once_it_was_made(self):
        self.assertIsNone(self.at_hand(boot_config='server'))
        made = self.configs.of(test_hosts.host(
            instance_info={'boot_config': 'server'}))
        self.assertIs(made, self.at_hand(boot_config='server'))
        self.catalog.found['BootConfig', 'server'] = config(
            'server', 'reboot\n', version='2')
        self.assertIsNone(self.at_hand(boot_config='server'))

    def test_what_is_at_hand_is_judged_anew_when_it_changes(self):
        info = {'boot_iso': 'netinst', 'boot_config': 'server'}
        made = self.configs.of(test_hosts.host(instance_info=info))
        for _number in range(2):
            self.assertIs(made, self.at_hand(**info))
        # The ISO does not list it any more.
        fitting = self.catalog.found['ISCSICdrom', 'netinst']
        self.catalog.found['ISCSICdrom', 'netinst'] = test_hosts.iso(
            'netinst', 'facts')
        self.assertIsNone(self.at_hand(**info))
        self.catalog.found['ISCSICdrom', 'netinst'] = fitting
        self.assertIs(made, self.at_hand(**info))
        # It is another project's now.
        host = dataclasses.replace(test_hosts.host(instance_info=info),
                                   project='p')
        self.assertIsNone(self.configs.at_hand(host))
        del self.catalog.found['BootConfig', 'server']
        self.assertIsNone(self.at_hand(**info))

    def test_an_iso_that_is_gone_lets_nobody_have_what_it_listed(self):
        shared = config('server')
        self.catalog.found['BootConfig', 'server'] = dataclasses.replace(
            shared, spec=dataclasses.replace(shared.spec, shared=True))
        host = test_hosts.host(owner='p', instance_info={
            'boot_iso': 'netinst', 'boot_config': 'server'})
        for iso in ('netinst', 'own'):
            self.catalog.found['ISCSICdrom', 'netinst'] = dataclasses.replace(
                test_hosts.iso(iso, 'server'), spec=catalog.ISCSICdromSpec(
                    boot_configs=('server',), shared=True))
            made = self.configs.of(host)
            for _number in range(2):
                self.assertIs(made, self.configs.at_hand(host))
        del self.catalog.found['ISCSICdrom', 'netinst']
        self.assertIsNone(self.configs.at_hand(host))
        self.assertRaises(errors.ConflictError, self.configs.of, host)

    def test_an_iso_that_is_not_there_yet_is_looked_for_again(self):
        info = {'boot_iso': 'new', 'boot_config': 'server'}
        self.text(boot_config='server')
        self.at_hand(**info)
        self.catalog.found['ISCSICdrom', 'new'] = test_hosts.iso(
            'new', 'other')
        self.assertIsNone(self.at_hand(**info))

    def test_what_takes_time_or_is_an_error_is_not_at_hand(self):
        self.text(boot_config='other')
        for info in ({'boot_config': 'facts'}, {'boot_config': 'gone'},
                     {'boot_iso': 'netinst', 'boot_config': 'other'}, {},
                     {'boot_config': {'format': 'kickstart',
                                      'data': {'ks.cfg': 'reboot\n'}}}):
            self.assertIsNone(self.at_hand(**info), info)

    def test_what_is_not_in_memory_is_not_at_hand(self):
        class Nothing:
            generation = 0

            def iso(self, name):
                raise KeyError(name)

            config = iso

        found = configs.Configs(self.catalog, Nothing())
        host = test_hosts.host(instance_info={'boot_config': 'server'})
        found.of(host)
        self.assertIsNone(found.at_hand(host))


class LeasedTestCase(testtools.TestCase):
    """Nodes whose owner has named a lessee."""

    def test_an_owner_names_no_project_to_have_its_configs(self):
        private = config('private', 'rootpw secret\n')
        private = dataclasses.replace(private, spec=dataclasses.replace(
            private.spec, project='p'))
        known = KnownCatalog(private)
        found = configs.Configs(known, known, delivery='url')
        info = {'boot_config': 'private'}

        def asked(owner, lessee, trusted=()):
            return found.of(hosts.from_node(test_hosts.node(
                owner=owner, lessee=lessee, instance_info=info), (),
                trusted_owners=trusted))

        for owner, lessee in (('q', 'p'), ('p', 'q'), ('q', None)):
            self.assertRaises(errors.NotFoundError, asked, owner, lessee)
        for owner, lessee, trusted in (
                ('p', None, ()), (None, 'p', ()), ('q', 'p', ('q',)),
                ('p', 'p', ())):
            self.assertIn('secret', asked(owner, lessee, trusted)
                          .files['ks.cfg'])
