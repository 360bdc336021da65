# SPDX-License-Identifier: Apache-2.0

"""What TLS found wrong with a server, and what to do about it."""

import collections.abc
import ssl

from urllib3.util import ssl_match_hostname

# X509_V_ERR_* of OpenSSL's x509_vfy.h, as SSLCertVerificationError has them.
_NOT_TRUSTED = (2, 18, 19, 20, 21)
_OTHER_NAME = 62
_CERTIFICATE = {
    9: 'is not valid yet: check both clocks',
    10: 'has expired: renew it there',
    _OTHER_NAME: 'is for another host name: use the name that is in the '
                 'certificate',
    64: 'does not name this IP address: use the name that is in the '
        'certificate'}
# Alerts of RFC 8446, section 6, as OpenSSL words them.
_WANTED = {
    'CERTIFICATE_REQUIRED': 'the server wants a client certificate',
    'BAD_CERTIFICATE': 'the server rejects the client certificate',
    'UNKNOWN_CA': 'the server rejects the client certificate',
    'CERTIFICATE_EXPIRED': 'the client certificate has expired',
    'CERTIFICATE_UNKNOWN': 'the server rejects the client certificate',
    'KEY_VALUES_MISMATCH': 'the client certificate and its key do not '
                           'belong together'}
_ALERTS = {
    'WRONG_VERSION_NUMBER': 'the server does not speak TLS at this port: is '
                            'the URL to begin with http://?',
    'HTTP_REQUEST': 'the server does not speak TLS at this port',
    'UNSUPPORTED_PROTOCOL': 'the server speaks an old TLS version only',
    'PROTOCOL_VERSION': 'the server wants another TLS version',
    'HANDSHAKE_FAILURE': 'the TLS handshake failed: the server wants a '
                         'client certificate or other ciphers'}


def of_certificate(causes: collections.abc.Iterable[BaseException],
                   ca: str) -> str | None:
    """Say what is wrong with the certificate of a server, if it is that.

    :param ca: what to do about a CA that is not trusted.
    :returns: what goes on after "the certificate of ...".
    """
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            if cause.verify_code in _NOT_TRUSTED:
                return f'is signed by a CA that is not trusted: {ca}'
            return _CERTIFICATE.get(cause.verify_code, 'is not accepted '
                                    f'({cause.verify_message})')
        if isinstance(cause, ssl_match_hostname.CertificateError):
            # urllib3 compares names itself where the TLS context does not.
            return _CERTIFICATE[_OTHER_NAME]
    return None


def of_client(causes: collections.abc.Iterable[BaseException]
              ) -> str | None:
    """Say what a server does not like of the client's certificate."""
    return _alert(causes, _WANTED)


def of_handshake(causes: collections.abc.Iterable[BaseException]
                 ) -> str | None:
    """Say why client and server do not come together."""
    return _alert(causes, _ALERTS)


def _alert(causes: collections.abc.Iterable[BaseException],
           texts: collections.abc.Mapping[str, str]) -> str | None:
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            for alert, text in texts.items():
                if alert in (cause.reason or ''):
                    return text
    return None


def trust(context: ssl.SSLContext, bundle: str) -> None:
    """Trust further authorities, besides the system's.

    :param bundle: PEM; comments in any alphabet may be between.
    :raises: ValueError when there is no certificate in it, or a broken one
    """
    try:
        context.load_verify_locations(
            cadata=bundle.encode('ascii', 'ignore').decode())
    except ssl.SSLError as exc:
        raise ValueError('no PEM certificates') from exc
