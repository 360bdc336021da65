# SPDX-License-Identifier: Apache-2.0

"""The files that tell podman what to do."""

import json
import os
import pathlib
import stat
import tempfile
import tomllib

import fixtures
import testtools

from ironic_ext.bootc import credentials
from ironic_ext.bootc import reference
from ironic_ext.bootc import request
from ironic_python_agent_ext.bootc import machine
from ironic_python_agent_ext.bootc import pull_files

_DIRECTORY = pathlib.Path('/run/test')
_IMAGE = reference.Reference.parse('oci://registry.test:5000/team/os:1')
_KEYS = ('KEY ONE\n', 'KEY TWO\n')


def _files(**arguments):
    return pull_files.for_pull(
        request.InstallRequest(_IMAGE, _IMAGE.followed, **arguments),
        _DIRECTORY)


def _content(files, name):
    return files.contents[_DIRECTORY / name]


class ContainersConfTest(testtools.TestCase):

    def conf(self, **facts):
        files = pull_files.for_every_call(
            machine.Machine(memory=1 << 30, **facts), _DIRECTORY)
        return tomllib.loads(_content(files, 'containers.conf'))

    def test_an_initramfs_cannot_be_pivoted_away(self):
        self.assertTrue(self.conf(initramfs=True)['engine']['no_pivot_root'])
        self.assertNotIn('no_pivot_root', self.conf()['engine'])

    def test_cgroups_are_managed_without_systemd_where_there_is_none(self):
        self.assertEqual('cgroupfs',
                         self.conf()['engine']['cgroup_manager'])
        self.assertNotIn('cgroup_manager',
                         self.conf(systemd=True)['engine'])

    def test_limits_stay_below_what_the_agent_may_have(self):
        found = self.conf(open_files=20000, processes=4096)
        self.assertEqual(['nofile=20000:20000', 'nproc=4096:4096'],
                         found['containers']['default_ulimits'])

    def test_images_lie_where_bootc_looks_for_them(self):
        files = pull_files.for_every_call(machine.Machine(1), _DIRECTORY)
        storage = tomllib.loads(_content(files, 'storage.conf'))['storage']
        self.assertEqual('/var/lib/containers/storage', storage['graphroot'])
        self.assertNotIn('options', storage)

    def test_parts_of_layers_are_fetched_to_where_images_lie(self):
        files = pull_files.for_parts(_DIRECTORY)
        storage = tomllib.loads(_content(files, 'storage.conf'))['storage']
        self.assertEqual('/var/lib/containers/storage', storage['graphroot'])
        self.assertEqual(
            'true',
            storage['options']['pull_options']['enable_partial_images'])
        self.assertEqual({'CONTAINERS_STORAGE_CONF':
                          '/run/test/storage.conf'}, files.variables)


class PullTest(testtools.TestCase):

    def test_credentials_are_in_the_auth_file_alone(self):
        files = _files(credential=credentials.Credential.parse(
            'user:pa55word', 'registry.test:5000'))
        auths = json.loads(_content(files, 'auth.json'))['auths']
        self.assertEqual({'auth': 'dXNlcjpwYTU1d29yZA=='},
                         auths['registry.test:5000'])
        self.assertIn('--authfile=/run/test/auth.json', files.flags)
        self.assertNotIn('pa55word', repr(files) + ' '.join(files.flags))

    def test_without_credentials_there_is_no_auth_file(self):
        files = _files()
        self.assertNotIn(_DIRECTORY / 'auth.json', files.contents)
        self.assertNotIn('--authfile', ' '.join(files.flags))

    def test_an_authority_is_for_this_pull_alone(self):
        files = _files(trust=request.Trust(ca='PEM'))
        self.assertEqual('PEM', _content(files, 'certs/ca.crt'))
        self.assertIn('--cert-dir=/run/test/certs', files.flags)

    def test_mirrors_are_asked_in_their_order(self):
        files = _files(trust=request.Trust(
            mirrors=('one.test', 'two.test/copy'), insecure=True))
        registry, = tomllib.loads(
            _content(files, 'registries.conf'))['registry']
        self.assertEqual('registry.test:5000', registry['location'])
        self.assertTrue(registry['insecure'])
        self.assertEqual(
            [{'location': 'one.test', 'insecure': True},
             {'location': 'two.test/copy', 'insecure': True}],
            registry['mirror'])

    def test_a_registry_is_not_insecure_unless_the_operator_says_so(self):
        registry, = tomllib.loads(
            _content(_files(), 'registries.conf'))['registry']
        self.assertNotIn('insecure', registry)

    def test_a_name_cannot_break_out_of_its_file(self):
        files = _files(trust=request.Trust(
            mirrors=('a"\ninsecure = true\n[[registry]]\nx="',)))
        registries = tomllib.loads(_content(files, 'registries.conf'))
        self.assertEqual(1, len(registries['registry']))
        self.assertNotIn('insecure', registries['registry'][0])

    def test_a_proxy_is_for_the_pull_alone_and_not_shown(self):
        files = _files(trust=request.Trust(
            proxy='http://me:secret@proxy.test', no_proxy='.test'))
        self.assertEqual('http://me:secret@proxy.test',
                         files.variables['HTTPS_PROXY'])
        self.assertEqual('.test', files.variables['NO_PROXY'])
        self.assertNotIn('secret', repr(files))


class PolicyTest(testtools.TestCase):

    def policy(self, **arguments):
        return json.loads(_content(_files(
            policy=request.SignaturePolicy(**arguments)), 'policy.json'))

    def test_without_a_policy_anything_is_let_in(self):
        self.assertEqual({'default': [{'type': 'insecureAcceptAnything'}]},
                         self.policy())

    def test_a_sigstore_key_is_asked_for_everywhere(self):
        found = self.policy(kind='sigstore', keys=_KEYS[:1])
        self.assertEqual([{'type': 'reject'}], found['default'])
        rule, = found['transports']['docker']['']
        self.assertEqual('sigstoreSigned', rule['type'])
        self.assertEqual('/run/test/keys/0.pub', rule['keyPath'])
        # The pull is by digest, and signatures name tags.
        self.assertEqual('matchRepository', rule['signedIdentity']['type'])

    def test_one_of_several_sigstore_keys_will_do(self):
        rule, = self.policy(kind='sigstore', keys=_KEYS)[
            'transports']['docker']['']
        self.assertEqual(['/run/test/keys/0.pub', '/run/test/keys/1.pub'],
                         rule['keyPaths'])

    def test_scopes_tell_where_a_signature_is_asked_for(self):
        found = self.policy(kind='gpg', keys=_KEYS,
                            scopes=('registry.test:5000/team',))
        self.assertEqual([{'type': 'insecureAcceptAnything'}],
                         found['default'])
        rule, = found['transports']['docker']['registry.test:5000/team']
        self.assertEqual(('signedBy', 'GPGKeys', '/run/test/keys/keys.asc'),
                         (rule['type'], rule['keyType'], rule['keyPath']))

    def test_unknown_images_are_rejected_if_so_wished(self):
        found = self.policy(kind='reject-unknown', scopes=('good.test',))
        self.assertEqual(
            {'default': [{'type': 'reject'}], 'transports': {'docker': {
                'good.test': [{'type': 'insecureAcceptAnything'}]}}}, found)

    def test_sigstore_signatures_are_looked_for_beside_the_image(self):
        name = 'home/.config/containers/registries.d/default.yaml'
        policy = request.SignaturePolicy('sigstore', _KEYS)
        self.assertIn('use-sigstore-attachments: true',
                      _content(_files(policy=policy), name))
        # GPG signatures lie where the ramdisk's own registries.d says.
        self.assertNotIn(_DIRECTORY / name, _files(
            policy=request.SignaturePolicy('gpg', _KEYS)).contents)


class WriteTest(testtools.TestCase):

    def test_nobody_else_can_read_what_is_written(self):
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        path = folder / 'private/deep/auth.json'
        pull_files.Files({path: 'secret'}).write()
        self.assertEqual('secret', path.read_text())
        self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))
        self.assertEqual(0o700, stat.S_IMODE(path.parent.stat().st_mode))

    def test_a_link_that_somebody_laid_is_not_followed(self):
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / 'auth.json'
            path.symlink_to(pathlib.Path(name) / 'elsewhere')
            self.assertRaises(FileExistsError,
                              pull_files.Files({path: 'secret'}).write)
