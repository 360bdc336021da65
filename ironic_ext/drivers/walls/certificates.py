# SPDX-License-Identifier: Apache-2.0

"""Certificates and keys that a node names: PEM, or a file of this conductor.

What is returned is certificates, or one key, and nothing else, so that no
path can be made to show another file's content, nor what lies beside it.
"""

import os
import stat

from cryptography import exceptions
from cryptography.hazmat.primitives import serialization
from cryptography import x509
from ironic.conf import CONF

from ironic_ext.drivers.walls import owners
from ironic_ext import walls

# Bundles of all public authorities have some 250 KiB.
_MOST_BYTES = 4 << 20


class NotCertificatesError(Exception):
    """What was named has no certificates; the text goes on a sentence."""


def of(text: str) -> str:
    """Return certificates that a node names, as PEM.

    :param text: PEM or, where there is no Keystone, an absolute path.
    :raises: NotCertificatesError
    """
    if '-----BEGIN' in text:
        return parsed(text.encode())
    _require_path(text)
    return of_file(text, walls.certificate_wall_of(CONF))


def _require_path(text: str) -> None:
    """Refuse what a node may not name.

    :raises: NotCertificatesError
    """
    if not owners.is_standalone():
        raise NotCertificatesError(
            'is a path: give the PEM itself. Paths of the conductor are for '
            'ironic.conf alone, as owners may write driver_info')
    if not os.path.isabs(text):
        raise NotCertificatesError(
            'is neither PEM nor an absolute path on the conductor')


def key_of(text: str) -> str:
    """Return the private key that a node names, as PEM.

    :param text: as of :func:`of`.
    :raises: NotCertificatesError
    """
    content = text.encode()
    if '-----BEGIN' not in text:
        _require_path(text)
        content = _read(text, walls.certificate_wall_of(CONF))
    try:
        key = serialization.load_pem_private_key(content, None)
    except (TypeError, ValueError, exceptions.UnsupportedAlgorithm):
        # Its message could quote what was read.
        raise NotCertificatesError(
            'is no private key in PEM without a password') from None
    if '-----BEGIN' in text:
        return text
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()).decode()


def of_file(path: str, wall: walls.Wall | None = None) -> str:
    """Return the certificates in a file, as PEM.

    :param wall: None for a path of ironic.conf.
    :raises: NotCertificatesError
    """
    return parsed(_read(path, wall))


def _read(path: str, wall: walls.Wall | None) -> bytes:
    try:
        # A FIFO must not be waited for.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
                     | os.O_NOCTTY)
    except OSError as exc:
        raise NotCertificatesError(
            f'cannot be read: {exc.strerror}') from None
    try:
        name = os.readlink(f'/proc/self/fd/{fd}')
        if not stat.S_ISREG(os.fstat(fd).st_mode) or (
                wall is not None and wall.refuses(name, '/')):
            raise NotCertificatesError('is no file that may be read')
        with open(fd, 'rb', closefd=False) as file:
            content = file.read(_MOST_BYTES + 1)
    finally:
        os.close(fd)
    if len(content) > _MOST_BYTES:
        raise NotCertificatesError(
            f'has more than {_MOST_BYTES >> 20} MiB, which no file of '
            'certificates has')
    return content


def parsed(content: bytes) -> str:
    """Return the certificates in some bytes, without what is between them.

    :raises: NotCertificatesError
    """
    try:
        found = x509.load_pem_x509_certificates(content)
    except ValueError:
        # Its message could quote what was read.
        raise NotCertificatesError(
            'is not PEM: it begins with "-----BEGIN CERTIFICATE-----"'
        ) from None
    return ''.join(certificate.public_bytes(
        serialization.Encoding.PEM).decode() for certificate in found)
