# SPDX-License-Identifier: Apache-2.0

"""What image services are told: credentials, TLS, time-outs, paths.

A service is made for one user of it (a conductor's task, a node), so that
one node's credentials never serve another.
"""

import collections.abc
import dataclasses
import typing

import requests

from ironic_ext import walls

_MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Access:
    """How to get at images on a web server.

    Credentials go to the server that the href names and to no other one,
    whatever it redirects to.

    :param username: for HTTP basic authentication, with ``password``.
    :param token: a bearer token, instead of a user.
    :param verify: False, True, or the path of a CA bundle.
    :param ca: further CA certificates, PEM.
    :param client_cert: PEM, or the path of such a file: certificate,
        perhaps the key.
    :param client_key: the private key, likewise.
    :param proxies: scheme -> URL as in requests; None means those of the
        environment.
    """

    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    token: str | None = dataclasses.field(default=None, repr=False)
    verify: bool | str = True
    ca: str | None = dataclasses.field(default=None, repr=False)
    client_cert: str | None = None
    client_key: str | None = dataclasses.field(default=None, repr=False)
    proxies: collections.abc.Mapping[str, str] | None = dataclasses.field(
        default=None, repr=False)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that a service of any scheme may want to know.

    :param reader: the program that reads images, for messages.
    :param access: credentials and TLS for the href that is asked for.
    :param default_access: called with an href for the operator's own
        credentials where ``access`` has none; returns (user, password),
        ('', token) for a bearer token, or None.
    :param session: makes a requests session (TLS versions and ciphers).
    :param connect_timeout: seconds for a connection to be accepted.
    :param stall_timeout: seconds without a byte until a try is given up.
    :param retries: tries after the first that brought nothing new.
    :param retry_interval: seconds before the first of them; doubles.
    :param retry_ceiling: seconds, the longest of such waits.
    :param connections: parallel ranges of one download.
    :param parallel_above: bytes from which on ranges are parallel.
    :param allowed_paths: directories that file:// may lead to.
    :param paths_option: the setting that they come from, for messages.
    :param missing_hint: why a file may be missing, after the sentence that
        says that it is.
    :param wall: files that it must not lead to, whatever is allowed.
    :param fence: where hrefs, and what they redirect to, must not lead;
        None where the operator chose them.
    :param project: that what is kept counts for; '' is the operator.
    :param min_rate: bytes a second that a server must send on average;
        0 means any.
    :param rate_window: seconds that the average is of.
    :param allow_md5: accept MD5, which stops accidents but no attacker.
    :param glance: returns the image proxy of an openstacksdk connection;
        None where there is no Glance.
    :param without_glance: what to do about that, for messages.
    :param glance_login: where it is said how to log in, for messages.
    :param glance_permits: called with an image of that proxy; tells
        whether it may be used.
    """

    reader: str = 'the conductor'
    access: Access = Access()
    default_access: collections.abc.Callable[
        [str], tuple[str, str] | None] = lambda href: None
    session: collections.abc.Callable[[], requests.Session] = requests.Session
    connect_timeout: float = 30
    stall_timeout: float = 60
    retries: int = 5
    retry_interval: float = 1
    retry_ceiling: float = 30
    connections: int = 4
    parallel_above: int = 64 * _MIB
    allowed_paths: tuple[str, ...] = ()
    paths_option: str = '[conductor]file_url_allowed_paths'
    missing_hint: str = ''
    wall: walls.Wall = walls.Wall()
    fence: walls.Fence | None = None
    project: str = ''
    min_rate: float = 0
    rate_window: float = 300
    allow_md5: bool = False
    glance: collections.abc.Callable[[], typing.Any] | None = None
    glance_permits: collections.abc.Callable[
        [typing.Any], bool] = lambda image: True
    without_glance: str = 'only the conductor has images from there'
    glance_login: str = '[glance] of ironic.conf'
