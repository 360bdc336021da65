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
    cfg.StrOpt('data_image_text',
               help='What the serial console shows when the machine has found '
                    'the data image, where the ISO that it boots looks for '
                    'one. Unset, the status alone is looked at.'),
    cfg.BoolOpt('shows_user_data',
                default=False,
                help='Whether the serial console shows what user data prints '
                     'there: the ISO has cloud-init, say. Otherwise config '
                     'drives are not tested.'),
    cfg.StrOpt('rescue_iso',
               help='href of an ISO for driver_info/rescue_iso. The rescue '
                    'interface of the node is agent then. Unset, no node is '
                    'rescued.'),
    cfg.BoolOpt('rescue_iso_has_agent',
                default=True,
                help='Whether an agent in it calls Ironic. Otherwise the '
                     'rescue is aborted once the machine has booted.'),
    cfg.StrOpt('sanboot_node',
               help='Name or UUID of an available node with the boot '
                    'interface iso-sanboot and the deploy interface '
                    'ramdisk. Unset, nothing boots over the network.'),
    cfg.ListOpt('sanboot_transports',
                default=['iscsi'],
                help='What that node can boot by: iscsi, http.'),
    cfg.StrOpt('sanboot_console_file',
               help='File that the serial console of that node is written '
                    'to.'),
    cfg.StrOpt('bootc_node',
               help='Name or UUID of an available node with the deploy '
                    'interface bootc-ext. Unset, no container is installed.'),
    cfg.StrOpt('bootc_image',
               help='Bootable container for its image_source: '
                    'oci://registry/name:tag.'),
    cfg.StrOpt('bootc_pull_secret',
               secret=True,
               help='Credentials for that, as image_pull_secret takes them.'),
    cfg.StrOpt('bootc_console_file',
               help='File that the serial console of that node is written '
                    'to.'),
    cfg.StrOpt('boot_server_url',
               help='URL of ironic-boot-server. Unset, it is not tested.'),
    cfg.BoolOpt('boot_server_has_policy',
                default=True,
                help='Whether the boot server asks who it is '
                     '([ext_server]auth_strategy = keystone).'),
]
