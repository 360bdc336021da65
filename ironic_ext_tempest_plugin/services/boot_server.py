# SPDX-License-Identifier: Apache-2.0

"""A client for the boot server: what an operator asks, and a machine."""

import dataclasses
import json
import typing

from tempest.lib.common import http


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer, whatever its status."""

    code: int
    text: str

    @property
    def json(self) -> typing.Any:
        """The body, read as JSON."""
        return json.loads(self.text)


class BootServerClient:
    """Asks as somebody, or as nobody."""

    def __init__(self, url: str, token: str = '', *,
                 verify: bool = True, ca_certs: str | None = None) -> None:
        """Take where the server is.

        :param token: of Keystone, '' for no login.
        """
        self._url = url.rstrip('/')
        self._token = token
        self._http: typing.Any = http.ClosingHttp(
            disable_ssl_certificate_validation=not verify, ca_certs=ca_certs)

    def call(self, method: str, path: str, body: object = None) -> Answer:
        """Send a request.

        :param body: is sent as JSON.
        """
        headers = {'Content-Type': 'application/merge-patch+json'
                   if method == 'PATCH' else 'application/json'}
        if self._token:
            headers['X-Auth-Token'] = self._token
        answer, data = self._http.request(
            self._url + path, method,
            body=None if body is None else json.dumps(body), headers=headers)
        return Answer(int(answer['status']), data.decode())
