# SPDX-License-Identifier: Apache-2.0

"""Options of ``[ext_server]``: the boot server."""

from oslo_config import cfg

GROUP = cfg.OptGroup('ext_server', title='The boot server')

OPTS = [
    cfg.StrOpt('auth_strategy',
               default='keystone',
               choices=[('noauth', 'everybody may do everything'),
                        ('http_basic', 'users of http_basic_auth_user_file '
                                       'are administrators'),
                        ('keystone', 'tokens of Keystone, see '
                                     '[keystone_authtoken], and '
                                     '[oslo_policy]')],
               help='Who may use the API of the boot server. For machines '
                    'see machine_identity.'),
    cfg.StrOpt('http_basic_auth_user_file',
               default='/etc/ironic/htpasswd',
               help='File of users and bcrypt hashes of their passwords, '
                    'made by "htpasswd -B".'),
    cfg.HostAddressOpt('host_ip',
                       default='0.0.0.0',
                       help='Address that the boot server listens on.'),
    cfg.PortOpt('port',
                default=8093,
                help='Port that the boot server listens on.'),
    cfg.StrOpt('public_url',
               help='URL of the boot server as machines reach it, such as '
                    'http://192.0.2.1:8093. Needed for URLs with tokens.'),
    cfg.StrOpt('ironic_public_url',
               help='URL of Ironic\'s API as operators\' browsers reach it, '
                    'such as https://ironic.example.com:6385: details of a '
                    'host link to its node there. By default the public '
                    'endpoint of Keystone\'s catalog; without Keystone '
                    'there is no link.'),
    cfg.BoolOpt('use_ssl',
                default=False,
                help='Whether the boot server speaks HTTPS.'),
    cfg.StrOpt('cert_file',
               help='Certificate chain of the boot server, PEM.'),
    cfg.StrOpt('key_file',
               help='Private key of the boot server, PEM.'),
    cfg.IntOpt('threads',
               default=32, min=4, max=1024,
               help='Requests of operators that are worked on at the same '
                    'time, most of which wait for Ironic, Keystone or a '
                    'database then, and as many of machines whose answer '
                    'has to be read or rendered first.'),
    cfg.IntOpt('max_connections',
               default=1024, min=16, max=65536,
               help='Connections at the same time. Who is waited for the '
                    'longest time makes room for a new one. Fewer, where '
                    'the process may not open as many files.'),
    cfg.IntOpt('max_connections_per_address',
               default=256, min=1, max=65536,
               help='Connections at the same time from one address, or one '
                    'IPv6 network of 64 bits. Those of '
                    '[ext_server]trusted_proxies may have all.'),
    cfg.IntOpt('max_watches',
               default=256, min=1, max=4096,
               help='Watches at the same time. Each is a connection.'),
    cfg.IntOpt('bookmark_interval',
               default=15, min=1,
               help='Seconds without a change after which a watch is told '
                    'how far it is.'),
    cfg.IntOpt('judge_interval',
               default=60, min=1,
               help='Seconds after which it is looked whether who watches '
                    'still may. Keystone\'s middleware remembers a token for '
                    '[keystone_authtoken]token_cache_time on top of that.'),
    cfg.IntOpt('max_body_size',
               default=1024, min=16, max=16384,
               help='Largest body of a request in KiB, uploads aside. It is '
                    'held in memory.'),
    cfg.FloatOpt('poll_interval',
                 default=2.0, min=0.1,
                 help='Seconds between two questions to Ironic for what '
                      'changed. What is changed through the boot server is '
                      'known at once.'),
    cfg.FloatOpt('resync_interval',
                 default=300.0, min=1,
                 help='Seconds between two looks at all nodes, which find '
                      'those that were deleted.'),
    cfg.ListOpt('notification_topics',
                default=[],
                help='Topics of Ironic\'s notifications, of [DEFAULT]'
                     'versioned_notifications_topics of its API and '
                     'conductors, one of its own for each boot server: what '
                     'they tell of is looked at at once, so that '
                     'poll_interval may be longer. Where the messages are '
                     'is said as in ironic.conf: [DEFAULT]transport_url, '
                     '[oslo_messaging_notifications]transport_url and '
                     '[oslo_messaging_rabbit]. Needs the extra '
                     '"notifications". Empty: nothing is listened to.'),
    cfg.StrOpt('notification_pool',
               help='Name of a queue for this boot server alone, where '
                    'others listen to notification_topics, too. RabbitMQ '
                    'keeps messages in it while nobody listens.'),
    cfg.StrOpt('hosts_file',
               default='${ext_state.dir}/hosts.sqlite',
               help='File in which is kept what is known of Ironic\'s nodes, '
                    'so that a server that starts again answers machines '
                    'before Ironic does. Each boot server of a host needs '
                    'one of its own. Empty: nothing is kept.'),
    cfg.IntOpt('hosts_max_age',
               default=86400, min=0,
               help='Seconds after which what hosts_file says is not used: '
                    'a machine may have gone to somebody else meanwhile.'),
    cfg.HostAddressOpt('metrics_host_ip',
                       default='127.0.0.1',
                       help='Address that /metrics is served on.'),
    cfg.PortOpt('metrics_port',
                default=0,
                help='Port of /metrics for Prometheus; 0 for none.'),
    cfg.BoolOpt('use_inventories',
                default=True,
                help='Whether machines are known by the addresses that '
                     'their inspection found, too, where machine_identity '
                     'is "mac".'),
    cfg.ListOpt('dhcp_lease_files',
                default=[],
                help='Files of leases of dnsmasq (--dhcp-leasefile), such '
                     'as /var/lib/misc/dnsmasq.leases: machines are known '
                     'by the address that their MAC leases, too.'),
    cfg.BoolOpt('use_neutron',
                default=False,
                help='Whether machines are known by the addresses that '
                     'Neutron has given them, too. Neutron is asked with '
                     'the login of [ext_ironic], which has to see the ports '
                     'of all projects.'),
    cfg.StrOpt('neutron_endpoint',
               help='URL of Neutron where Keystone\'s catalog has none, '
                    'or another one.'),
    cfg.FloatOpt('catalog_interval',
                 default=0.3, min=0.05,
                 help='Seconds between two looks for what other servers '
                      'changed in the catalog.'),
    cfg.ListOpt('trusted_proxies',
                default=[],
                help='Networks of reverse proxies whose X-Forwarded-For is '
                     'believed, such as 192.0.2.0/24.'),
    cfg.StrOpt('machine_identity',
               choices=[('address', 'the address that a request comes from: '
                                    'a lease, a port of Neutron, or one '
                                    'that is declared. A MAC only chooses '
                                    'among the hosts of that address'),
                        ('mac', 'whatever MAC a machine says, or its '
                                'address. Everybody who reaches the server '
                                'can say any MAC'),
                        ('token', 'its token alone')],
               help='How a machine that has no token is known when it asks '
                    'for its config. Unset, it is "address" where leases '
                    '(dhcp_lease_files), Neutron (use_neutron) or an address '
                    'of any host (spec.ip) are there when the server '
                    'starts, and "mac" otherwise, and where the catalog is '
                    'older than this option.'),
    cfg.BoolOpt('owners_declare_addresses',
                default=False,
                help='Whether extra/boot_ips and network_data of nodes count '
                     'that have an owner or a lessee, who may write them. '
                     'An operator declares addresses by spec.ip of the host '
                     'in any case.'),
    cfg.StrOpt('token_key_file',
               default='${ext_state.dir}/boot.key',
               help='File with the keys that machines\' tokens are signed '
                    'by, one a line; the first signs, all are good. It is '
                    'made when it is missing. All conductors and boot '
                    'servers need the same.'),
    cfg.IntOpt('token_lifetime',
               default=86400, min=60,
               help='Seconds that a machine\'s token is good for.'),
]


# Ironic's get_verify_ca() fails for a type that has no such group.
