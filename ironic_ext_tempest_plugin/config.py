# SPDX-License-Identifier: Apache-2.0

"""Options of ``[ironic_ext]`` in tempest.conf."""

from oslo_config import cfg

GROUP = cfg.OptGroup('ironic_ext', title='Boot of ISOs with own config')

CONSOLE, BOOT_MEDIA, POWER = 'console', 'boot-media', 'none'

OPTS = [
    cfg.StrOpt('node',
               help='Name or UUID of the node that the scenarios use. It is '
                    'available, its boot interface is redfish-iso and its '
                    'deploy interface ramdisk. Unset, scenarios with a node '
                    'are skipped.'),
    cfg.StrOpt('iso',
               help='href of the ISO that is booted, as boot_iso takes it.'),
    cfg.StrOpt('iso_checksum',
               help='Checksum of the ISO, where its server has none.'),
    cfg.StrOpt('probe_argument',
               default='tempest.probe=seen',
               help='Kernel argument that is injected. With a proof by '
                    '"console" the machine has to show its command line '
                    'there.'),
    cfg.StrOpt('proof',
               default=BOOT_MEDIA,
               choices=[(CONSOLE, 'the serial console, in console_file, '
                                  'shows probe_argument'),
                        (BOOT_MEDIA, 'the media server tells that the '
                                     'machine reads its medium'),
                        (POWER, 'the machine is on, and its BMC shows the '
                                'medium: nothing is seen of the machine')],
               help='What tells that the machine has booted what it was '
                    'given.'),
    cfg.StrOpt('console_file',
               help='File that the serial console of the node is written '
                    'to.'),
    cfg.IntOpt('boot_timeout',
               default=600, min=1,
               help='Seconds that a machine gets to show that it has '
                    'booted.'),
    cfg.StrOpt('data_image',
               help='URL of an ISO that is attached to a running machine. '
                    'Unset, data images are not tested.'),
    cfg.StrOpt('boot_server_url',
               help='URL of ironic-boot-server. Unset, it is not tested.'),
    cfg.BoolOpt('boot_server_has_policy',
                default=True,
                help='Whether the boot server asks who it is '
                     '([ext_server]auth_strategy = keystone).'),
]
