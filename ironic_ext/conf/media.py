# SPDX-License-Identifier: Apache-2.0

"""Options of ``[ext_media]``: delivery to machines, and the media server."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'ext_media', title='The media server and how images are delivered')

OPTS = [
    cfg.StrOpt('delivery',
               default='auto',
               choices=[('stream', 'ironic-media-server serves the image '
                                   'from its base; there is no copy'),
                        ('file', 'the image is written below '
                                 '[deploy]http_root'),
                        ('auto', 'stream, where server_url is set and the '
                                 'media server answers, else file')],
               help='How a customised image reaches the BMC.'),
    cfg.StrOpt('publish_group',
               help='Group of the web server that serves [deploy]http_root. '
                    'Published images are readable by it and the conductor '
                    'only (0640); the user of the conductor must be a '
                    'member. Unset, [ext_boot]file_permission says who may '
                    'read them.'),
    cfg.StrOpt('server_url',
               help='URL of the media server as the BMCs reach it, such as '
                    'https://media.example.com:8092. With several replicas '
                    'that of their load balancer. A node can have another '
                    'one: driver_info/external_media_url.'),
    cfg.StrOpt('health_url',
               help='URL of the media server as the conductor reaches it, '
                    'if server_url is none that it can reach.'),
    cfg.StrOpt('connection',
               default='sqlite:///${ext_state.dir}/media.sqlite',
               secret=True,
               help='SQLAlchemy URL of the database of media, which '
                    'conductors and media servers share. SQLite does where '
                    'all of them are on one host and the same user; else '
                    'use PostgreSQL or MariaDB.'),
    cfg.StrOpt('overlay_dir',
               default='${ext_state.dir}/overlays',
               help='Directory in which a media server keeps overlays, '
                    'which hold config drives, as local files.'),
    cfg.IntOpt('token_lifetime',
               default=604800, min=3600,
               help='Seconds that the URL of an instance\'s medium is good '
                    'for. The conductor prolongs it as long as the node '
                    'has the medium. An agent\'s medium expires soon after '
                    'Ironic would have given the agent up.'),
    cfg.IntOpt('max_url_length',
               default=0, min=0,
               help='URLs that would have more characters go without the '
                    'node\'s name, for BMCs with little room; 0 for no '
                    'limit.'),
    cfg.ListOpt('allowed_networks',
                default=[],
                help='Networks that media may be read from, such as '
                     '192.0.2.0/24; everywhere when empty. A reverse proxy '
                     'hides where a request comes from.'),
    cfg.HostAddressOpt('host_ip',
                       default='0.0.0.0',
                       help='Address that the media server listens on.'),
    cfg.PortOpt('port',
                default=8092,
                help='Port that the media server listens on.'),
    cfg.IntOpt('workers',
               min=1,
               help='Processes of the media server; by default one for each '
                    'processor.'),
    cfg.BoolOpt('use_ssl',
                default=False,
                help='Whether the media server speaks HTTPS. The CPU copies '
                     'and encrypts every byte then.'),
    cfg.StrOpt('cert_file',
               help='Certificate chain of the media server, PEM.'),
    cfg.StrOpt('key_file',
               help='Private key of the media server, PEM.'),
    cfg.StrOpt('tls_minimum_version',
               default='1.2',
               choices=['1.2', '1.3'],
               help='Oldest version of TLS that the media server speaks. '
                    'Many BMCs know 1.2 only.'),
    cfg.StrOpt('tls_ciphers',
               help='Ciphers of TLS 1.2 that the media server offers, as '
                    'OpenSSL writes them; by default those of the system.'),
    cfg.IntOpt('max_connections',
               default=4096, min=1,
               help='Connections of one worker; more wait to be accepted.'),
    cfg.IntOpt('max_client_connections',
               default=64, min=0,
               help='Connections of one worker that one address, or one IPv6 '
                    'network of 64 bits, may have. An idle one of its own '
                    'makes room for a new one; while all are busy, new ones '
                    'are closed. 0 for any number, as behind a load '
                    'balancer that hides addresses.'),
    cfg.IntOpt('send_timeout',
               default=60, min=1,
               help='Seconds without a byte leaving after which a reader is '
                    'disconnected.'),
    cfg.IntOpt('min_rate',
               default=256, min=0,
               help='Bytes per second that a reader has to take on average '
                    'of a minute, or it is disconnected; 0 for any rate.'),
    cfg.IntOpt('stop_timeout',
               default=30, min=0,
               help='Seconds that responses have to end when the media '
                    'server is stopped.'),
    cfg.HostAddressOpt('metrics_host_ip',
                       default='127.0.0.1',
                       help='Address that /metrics is served on.'),
    cfg.PortOpt('metrics_port',
                default=0,
                help='Port of /metrics for Prometheus; 0 for none.'),
]
