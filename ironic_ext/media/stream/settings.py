# SPDX-License-Identifier: Apache-2.0

"""What an operator can set of the media server; no option names here."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class TlsSettings:
    """TLS as in Ironic's own servers.

    :ivar certificate_file: PEM: the certificate, then its chain.
    :ivar key_file: PEM; None when the key is in ``certificate_file``.
    :ivar client_ca_file: PEM: who signs the certificates that clients must
        show; None when they need none.
    :ivar minimum_version: a name of ``ssl.TLSVersion``.
    :ivar ciphers: of TLS 1.2 and below, in OpenSSL's notation.
    """

    certificate_file: str
    key_file: str | None = None
    client_ca_file: str | None = None
    minimum_version: str = 'TLSv1_2'
    ciphers: str | None = None


@dataclasses.dataclass(frozen=True)
class ServerSettings:
    """Where the server listens, what it allows; times are in seconds.

    :ivar port: 0: one that is free (tests).
    :ivar workers: processes that serve; 0: one for each CPU.
    :ivar metrics_port: where Prometheus asks, over plain HTTP; None: no
        metrics; 0: one that is free.
    :ivar max_connections: of each worker; more wait to be accepted.
    :ivar max_client_connections: of each worker for one client, an address
        or a /64 of IPv6; 0: any number.
    :ivar header_timeout: for a TLS handshake or a whole request head.
    :ivar idle_timeout: between two requests on one connection.
    :ivar send_timeout: without a byte leaving for the reader.
    :ivar min_rate: bytes per second that a reader takes on average over
        ``rate_window``, or its connection is closed. 0: any rate.
    :ivar stop_timeout: for running requests when the server is stopped.
    :ivar max_head: bytes of a request line and its header.
    :ivar max_headers: header lines.
    :ivar recheck_interval: between two looks at which media are revoked.
    :ivar outage_grace: how long media that are being read are served on
        while nobody answers who knows the media.
    :ivar session_gap: without a request until a reader counts as gone.
    :ivar tick: between two looks at time-outs and two reports.
    """

    host: str = '0.0.0.0'
    port: int = 0
    workers: int = 0
    tls: TlsSettings | None = None
    metrics_host: str = '127.0.0.1'
    metrics_port: int | None = None
    backlog: int = 1024
    max_connections: int = 4096
    max_client_connections: int = 64
    header_timeout: float = 15
    idle_timeout: float = 75
    send_timeout: float = 60
    min_rate: int = 256
    rate_window: float = 60
    stop_timeout: float = 30
    max_head: int = 16384
    max_headers: int = 100
    recheck_interval: float = 0.5
    outage_grace: float = 30
    session_gap: float = 30
    tick: float = 1
