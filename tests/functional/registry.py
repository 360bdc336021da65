# SPDX-License-Identifier: Apache-2.0

"""A real container registry for a test: empty, private, gone afterwards.

Debian's docker-registry with TLS and users, or with the tokens of a server
of its own (Docker's token authentication).
"""

import base64
import datetime
import http.server
import json
import pathlib
import re
import secrets
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
from urllib import parse as urlparse

import bcrypt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import utils as asymmetric
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
import fixtures
import requests
import trustme
import yaml


_START = 60     # seconds
_STOP = 30      # seconds
_LISTENING = re.compile(r'listening on 127\.0\.0\.1:(\d+)')


class Registry(fixtures.Fixture):
    """A running registry on a port of 127.0.0.1 that the system chose.

    :param users: user -> password; None lets everybody in.
    :param tls: speak HTTPS, with a certificate of an authority of its own.
    :param tokens: have users go to a token server first.
    :param names: further names and addresses in the certificate.
    :param config: further settings, see docker-registry's documentation.
    """

    def __init__(self, users=None, *, tls=True, tokens=False, names=(),
                 config=None):
        self.users = users
        self._tls = tls
        self._tokens = tokens
        self._names = names
        self._config = config or {}

    def _setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='registry-'))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        authority = trustme.CA()
        self.ca = authority.cert_pem.bytes().decode()
        #: Path of the authority's certificate.
        self.ca_path = self.folder / 'ca.crt'
        self.ca_path.write_text(self.ca)
        self._certificate = authority.issue_cert(
            'localhost', '127.0.0.1', *self._names)
        self._certificate.private_key_pem.write_to_path(
            self.folder / 'tls.key')
        for number, blob in enumerate(self._certificate.cert_chain_pems):
            blob.write_to_path(self.folder / 'tls.crt', append=number > 0)
        self.token_server = None
        if self._tokens:
            context = None
            if self._tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._certificate.configure_cert(context)
            self.token_server = self.useFixture(
                TokenServer(self.users or {}, self.folder, context))
        (self.folder / 'config.yml').write_text(
            yaml.safe_dump(self._settings()))
        self.log_path = self.folder / 'log'
        log = self.log_path.open('wb')
        self.addCleanup(log.close)
        self._server = subprocess.Popen(
            ['docker-registry', 'serve', str(self.folder / 'config.yml')],
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT)
        self.addCleanup(self._stop)
        self.port = self._await_port()
        #: "host:port", as it stands in names of images.
        self.host = f'127.0.0.1:{self.port}'

    def _settings(self):
        settings = {
            'version': 0.1, 'log': {'level': 'info'},
            'storage': {'filesystem': {
                'rootdirectory': str(self.folder / 'storage')},
                'delete': {'enabled': True}},
            'http': {'addr': '127.0.0.1:0',
                     # Uploads may go on at any process.
                     'secret': 'test'},
            **self._config}
        if self._tls:
            settings['http']['tls'] = {
                'certificate': str(self.folder / 'tls.crt'),
                'key': str(self.folder / 'tls.key')}
        if self.token_server is not None:
            settings['auth'] = {'token': {
                'realm': self.token_server.url,
                'service': self.token_server.service,
                'issuer': self.token_server.issuer,
                'rootcertbundle': str(self.folder / 'tokens.crt')}}
        elif self.users is not None:
            lines = [f'{user}:' + bcrypt.hashpw(
                password.encode(), bcrypt.gensalt(4)).decode()
                for user, password in self.users.items()]
            path = self.folder / 'htpasswd'
            path.write_text('\n'.join(lines) + '\n')
            settings['auth'] = {'htpasswd': {'realm': 'test',
                                             'path': str(path)}}
        return settings

    def _await_port(self):
        deadline = time.monotonic() + _START
        while True:
            found = _LISTENING.search(self.log())
            if found:
                return int(found[1])
            if (self._server.poll() is not None
                    or time.monotonic() > deadline):
                raise RuntimeError('docker-registry does not start: '
                                   + self.log()[-2000:])
            time.sleep(0.02)

    def log(self):
        """Return what the registry has logged so far."""
        return self.log_path.read_text(errors='replace')

    @property
    def url(self):
        return f'{"https" if self._tls else "http"}://{self.host}'

    @property
    def secret(self):
        """user:password of the first user."""
        user, password = next(iter(self.users.items()))
        return f'{user}:{password}'

    def push(self, name, pushed, tag='latest'):
        """Push an image or an index (tests.oci_images).

        :param name: repository.
        :returns: its digest.
        """
        with self._session(name) as session:
            for part in pushed.parts:
                self._push(session, name, part, part.digest)
            self._push(session, name, pushed, tag)
        return pushed.digest

    def copy(self, source, name, tag='latest', *options):
        """Have skopeo copy an image from anywhere, such as ``oci:DIR``.

        :param options: further ones of ``skopeo copy``.
        :returns: "host:port/name:tag"
        """
        target = f'{self.host}/{name}:{tag}'
        command = ['skopeo', 'copy', '--insecure-policy', '--quiet',
                   f'--dest-tls-verify={str(self._tls).lower()}',
                   f'--dest-cert-dir={self.cert_dir()}']
        if self.users:
            auth = self.folder / 'skopeo.json'
            auth.write_text(json.dumps({'auths': {self.host: {
                'auth': base64.b64encode(self.secret.encode()).decode()}}}))
            command.append(f'--dest-authfile={auth}')
        subprocess.run([*command, *options, source, f'docker://{target}'],
                       check=True, stdin=subprocess.DEVNULL,
                       capture_output=True)
        return target

    def cert_dir(self):
        """Return a directory as containers-certs.d(5) has it."""
        folder = self.folder / 'certs.d'
        folder.mkdir(exist_ok=True)
        shutil.copy(self.ca_path, folder / 'ca.crt')
        return folder

    def _session(self, name):
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.ca_path)
        if self.token_server is not None:
            user = next(iter(self.users), '')
            token = self.token_server.token(user, name, ['pull', 'push'])
            session.headers['Authorization'] = f'Bearer {token}'
        elif self.users:
            session.auth = next(iter(self.users.items()))
        return session

    def _push(self, session, name, pushed, tag):
        for digest, content in pushed.blobs.items():
            started = session.post(f'{self.url}/v2/{name}/blobs/uploads/')
            started.raise_for_status()
            place = started.headers['Location']
            mark = '&' if '?' in place else '?'
            session.put(
                f'{place}{mark}digest={digest}', data=content, headers={
                    'Content-Type': 'application/octet-stream'},
            ).raise_for_status()
        session.put(
            f'{self.url}/v2/{name}/manifests/{tag}', data=pushed.content,
            headers={'Content-Type': pushed.media_type}).raise_for_status()

    def _stop(self):
        self._server.send_signal(signal.SIGTERM)
        try:
            self._server.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()


class TokenServer(fixtures.Fixture):
    """Gives out the tokens that a registry of a test believes.

    Users come with their password (GET) or with an OAuth 2 refresh token
    (POST), which is ``identity_token`` for the first user.

    :param folder: gets ``tokens.crt``, which the registry believes.
    :param tls: an SSL context; None speaks HTTP.
    """

    service = 'test-registry'
    issuer = 'test-issuer'

    def __init__(self, users, folder, tls=None):
        self._users = users
        self._folder = folder
        self._tls = tls
        self.identity_token = f'identity-{secrets.token_hex(16)}'
        #: What was asked for: (method, scope, user or None).
        self.requests = []

    def _setUp(self):
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        leaf = authority.issue_cert('token.test',
                                    key_type=trustme.KeyType.ECDSA)
        self._chain = [
            base64.b64encode(ssl.PEM_cert_to_DER_cert(
                blob.bytes().decode())).decode()
            for blob in leaf.cert_chain_pems]
        authority.cert_pem.write_to_path(self._folder / 'tokens.crt')
        self._key = serialization.load_pem_private_key(
            leaf.private_key_pem.bytes(), None)
        server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), self._handler())
        if self._tls is not None:
            server.socket = self._tls.wrap_socket(
                server.socket, server_side=True,
                do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        scheme = 'http' if self._tls is None else 'https'
        self.url = f'{scheme}://127.0.0.1:{server.server_port}/token'

    def token(self, user, name, actions):
        """Return a JSON web token (RFC 7519) for a repository."""
        now = datetime.datetime.now(datetime.UTC).timestamp()
        head = {'typ': 'JWT', 'alg': 'ES256', 'x5c': self._chain}
        body = {'iss': self.issuer, 'sub': user, 'aud': self.service,
                'exp': int(now) + 600, 'nbf': int(now) - 600,
                'iat': int(now), 'jti': secrets.token_hex(8),
                'access': [{'type': 'repository', 'name': name,
                            'actions': actions}] if name else []}
        signed = '.'.join(_base64(json.dumps(part).encode())
                          for part in (head, body))
        r, s = asymmetric.decode_dss_signature(self._key.sign(
            signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f'{signed}.' + _base64(r.to_bytes(32) + s.to_bytes(32))

    def _answer(self, method, fields, authorization):
        """Return a token for those who may have one, or None."""
        user = None
        if method == 'POST':
            if fields.get('refresh_token') == self.identity_token:
                user = next(iter(self._users))
        elif authorization.startswith('Basic '):
            name, _, password = base64.b64decode(
                authorization[6:]).decode().partition(':')
            if self._users.get(name) == password:
                user = name
        scope = fields.get('scope', '')
        self.requests.append((method, scope, user))
        if user is None:
            return None
        kind, name, actions = (scope.split(':') + ['', '', ''])[:3]
        return self.token(user, name if kind == 'repository' else '',
                          actions.split(','))

    def _handler(server):
        class Handler(http.server.BaseHTTPRequestHandler):

            def do_GET(self):
                self._do(urlparse.urlsplit(self.path).query)

            def do_POST(self):
                # podman sends its form in chunks.
                if self.headers.get('Transfer-Encoding') == 'chunked':
                    body = b''
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size + 2)[:size]
                    self.rfile.readline()
                else:
                    body = self.rfile.read(
                        int(self.headers.get('Content-Length', 0)))
                self._do(body.decode())

            def _do(self, query):
                fields = dict(urlparse.parse_qsl(query))
                token = server._answer(
                    self.command, fields,
                    self.headers.get('Authorization', ''))
                body = json.dumps({'access_token': token} if (
                    self.command == 'POST') else {'token': token}).encode()
                self.send_response(200 if token else 401)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass
        return Handler


def _base64(data):
    """RFC 7515: of URLs, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()
