# SPDX-License-Identifier: Apache-2.0

"""The registry client with real registries, and with servers that lie."""

import base64
import json
import pathlib
import socket
import subprocess

import fixtures
import testtools
import trustme

from ironic_ext.bootc import credentials
from ironic_ext.bootc import errors
from ironic_ext.bootc import reference
from ironic_ext.bootc import registry as client
from ironic_ext.bootc import request
from tests.functional import registry
from tests import oci_images

USERS = {'me': 'SecretWord'}


class LookUpTestCase(testtools.TestCase):

    def look_up(self, at, name='os', *, machine='x86_64', secret=None,
                trust=None, timeout=30):
        """Look an image up at a registry, or at "host:port"."""
        host = getattr(at, 'host', at)
        return client.require_bootable(
            reference.Reference.parse(f'{host}/{name}'), machine,
            trust=trust or request.Trust(ca=getattr(at, 'ca', None)),
            credential=secret and credentials.Credential.parse(secret, host),
            timeout=timeout)

    def refused(self, kind, *args, **given):
        message = str(self.assertRaises(kind, self.look_up, *args, **given))
        self.assertNotIn('SecretWord', message)
        return message


class RegistryTestCase(LookUpTestCase):

    def test_an_index_of_two_architectures_is_looked_up(self):
        at = self.useFixture(registry.Registry())
        for kind in (oci_images.OCI, oci_images.DOCKER):
            amd, arm = (oci_images.image(architecture=name, kind=kind)
                        for name in ('amd64', 'arm64'))
            at.push('os', oci_images.index(amd, arm, kind=kind))
            for machine, wanted in (('x86_64', amd), ('aarch64', arm)):
                found = self.look_up(at, machine=machine)
                self.assertEqual(wanted.digest, found.reference.digest)
            self.assertIn('amd64, arm64', self.refused(
                errors.ArchitectureError, at, machine='s390x'))

    def inspected(self, at, name, secret):
        """Return the digest that skopeo finds, or None without access.

        It reads auth files by the library that podman reads them by.
        """
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        auth = folder / 'auth.json'
        auth.write_text(json.dumps(credentials.Credential.parse(
            secret, at.host).to_dict()))
        asked = subprocess.run(
            ['skopeo', 'inspect', '--cert-dir', at.cert_dir(),
             '--authfile', auth, f'docker://{name}'],
            capture_output=True, stdin=subprocess.DEVNULL)
        if asked.returncode:
            self.assertIn(b'unauthorized', asked.stderr)
            return None
        return json.loads(asked.stdout)['Digest']

    def test_a_secret_serves_containers_tools_as_well(self):
        basic = base64.b64encode(b'me:SecretWord').decode()
        for tokens in (False, True):
            at = self.useFixture(registry.Registry(USERS, tokens=tokens))
            digest = at.push('os', oci_images.image())
            config = json.dumps({'auths': {at.host: {'auth': basic}}})
            secrets = ['me:SecretWord', basic, config,
                       base64.b64encode(config.encode()).decode()]
            if tokens:
                secrets += [at.token_server.identity_token,
                            f'Bearer {at.token_server.identity_token}']
            for secret in secrets:
                found = self.look_up(at, secret=secret).reference
                self.assertEqual(digest, found.digest)
                self.assertEqual(digest, self.inspected(at, found, secret))
            for secret in ('me:wrong', 'some.token'):
                self.refused(errors.UnauthorisedError, at, secret=secret)
                self.assertIsNone(self.inspected(at, f'{at.host}/os',
                                                 secret))

    def test_what_skopeo_pushes_is_read(self):
        at = self.useFixture(registry.Registry(USERS))
        layout = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        pushed = oci_images.image()
        blobs = layout / 'blobs' / 'sha256'
        blobs.mkdir(parents=True)
        for digest, content in (*pushed.blobs.items(),
                                (pushed.digest, pushed.content)):
            (blobs / digest.removeprefix('sha256:')).write_bytes(content)
        (layout / 'oci-layout').write_text('{"imageLayoutVersion":"1.0.0"}')
        (layout / 'index.json').write_text(json.dumps({
            'schemaVersion': 2, 'manifests': [{
                'mediaType': pushed.media_type, 'digest': pushed.digest,
                'size': len(pushed.content)}]}))
        at.copy(f'oci:{layout}', 'team/os', '1')
        found = self.look_up(at, 'team/os:1', secret=at.secret)
        self.assertEqual(pushed.digest, found.reference.digest)

    def test_a_private_image_needs_the_right_password(self):
        for tokens in (False, True):
            at = self.useFixture(registry.Registry(USERS, tokens=tokens))
            digest = at.push('os', oci_images.image())
            for secret in ('me:SecretWord', json.dumps({'auths': {
                    f'{at.host}/os': {'auth': base64.b64encode(
                        b'me:SecretWord').decode()}}})):
                found = self.look_up(at, secret=secret)
                self.assertEqual(digest, found.reference.digest)
            self.assertIn('does not accept', self.refused(
                errors.UnauthorisedError, at, secret='me:wrong'))
            self.assertIn('wants credentials', self.refused(
                errors.UnauthorisedError, at))

    def test_an_identity_token_is_changed_for_another(self):
        at = self.useFixture(registry.Registry(USERS, tokens=True))
        at.push('team/os', oci_images.image())
        self.look_up(at, 'team/os', secret=at.token_server.identity_token)
        self.assertEqual([('POST', 'repository:team/os:pull', 'me')],
                         at.token_server.requests)
        self.refused(errors.UnauthorisedError, at, 'team/os',
                     secret='SecretWord')

    def test_an_image_that_is_not_there_is_named(self):
        at = self.useFixture(registry.Registry())
        at.push('os', oci_images.image())
        for name in ('nothing', 'os:nothing', f'os@sha256:{"0" * 64}'):
            self.assertIn(f'no image {at.host}/{name}', self.refused(
                errors.NoSuchImageError, at, name))

    def test_a_container_that_does_not_boot_is_refused(self):
        at = self.useFixture(registry.Registry())
        at.push('os', oci_images.image(labels={}))
        self.assertIn('containers.bootc', self.refused(
            errors.NotBootableError, at))

    def test_the_authority_of_a_registry_must_be_known(self):
        at = self.useFixture(registry.Registry())
        at.push('os', oci_images.image())
        self.look_up(at)
        other = trustme.CA().cert_pem.bytes().decode()
        for ca in (None, other):
            self.assertIn('not trusted', self.refused(
                errors.CertificateError, at, trust=request.Trust(ca=ca)))
        self.look_up(at, trust=request.Trust(ca=other + at.ca))
        self.assertIn('PEM', self.refused(
            errors.CertificateError, at, trust=request.Trust(ca='none')))

    def test_an_insecure_registry_is_asked_all_the_same(self):
        for tls in (True, False):
            at = self.useFixture(registry.Registry(tls=tls))
            at.push('os', oci_images.image())
            self.look_up(at, trust=request.Trust(insecure=True))
        # The last one speaks HTTP.
        self.assertIn('bootc_insecure', self.refused(
            errors.CertificateError, at))

    def test_a_tag_that_moved_is_still_there_by_its_digest(self):
        at = self.useFixture(registry.Registry())
        first = at.push('os', oci_images.image(marker='1'))
        pinned = self.look_up(at).reference
        second = at.push('os', oci_images.image(marker='2'))
        self.assertEqual(second, self.look_up(at).reference.digest)
        found = self.look_up(at, f'os@{pinned.digest}')
        self.assertEqual(first, found.reference.digest)

    def test_a_mirror_is_asked_with_its_own_login(self):
        at = self.useFixture(registry.Registry(USERS))
        digest = at.push('cache/os', oci_images.image())
        secret = {'auths': {at.host: {'username': 'me',
                                      'password': 'SecretWord'}}}
        found = self.look_up('r.invalid', secret=secret, trust=request.Trust(
            ca=at.ca, mirrors=(f'{at.host}/cache',)))
        self.assertEqual(f'r.invalid/os@{digest}', str(found.reference))

    def test_a_mirror_without_the_image_is_passed_over(self):
        mirror, home = (self.useFixture(registry.Registry(tls=False))
                        for _ in range(2))
        digest = home.push('os', oci_images.image())
        with socket.create_server(('127.0.0.1', 0)) as unused:
            nobody = f'127.0.0.1:{unused.getsockname()[1]}'
        found = self.look_up(home, trust=request.Trust(
            insecure=True, mirrors=(nobody, mirror.host)))
        self.assertEqual(digest, found.reference.digest)
        self.assertIn('/v2/os/manifests/latest', mirror.log())
