# SPDX-License-Identifier: Apache-2.0

"""Signature policies, with GPG signatures (containers-signature(5)).

Not every podman checks sigstore's: Debian 12's is built without them.
"""

import json
import os
import pathlib
import subprocess
import tempfile

import fixtures
import yaml

from ironic_ext.bootc import request
from tests.functional import bootc_agent


class SignaturesTest(bootc_agent.BootcAgentTestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(cls.use(fixtures.TempDir()).path)
        # Sockets of the key's agent want short paths.
        home = cls.use(fixtures.TempDir(rootdir='/tmp')).path
        os.chmod(home, 0o700)
        cls.environment = {**os.environ, 'GNUPGHOME': home}
        cls.addClassCleanup(cls.tool, 'gpgconf', '--kill', 'all')
        for name in ('signer', 'other'):
            cls.tool('gpg', '--batch', '--passphrase', '',
                     '--quick-gen-key', f'{name}@example.test')
        # Where signatures lie, for the signer and for the ramdisk.
        signatures = cls.folder / 'signatures'
        signatures.mkdir()
        cls.lookaside = cls.folder / 'registries.d'
        cls.lookaside.mkdir()
        (cls.lookaside / 'test.yaml').write_text(yaml.safe_dump({'docker': {
            cls.registry.host: {
                'lookaside': f'file://{signatures}',
                'lookaside-staging': f'file://{signatures}'}}}))
        cls.agent.inside(
            'sh', '-c', 'mkdir -p /etc/containers/registries.d; mount --bind '
            f'{cls.lookaside} /etc/containers/registries.d')

    @classmethod
    def tool(cls, *command):
        return subprocess.run(
            [*map(str, command)], env=cls.environment, check=True,
            stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout

    def key(self, name):
        return self.tool('gpg', '--armor', '--export', f'{name}@example.test')

    def sign(self, wanted):
        """Sign an image in the registry, as its maintainer would."""
        with tempfile.NamedTemporaryFile('w') as auth:
            json.dump(wanted.credential.to_dict(), auth)
            auth.flush()
            name = f'docker://{wanted.image.name}'
            self.tool(
                'skopeo', '--insecure-policy', '--registries.d',
                self.lookaside, 'copy', '--authfile', auth.name,
                '--src-cert-dir', self.registry.cert_dir(),
                '--dest-cert-dir', self.registry.cert_dir(),
                '--sign-by', 'signer@example.test',
                f'{name}@{wanted.image.digest}', f'{name}:signed')

    def policy(self, *names):
        return request.SignaturePolicy('gpg', tuple(map(self.key, names)))

    def test_a_signed_image_is_installed(self):
        wanted = self.push()
        self.sign(wanted)
        self.assert_deployed(self.deploy(wanted,
                                         policy=self.policy('signer')))

    def test_one_of_several_keys_will_do(self):
        wanted = self.push()
        self.sign(wanted)
        self.assert_deployed(self.deploy(
            wanted, policy=self.policy('other', 'signer')))

    def test_an_image_signed_by_somebody_else_is_not_installed(self):
        wanted = self.push()
        self.sign(wanted)
        self.assert_failed(
            'SignatureError', 'does not let image', self.deploy(
                wanted, policy=self.policy('other')))

    def test_an_image_without_a_signature_is_not_installed(self):
        self.assert_failed(
            'SignatureError', 'does not let image', self.deploy(
                self.push(marker='unsigned'), policy=self.policy('signer')))
