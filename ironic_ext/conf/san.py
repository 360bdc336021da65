# SPDX-License-Identifier: Apache-2.0

"""Options of ``[ext_san]``: iSCSI targets for sanboot."""

from oslo_config import cfg

GROUP = cfg.OptGroup('ext_san', title='iSCSI targets for sanboot')

OPTS = [
    cfg.StrOpt('transport',
               default='auto',
               choices=[('iscsi', 'an iSCSI target'),
                        ('http', 'a web server or the media server, see '
                                 '[ext_media]delivery'),
                        ('auto', 'iscsi where the site has a portal or the '
                                 'node a target, else http')],
               help='How the boot interface iso-sanboot serves an ISO to '
                    'iPXE. sanboot_transport in a node\'s instance_info or '
                    'driver_info overrides it.'),
    cfg.IntOpt('look_interval',
               default=5, min=1,
               help='Seconds between two looks at which active nodes are '
                    'to leave iPXE, since their installed system has '
                    'reported.'),
    cfg.StrOpt('targets',
               default='tgt',
               help='Back end that makes iSCSI targets, the name of an entry '
                    'point of ironic_ext.san_targets. "tgt" uses the tgtd '
                    'of this host; "static" makes none, each ISO has to '
                    'name its target.'),
    cfg.StrOpt('export_dir',
               default='${ext_state.dir}/exports',
               help='Directory of the images that are served by iSCSI, and '
                    'of the records of their targets. Put it on the file '
                    'system of [ext_images]cache_dir, with reflinks (XFS, '
                    'btrfs): an image then shares the blocks of its base, '
                    'and costs what was put into it. Without them each '
                    'customised image is a whole copy.'),
    cfg.StrOpt('portal',
               help='Address and port that machines reach the iSCSI server '
                    'at, such as 192.0.2.1 or [2001:db8::1]:3261. A node can '
                    'have another one.'),
    cfg.ListOpt('portals',
                default=[],
                help='The same for machines of certain networks: '
                     'NETWORK=PORTAL, such as 198.51.100.0/24=198.51.100.1. '
                     'The most specific network counts.'),
    cfg.StrOpt('iqn_prefix',
               default='iqn.2008-10.org.openstack',
               regex=r'^iqn\.[0-9]{4}-[0-9]{2}\.[a-z0-9.-]{1,100}$',
               help='What the names of targets begin with. Several hosts '
                    'need several, such as iqn.2026-01.com.example.host1.'),
    cfg.StrOpt('chap',
               default='customised',
               choices=[('none', 'whoever may log in can read every image'),
                        ('customised', 'a target of an image that was made '
                                       'for a node, which can hold its '
                                       'secrets, has a password of its own'),
                        ('all', 'every target has a password of its own')],
               help='Which targets ask for a password (CHAP).'),
    cfg.ListOpt('allowed_networks',
                default=[],
                help='Networks of machines that may log in to targets, such '
                     'as 192.0.2.0/24; everywhere when empty.'),
    cfg.IntOpt('min_free_space',
               default=1024, min=0,
               help='MiB that stay free on the file system of export_dir. '
                    'An image that does not fit then is refused.'),
    cfg.StrOpt('root_helper',
               default='',
               help='Command that runs another as root, such as "sudo -n". '
                    'tgtd obeys root only; not needed where the conductor '
                    'is root itself.'),
    cfg.IntOpt('tgt_control_port',
               default=0, min=0, max=32767,
               help='Which tgtd to use if several run on this host: the '
                    'number that it was started with, tgtd -C.'),
    cfg.IntOpt('timeout',
               default=60, min=1,
               help='Seconds that tgtd has for one answer.'),
    cfg.IntOpt('rebuild_interval',
               default=30, min=5,
               help='Seconds between two looks whether tgtd still has all '
                    'targets. They are made again after its restart.'),
]
