# SPDX-License-Identifier: Apache-2.0

"""Options of ``[ext_boot]``: what goes into an image, and into which drive."""

from oslo_config import cfg
from oslo_config import types

GROUP = cfg.OptGroup(
    'ext_boot', title='Customised boot images and virtual media')

OPTS = [
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
                    'of the web server must be able to read it. Better set '
                    '[ext_media]publish_group, which goes before it.'),
    cfg.StrOpt('config_delivery',
               default='auto',
               choices=[('inject', 'put into the ISO'),
                        ('url', 'fetched from the boot server: kernel '
                                'arguments name a URL with a token that '
                                'is for that node alone and expires'),
                        ('auto', 'put into the ISO where it takes the '
                                 'config, else by URL if '
                                 '[ext_server]public_url is set')],
               help='How boot configs reach machines. '
                    'boot_config_delivery in a node\'s instance_info or '
                    'driver_info overrides it.'),
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
    cfg.IntOpt('content_space',
               default=4096, min=1,
               help='What the files and config drives of all nodes of a '
                    'conductor may take at a time while their boots are '
                    'validated or made, in MiB. They lie in [ext_state]dir, '
                    'in files without a name, not in memory.'),
    cfg.IntOpt('content_timeout',
               default=600, min=0,
               help='Seconds to wait until other nodes have left enough of '
                    'content_space, at most 10 where somebody waits for an '
                    'answer of the API.'),
    cfg.StrOpt('foreign_media',
               default='eject',
               choices=[('eject', 'eject it'),
                        ('refuse', 'leave it, and fail')],
               help='What to do with a medium that somebody else left in a '
                    'virtual CD or DVD drive, when a node is about to boot '
                    'from such a drive: the machine might boot from that '
                    'one. An active node\'s media are left alone.'),
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
    cfg.StrOpt('verify_media_server',
               default='keep',
               choices=[('keep', 'as the BMC is set'),
                        ('yes', 'fail where it cannot be told to'),
                        ('no', 'let it not verify')],
               help='Whether BMCs verify the certificate of the HTTPS '
                    'server that has boot images and data images of '
                    'conductors (VerifyCertificate of the virtual drive, '
                    'Redfish 2020.1). verify_media_server in driver_info '
                    'overrides it.'),
    cfg.StrOpt('media_server_ca',
               help='Path of a PEM file: certificates that BMCs verify that '
                    'server by, put into the virtual drive. Empty leaves '
                    'those that the BMC has.'),
    cfg.IntOpt('eject_after',
               default=3600, min=0,
               help='Seconds after the report of a machine that boots once '
                    'until its medium is ejected at the latest. It is '
                    'ejected at the next power action before that; an '
                    'installer that reports from its last script runs from '
                    'it until then.'),
    cfg.IntOpt('leaving_interval',
               default=60, min=1,
               help='Seconds between two looks for boots whose boot interface '
                    'has left the node, and for published files whose boot '
                    'another conductor has ended.'),
    cfg.IntOpt('look_interval',
               default=10, min=1,
               help='Seconds between two looks for machines of the boot '
                    'interface redfish-iso that are to boot from their disk '
                    'from now on.'),
    cfg.StrOpt('once_boot_device',
               default='once',
               choices=[('once', 'for one boot (Redfish: Once)'),
                        ('persistent', 'until the end of the boot')],
               help='How long the medium is the boot device of a node that '
                    'boots it once. With "persistent", a machine that does '
                    'not report boots its installer again: it is for BMCs '
                    'that lose a boot device that is set for one boot. '
                    'once_boot_device in driver_info overrides it.'),
    cfg.ListOpt('replace_stock',
                item_type=types.String(choices=[
                    'redfish-virtual-media', 'idrac-redfish-virtual-media']),
                default=[],
                help='Boot interfaces of Ironic\'s own hardware types '
                     '(redfish, idrac) that redfish-iso takes the place of, '
                     'for clients that name those themselves: Metal3, '
                     'bifrost. The management interface redfish (or '
                     'idrac-redfish) of all nodes of that type is replaced '
                     'by redfish-ext (or idrac-redfish-ext), too. redfish-ext '
                     '(or idrac-ext) has to be in enabled_hardware_types, '
                     'redfish-iso in enabled_boot_interfaces, and the '
                     'management interface in '
                     'enabled_management_interfaces.'),
    cfg.FloatOpt('media_poll_interval',
                 default=1.0, min=0.01,
                 help='Seconds between two looks at what the BMC shows.'),
]
