# SPDX-License-Identifier: Apache-2.0

"""Options of ``[ext_images]``: the image store and what it downloads with."""

from oslo_config import cfg
from oslo_config import types

_NETWORK = types.String(regex=r'^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$')

GROUP = cfg.OptGroup(
    'ext_images', title='Base images and their cache')

OPTS = [
    cfg.StrOpt('cache_dir',
               default='${ext_state.dir}/images',
               help='Directory of the cache of base images. Put it on the '
                    'file system of [deploy]http_root, where that file '
                    'system has reflinks (XFS, btrfs): a customised image '
                    'then shares the blocks of its base.'),
    cfg.IntOpt('cache_size',
               default=51200, min=0,
               help='Size of the cache in MiB. When it is exceeded, the '
                    'images used least recently are removed, except those '
                    'being read at that moment. 0 keeps every image.'),
    cfg.IntOpt('project_share',
               default=50, min=1, max=100,
               help='What the images of one project may take of cache_size, '
                    'in percent; [ext_catalog]trusted_owners tells whose '
                    'they are. '
                    'What goes beyond that makes room out of images that '
                    'count for the same project, and is refused where all '
                    'of those are in use. A project has no limit while no '
                    'other one has images in the cache, nor has the operator '
                    '(the catalog, deploy ISOs, nodes without owner and '
                    'lessee). 100 and a cache_size of 0 set no limit. For '
                    'Keystone only.'),
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
    cfg.IntOpt('min_rate',
               default=16, min=0,
               help='KiB a second that an image server must send on average '
                    'while rate_window lasts. A download that is slower is '
                    'given up: it holds a node, and room. 0 sets no limit.'),
    cfg.IntOpt('rate_window',
               default=300, min=1,
               help='Seconds that the average of min_rate is of.'),
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
    cfg.ListOpt('owner_file_paths',
                help='Directories of this host that boot_iso_files and '
                     'config drives may name files in, by file://. When '
                     'unset: [conductor]file_url_allowed_paths where '
                     'auth_strategy is noauth or http_basic, since who may '
                     'use the API is the operator then, and none with '
                     'Keystone.'),
    cfg.ListOpt('denied_networks',
                default=[],
                item_type=_NETWORK,
                help='Networks that the URLs of a node\'s owner, and what '
                     'they redirect to, must not lead to, such as '
                     '198.51.100.0/24. For Keystone only, which closes the '
                     'loopback addresses as well. Link-local, multicast and '
                     'unspecified addresses, and the API, RPC and databases '
                     'of this installation, are closed in any case. An '
                     'HTTP proxy connects by itself: close them there, '
                     'too.'),
    cfg.ListOpt('allowed_networks',
                default=[],
                item_type=_NETWORK,
                help='Networks that such URLs may lead to although '
                     'denied_networks, or the rule for loopback addresses, '
                     'closes them.'),
    cfg.BoolOpt('replace_ironic_image_services',
                default=False,
                help='Let all of Ironic fetch images by the services of this '
                     'suite: kernels, ramdisks and image_source resume and '
                     'are tried again, too. They replace those of the '
                     'schemes http, https, file and glance in the running '
                     'conductor, and those of entry points of '
                     'ironic_ext.image_services are added.'),
]
