# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Options of the suite in ironic.conf.

``[ext_images]`` is for the cache of base images, ``[ext_boot]`` for what is
put into an image and how it reaches the machine. Ironic itself looks into a
group named after the hardware type for ``verify_ca``.
"""

from oslo_config import cfg

IMAGES_GROUP = cfg.OptGroup(
    'ext_images', title='Base images and their cache')

IMAGES_OPTS = [
    cfg.StrOpt('cache_dir',
               default='/var/lib/ironic/ext-images',
               help='Directory of the cache of base images. Put it on the '
                    'file system of [deploy]http_root, where that file '
                    'system has reflinks (XFS, btrfs): a customised image '
                    'then shares the blocks of its base.'),
    cfg.IntOpt('cache_size',
               default=51200, min=0,
               help='Size of the cache in MiB. When it is exceeded, the '
                    'images used least recently are removed, except those '
                    'being read at that moment. 0 keeps every image.'),
    cfg.IntOpt('max_image_size',
               default=20480, min=1,
               help='Largest base image that is accepted, in MiB.'),
    cfg.IntOpt('cache_max_age',
               default=2592000, min=0,
               help='Seconds that an image stays in the cache after its last '
                    'use. 0 sets no limit.'),
    cfg.IntOpt('min_free_space',
               default=1024, min=0,
               help='MiB that stay free for others on the file system of the '
                    'cache. Images are removed for that, and an image that '
                    'does not fit even then is refused.'),
    cfg.IntOpt('lock_timeout',
               default=3600, min=1,
               help='Seconds to wait for another download of the same '
                    'image to finish.'),
    cfg.IntOpt('connection_timeout',
               default=30, min=1,
               help='Seconds to wait for an image server to accept a '
                    'connection.'),
    cfg.IntOpt('stall_timeout',
               default=60, min=1,
               help='Seconds without a single byte after which a download '
                    'is broken off and tried again.'),
    cfg.IntOpt('retries',
               default=5, min=0,
               help='How often in a row a download is tried again without '
                    'anything new arriving. It goes on where it broke off, '
                    'if the server can do that.'),
    cfg.FloatOpt('retry_interval',
                 default=1.0, min=0,
                 help='Seconds before the first of these tries. Each further '
                      'one waits twice as long, up to half a minute.'),
    cfg.IntOpt('connections',
               default=4, min=1, max=16,
               help='How many parts of one large image are downloaded at a '
                    'time. 1 turns that off.'),
    cfg.BoolOpt('allow_md5',
                default=False,
                help='Accept MD5 checksums. They find damage, but not '
                     'forgery.'),
    cfg.BoolOpt('replace_ironic_image_services',
                default=False,
                help='Let all of Ironic fetch images by the services of this '
                     'suite: kernels, ramdisks and image_source resume and '
                     'are tried again, too. They replace those of the '
                     'schemes http, https, file and glance in the running '
                     'conductor, and those of entry points of '
                     'ironic_ext.image_services are added.'),
]

BOOT_GROUP = cfg.OptGroup(
    'ext_boot', title='Customised boot images and virtual media')

BOOT_OPTS = [
    cfg.StrOpt('publish_subdir',
               default='ext-media',
               regex=r'^[A-Za-z0-9][A-Za-z0-9._-]*$',
               help='Directory below [deploy]http_root that customised '
                    'images are published in. The web server must not list '
                    'it: the names are unguessable, and whoever knows one '
                    'can read the config drive in that image.'),
    cfg.StrOpt('file_permission',
               default='0644',
               regex=r'^0[0-7]{3}$',
               help='Permission bits of a published image, octal. The user '
                    'of the web server must be able to read it.'),
    cfg.IntOpt('max_file_size',
               default=64, min=1,
               help='Largest file that boot_iso_files may add, in MiB.'),
    cfg.IntOpt('max_total_size',
               default=256, min=1,
               help='Largest sum of all files added to one image, the '
                    'files of the config drive included, in MiB.'),
    cfg.IntOpt('max_configdrive_size',
               default=64, min=1,
               help='Largest config drive, unpacked, in MiB.'),
    cfg.IntOpt('insert_attempts',
               default=4, min=1,
               help='How often inserting a medium is tried when the BMC '
                    'answers with a server error (5xx) or not at all.'),
    cfg.IntOpt('insert_retry_interval',
               default=3, min=0,
               help='Seconds between two such attempts.'),
    cfg.IntOpt('media_timeout',
               default=60, min=1,
               help='Seconds until the BMC must show a medium as inserted '
                    '(or as ejected) after it accepted the request.'),
    cfg.FloatOpt('media_poll_interval',
                 default=1.0, min=0.01,
                 help='Seconds between two looks at what the BMC shows.'),
]


MEDIA_GROUP = cfg.OptGroup(
    'ext_media', title='The media server and how images are delivered')

MEDIA_OPTS = [
    cfg.StrOpt('delivery',
               default='auto',
               choices=[('stream', 'ironic-media-server serves the image '
                                   'from its base; there is no copy'),
                        ('file', 'the image is written below '
                                 '[deploy]http_root'),
                        ('auto', 'stream, where server_url is set and the '
                                 'media server answers, else file')],
               help='How a customised image reaches the BMC.'),
    cfg.StrOpt('server_url',
               help='URL of the media server as the BMCs reach it, such as '
                    'https://media.example.com:8092. With several replicas '
                    'that of their load balancer. A node can have another '
                    'one: driver_info/external_media_url.'),
    cfg.StrOpt('health_url',
               help='URL of the media server as the conductor reaches it, '
                    'if server_url is none that it can reach.'),
    cfg.StrOpt('connection',
               default='sqlite:////var/lib/ironic/ext-media.sqlite',
               secret=True,
               help='SQLAlchemy URL of the database of media, which '
                    'conductors and media servers share. SQLite does where '
                    'all of them are on one host and the same user; else '
                    'use PostgreSQL or MariaDB.'),
    cfg.StrOpt('overlay_dir',
               default='/var/lib/ironic/ext-overlays',
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


DATA_IMAGE_GROUP = cfg.OptGroup(
    'ext_data_image', title='Data images of running machines')

DATA_IMAGE_OPTS = [
    cfg.IntOpt('reconcile_interval',
               default=60, min=0,
               help='Seconds between two looks at the data images of this '
                    'conductor\'s nodes: what was ejected is attached '
                    'again. 0 never looks.'),
    cfg.IntOpt('workers',
               default=16, min=1,
               help='How many BMCs are worked with at the same time. Those '
                    'that failed before share a quarter of that, so that '
                    'they do not hold up the others. With SQLite more do '
                    'not help: they wait for one another to write.'),
    cfg.IntOpt('backoff_base',
               default=30, min=1,
               help='Seconds until a failed attachment is tried again; the '
                    'time doubles with every further failure.'),
    cfg.IntOpt('backoff_ceiling',
               default=3600, min=1,
               help='Longest time between two such tries, in seconds.'),
    cfg.IntOpt('max_files_size',
               default=16, min=1,
               help='Largest sum of the files that a data image is made of, '
                    'in MiB. They are kept with the node in the database, '
                    'so that every conductor can make the image again; give '
                    'what is larger as a URL.'),
]


CATALOG_GROUP = cfg.OptGroup(
    'ext_catalog', title='The catalogue of ISOs and boot configs')

CATALOG_OPTS = [
    cfg.StrOpt('connection',
               default='sqlite:////var/lib/ironic/ext-catalog.sqlite',
               secret=True,
               help='SQLAlchemy URL of the database of the catalogue, which '
                    'conductors and boot servers share. SQLite does where '
                    'all of them are on one host and the same user; else '
                    'use PostgreSQL or MariaDB.'),
    cfg.IntOpt('history',
               default=10000, min=100,
               help='Changes of the catalogue that are kept at least, so '
                    'that a watch that was interrupted can resume.'),
    cfg.StrOpt('iso_dir',
               default='/var/lib/ironic/ext-isos',
               help='Directory of ISOs that are uploaded or put there by '
                    'hand. ISOs that are given by URL are in the cache of '
                    'base images instead, see [ext_images].'),
    cfg.IntOpt('max_iso_size',
               default=20480, min=1,
               help='Largest ISO that can be uploaded, in MiB.'),
    cfg.IntOpt('upload_lifetime',
               default=86400, min=60,
               help='Seconds after which an upload that was broken off can '
                    'no longer be resumed.'),
]


SERVER_GROUP = cfg.OptGroup('ext_server', title='The boot server')

SERVER_OPTS = [
    cfg.StrOpt('auth_strategy',
               default='keystone',
               choices=[('noauth', 'everybody may do everything'),
                        ('http_basic', 'users of http_basic_auth_user_file '
                                       'are administrators'),
                        ('keystone', 'tokens of Keystone, see '
                                     '[keystone_authtoken], and '
                                     '[oslo_policy]')],
               help='Who may use the API of the boot server. Machines are '
                    'known by their token, MAC or address in any case.'),
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
    cfg.BoolOpt('use_ssl',
                default=False,
                help='Whether the boot server speaks HTTPS.'),
    cfg.StrOpt('cert_file',
               help='Certificate chain of the boot server, PEM.'),
    cfg.StrOpt('key_file',
               help='Private key of the boot server, PEM.'),
    cfg.IntOpt('threads',
               default=32, min=4, max=1024,
               help='Requests that are worked on at the same time.'),
    cfg.IntOpt('max_watches',
               default=256, min=1, max=4096,
               help='Watches at the same time. Each has a thread besides.'),
    cfg.IntOpt('bookmark_interval',
               default=15, min=1,
               help='Seconds without a change after which a watch is told '
                    'how far it is.'),
    cfg.IntOpt('max_body_size',
               default=4096, min=16,
               help='Largest body of a request in KiB, uploads aside.'),
    cfg.FloatOpt('poll_interval',
                 default=2.0, min=0.1,
                 help='Seconds between two questions to Ironic for what '
                      'changed. What is changed through the boot server is '
                      'known at once.'),
    cfg.FloatOpt('resync_interval',
                 default=300.0, min=1,
                 help='Seconds between two looks at all nodes, which find '
                      'those that were deleted.'),
    cfg.BoolOpt('use_inventories',
                default=True,
                help='Whether machines are known by the addresses that '
                     'their inspection found, too.'),
    cfg.FloatOpt('catalog_interval',
                 default=0.3, min=0.05,
                 help='Seconds between two looks for what other servers '
                      'changed in the catalogue.'),
    cfg.ListOpt('trusted_proxies',
                default=[],
                help='Networks of reverse proxies whose X-Forwarded-For is '
                     'believed, such as 192.0.2.0/24.'),
    cfg.StrOpt('token_key_file',
               default='/var/lib/ironic/ext-boot.key',
               help='File with the keys that machines\' tokens are signed '
                    'by, one a line; the first signs, all are good. It is '
                    'made when it is missing. All conductors and boot '
                    'servers need the same.'),
    cfg.IntOpt('token_lifetime',
               default=86400, min=60,
               help='Seconds that a machine\'s token is good for.'),
]


# Ironic's get_verify_ca() fails for a type that has no such group.
_VERIFY_CA_OPTS = [
    cfg.StrOpt('verify_ca',
               default='${redfish.verify_ca}',
               help='Path of the CA certificates to verify the BMC by where '
                    'redfish_verify_ca in driver_info is missing or True. '
                    'As a rule the one of [redfish].'),
]

_ALL = (
    (IMAGES_GROUP, IMAGES_OPTS),
    (BOOT_GROUP, BOOT_OPTS),
    (MEDIA_GROUP, MEDIA_OPTS),
    (DATA_IMAGE_GROUP, DATA_IMAGE_OPTS),
    (CATALOG_GROUP, CATALOG_OPTS),
    (SERVER_GROUP, SERVER_OPTS),
    (cfg.OptGroup('redfish-ext', title='Hardware type redfish-ext'),
     _VERIFY_CA_OPTS),
    (cfg.OptGroup('idrac-ext', title='Hardware type idrac-ext'),
     _VERIFY_CA_OPTS),
)


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of the suite in ``conf``."""
    for group, opts in _ALL:
        conf.register_group(group)
        conf.register_opts(opts, group=group)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options by group, for ``oslo-config-generator``."""
    return [(group, list(opts)) for group, opts in _ALL]
