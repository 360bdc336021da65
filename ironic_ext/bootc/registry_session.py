# SPDX-License-Identifier: Apache-2.0

"""Requests to registries: TLS, proxy, tokens, and what failures mean.

Follows the OCI distribution specification 1.1 and Docker's "Token
Authentication Specification". Credentials go to the registry's origin (RFC
6454) and to the token server that it names, never where a redirect leads.
"""

import collections.abc
import dataclasses
import re
import ssl
import time
import typing
from urllib import parse as urlparse

import requests
from requests import adapters
import urllib3
from urllib3.util import retry

from ironic_ext.bootc import challenges
from ironic_ext.bootc import credentials
from ironic_ext.bootc import errors
from ironic_ext.bootc import reference
from ironic_ext.bootc import registry_failures as failures
from ironic_ext.bootc import request
from ironic_ext.web import no_proxy
from ironic_ext.web import redirects
from ironic_ext.web import tls

#: The specification has registries refuse larger manifests.
MAX_BODY = 4 << 20

_CLIENT = 'ironic-ext'
_MAX_REDIRECTS = 5
_CHUNK = 64 << 10
# Docker Hub's images have one name, its registry another.
_HOSTS = {'docker.io': 'registry-1.docker.io'}
# Times that a registry may ask to wait.
_WAITS = 3


#: Called with an adapter of requests, a request, and what the adapter's own
#: ``send`` takes beside it.
Send = collections.abc.Callable[..., requests.Response]


def _send(adapter: typing.Any, asked: requests.PreparedRequest,
          **options: typing.Any) -> requests.Response:
    response: requests.Response = adapter.send(asked, **options)
    return response


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a registry answered."""

    status: int
    headers: collections.abc.Mapping[str, str]
    body: bytes


class Session:
    """Requests to one registry for one repository.

    :param host: "host[:port]" of the registry, or of a mirror of it.
    :param repository: what tokens are asked for.
    :param login: None goes without.
    :param name: of the image, fit for messages.
    :param timeout: seconds that all answers together may take.
    :param send: sends a request by an adapter, and may refuse to.
    """

    def __init__(self, host: str, repository: str,
                 login: credentials.Login | None, trust: request.Trust,
                 name: str, timeout: float, send: Send | None = None
                 ) -> None:
        self._host = _HOSTS.get(host, host)
        self._repository = repository
        self._login = login
        self._trust = trust
        self._name = name
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._send_by = send or _send
        self._authorization: str | None = None
        self._scheme: str | None = None
        self._session = requests.Session()
        # No .netrc, no proxies that nobody named.
        self._session.trust_env = False
        # What is digested must arrive as it is.
        self._session.headers.update({'User-Agent': _CLIENT,
                                      'Accept-Encoding': 'identity'})
        adapter = _Adapter(trust)
        self._session.mount('https://', adapter)
        self._session.mount('http://', adapter)

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._session.close()

    def get(self, path: str, accept: str = '*/*') -> Answer:
        """Ask for something of the repository.

        :param path: below ``/v2/<repository>/``.
        :raises: RegistryError
        """
        if self._scheme is None:
            self._scheme = self._found_scheme()
        url = (f'{self._scheme}://{self._host}/v2/'
               f'{urlparse.quote(self._repository)}/'
               f'{urlparse.quote(path, safe="/:")}')
        answer = self._patient(url, accept)
        if answer.status == 401:
            self._authorization = self._authorized(answer)
            if self._authorization is not None:
                answer = self._patient(url, accept)
        if answer.status != 200:
            raise self._refusal(f'registry {self._host}', answer)
        return answer

    def _found_scheme(self) -> str:
        """Speak HTTP to insecure registries that know nothing else."""
        if not self._trust.insecure:
            return 'https'
        try:
            self._send('GET', f'https://{self._host}/v2/', {})
        except errors.RegistryError:
            return 'http'
        return 'https'

    def _ask(self, url: str, accept: str) -> Answer:
        home = redirects.origin(url)
        trail = redirects.Trail(url, _MAX_REDIRECTS)
        while True:
            headers = {'Accept': accept}
            if (self._authorization is not None
                    and redirects.origin(url) == home):
                headers['Authorization'] = self._authorization
            answer = self._send('GET', url, headers)
            if (answer.status not in redirects.STATUSES
                    or 'Location' not in answer.headers):
                return answer
            url = self._next(url, answer.headers['Location'], trail)

    def _patient(self, url: str, accept: str) -> Answer:
        """Ask, and once more when a registry has said when (429)."""
        for _wait in range(_WAITS):
            answer = self._ask(url, accept)
            if answer.status != 429:
                return answer
            pause = challenges.seconds_to_wait(
                answer.headers.get('Retry-After'))
            if time.monotonic() + pause >= self._deadline:
                return answer
            time.sleep(pause)
        return self._ask(url, accept)

    def _next(self, url: str, location: str, trail: redirects.Trail) -> str:
        try:
            place = redirects.target(url, location)
        except ValueError:
            place = ''
        self._require_safe(place, 'redirects to')
        try:
            trail.goes_on(place)
        except redirects.LoopError:
            raise errors.RegistryError(
                f'{self._named(self._host)} redirects in a loop') from None
        except redirects.TooManyError:
            raise errors.RegistryError(
                f'{self._named(self._host)} redirects more than '
                f'{_MAX_REDIRECTS} times') from None
        return place

    def _require_safe(self, url: str, does: str) -> None:
        """Let nobody lead from HTTPS to anything less.

        :raises: RegistryError
        """
        try:
            origin = redirects.origin(url)
        except ValueError:
            origin = None
        if origin and (origin[0] == 'https' or self._trust.insecure):
            return
        raise errors.RegistryError(
            f'{self._named(self._host)} {does} {failures.host_of(url)}, '
            'which is no https:// URL')

    def _authorized(self, answer: Answer) -> str | None:
        """Return the header that a challenge asks for, None without login.

        :raises: RegistryError
        """
        offered = challenges.parse(answer.headers.get('WWW-Authenticate', ''))
        # A server that takes tokens takes nothing else from who has one.
        if 'bearer' in offered:
            return f'Bearer {self._token(offered["bearer"])}'
        if ('basic' in offered and self._login is not None
                and self._login.identity_token is None):
            return f'Basic {self._login.basic}'
        return None

    def _token(self, values: collections.abc.Mapping[str, str]) -> str:
        realm = values.get('realm', '')
        self._require_safe(realm, 'sends for tokens to')
        fields = {'scope': f'repository:{self._repository}:pull'}
        if values.get('service'):
            fields['service'] = values['service']
        headers = {'Accept': 'application/json'}
        login = self._login
        if login is not None and login.identity_token is not None:
            answer = self._send('POST', realm, headers, data={
                **fields, 'grant_type': 'refresh_token',
                'client_id': _CLIENT, 'refresh_token': login.identity_token})
        else:
            if login is not None:
                headers['Authorization'] = f'Basic {login.basic}'
            mark = '&' if '?' in realm else '?'
            answer = self._send(
                'GET', f'{realm}{mark}{urlparse.urlencode(fields)}', headers)
        if answer.status != 200:
            raise self._refusal(
                f'token server {failures.host_of(realm)}', answer)
        found = failures.json_object(answer.body)
        token = found.get('token') or found.get('access_token')
        # RFC 6750, section 2.1.
        if not isinstance(token, str) or not re.fullmatch(
                r'[A-Za-z0-9._~+/=-]+', token):
            raise errors.RegistryError(
                f'the token server {failures.host_of(realm)} gives no token '
                f'for {self._name}')
        return token

    def _send(self, method: str, url: str, headers: dict[str, str],
              data: dict[str, str] | None = None) -> Answer:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._late(failures.host_of(url))
        try:
            asked = self._session.prepare_request(
                requests.Request(method, url, headers=headers, data=data))
            # The adapter itself: Session.send would read the body of a
            # redirect, however long it is.
            with self._send_by(
                    self._session.get_adapter(url), asked, stream=True,
                    timeout=left,
                    verify=not self._trust.insecure,
                    proxies=self._proxies(url)) as response:
                body = self._body(response)
        except (requests.RequestException, urllib3.exceptions.HTTPError,
                ValueError) as exc:
            raise failures.of_exception(
                exc, url, self._name, self._timeout) from None
        return Answer(response.status_code, response.headers, body)

    def _body(self, response: requests.Response) -> bytes:
        body = b''
        while piece := _next_piece(response.raw):
            body += piece
            if len(body) > MAX_BODY:
                raise errors.RegistryError(
                    f'{self._named(self._host)} answers with more than '
                    f'{MAX_BODY} bytes')
            if time.monotonic() > self._deadline:
                raise self._late(self._host)
        return body

    def _proxies(self, url: str) -> dict[str, str]:
        proxy = self._trust.proxy
        if not proxy or no_proxy.excludes(self._trust.no_proxy or '', url):
            return {}
        return {'http': proxy, 'https': proxy}

    def _named(self, host: str) -> str:
        return f'the registry {host}, asked for {self._name},'

    def _late(self, host: str) -> errors.RegistryError:
        return failures.of_silence(host, self._name, self._timeout)

    def _refusal(self, where: str, answer: Answer) -> errors.RegistryError:
        return failures.of_status(
            where, answer.status, answer.body, self._name,
            credentials=self._login is not None,
            wait=answer.headers.get('Retry-After'))


class _Adapter(adapters.HTTPAdapter):
    """Trusts further authorities beside those that are trusted anyway."""

    def __init__(self, trust: request.Trust) -> None:
        #: URL of a proxy -> the name that its certificate must have.
        self.proxy_names: dict[str, str] = {}
        self._context = ssl.create_default_context()
        if trust.ca and not trust.insecure:
            try:
                tls.trust(self._context, trust.ca)
            except ValueError:
                raise errors.CertificateError(
                    'the certificates given as bootc_ca are not PEM: they '
                    'begin with "-----BEGIN CERTIFICATE-----"') from None
        if trust.insecure:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
        # A registry that asks to wait for an hour is left instead.
        super().__init__(max_retries=retry.Retry(
            connect=0, status=2, read=0, other=0, redirect=0, total=None,
            backoff_factor=0.3,
            status_forcelist=(500, 502, 503, 504), allowed_methods=('GET',),
            respect_retry_after_header=False, raise_on_status=False))

    def init_poolmanager(self, *args: typing.Any, **kwargs: typing.Any
                         ) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: typing.Any
                          ) -> typing.Any:
        if name := self.proxy_names.get(proxy):
            kwargs['proxy_assert_hostname'] = name
        return super().proxy_manager_for(
            proxy, ssl_context=self._context, **kwargs)


def _next_piece(raw: typing.Any) -> bytes:
    """Return what has arrived, b'' at the end."""
    # urllib3 older than 2.0 waits for all that is asked for.
    read = getattr(raw, 'read1', None)
    found: bytes | None = (read(_CHUNK, decode_content=False)
                           if read is not None else
                           raw.read(_CHUNK, decode_content=False))
    return found or b''


def location(place: str, image: reference.Reference) -> tuple[str, str]:
    """Return registry and repository of an image at a mirror.

    :param place: "host[:port][/path]" that stands for the registry.
    """
    host, _slash, path = place.partition('/')
    return host, f'{path.strip("/")}/{image.repository}'.lstrip('/')
