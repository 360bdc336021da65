# SPDX-License-Identifier: Apache-2.0

"""A private container registry of the lab's own: docker-registry with TLS.

Machines reach it at hypervisor.HOST, and what runs on this host at
127.0.0.1, which a machine would take for itself. Images are named as the
machines see it; for this host 127.0.0.1 is a mirror of it.
"""

import base64
from collections.abc import Sequence
import json
import pathlib
import secrets

import bcrypt
import trustme
import yaml

from lab import hypervisor
from lab import process

_USER = 'deployer'
_CONFIG = """
[ext_bootc]
ca_file = {ca}
mirrors = {outside}={inside}
"""


class Registry(process.Service):
    """One registry, in its own directory; empty at first.

    :ivar host: "host:port" in the names of its images.
    :ivar secret: a config.json of Docker in base64, for image_pull_secret.
    :ivar settings: what a conductor's ironic.conf needs to believe it.
    """

    def __init__(self, directory: pathlib.Path, *, outlives: bool = False
                 ) -> None:
        super().__init__('registry', directory, outlives=outlives)
        self._port = process.free_port()
        self._inside = f'127.0.0.1:{self._port}'
        self.host = f'{hypervisor.HOST}:{self._port}'
        self._login = directory / 'login.json'
        self._config = directory / 'config.yml'
        self._write()
        self.secret = base64.b64encode(self._login.read_bytes()).decode()
        self.settings = _CONFIG.format(
            ca=directory / 'certs.d/ca.crt', outside=self.host,
            inside=self._inside)

    def _write(self) -> None:
        password = secrets.token_hex(8)
        auth = base64.b64encode(f'{_USER}:{password}'.encode()).decode()
        self._login.write_text(json.dumps({'auths': {
            host: {'auth': auth} for host in (self.host, self._inside)}}))
        (self.directory / 'htpasswd').write_text(f'{_USER}:' + bcrypt.hashpw(
            password.encode(), bcrypt.gensalt(4)).decode() + '\n')
        authority = trustme.CA()
        certificate = authority.issue_cert('127.0.0.1', hypervisor.HOST)
        # A directory as containers-certs.d(5) has it.
        (self.directory / 'certs.d').mkdir()
        authority.cert_pem.write_to_path(self.directory / 'certs.d/ca.crt')
        certificate.private_key_and_cert_chain_pem.write_to_path(
            self.directory / 'tls.pem')
        self._config.write_text(yaml.safe_dump({
            'version': 0.1, 'log': {'level': 'info'},
            'storage': {'filesystem': {
                'rootdirectory': str(self.directory / 'storage')}},
            'http': {'addr': self._inside, 'tls': {
                'certificate': str(self.directory / 'tls.pem'),
                'key': str(self.directory / 'tls.pem')}},
            'auth': {'htpasswd': {
                'realm': 'lab', 'path': str(self.directory / 'htpasswd')}}}))

    def command(self) -> Sequence[str]:
        return ['docker-registry', 'serve', str(self._config)]

    def is_ready(self) -> bool:
        return process.accepts(self._port)

    def push_command(self, source: str, name: str) -> list[str]:
        """Return the command that puts an image into the registry.

        :param source: as skopeo names it, such as ``oci:DIR:TAG``.
        :param name: repository and tag.
        """
        return ['skopeo', 'copy', '--insecure-policy', '--quiet',
                f'--dest-cert-dir={self.directory}/certs.d',
                f'--dest-authfile={self._login}', source,
                f'docker://{self._inside}/{name}']
