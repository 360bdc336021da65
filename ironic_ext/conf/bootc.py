# SPDX-License-Identifier: Apache-2.0

"""Options of ``[ext_bootc]``: deploying bootable containers."""

from oslo_config import cfg

GROUP = cfg.OptGroup('ext_bootc', title='Bootable containers')

OPTS = [
    cfg.ListOpt('allowed_registries',
                default=[],
                help='Registries, or repositories with all that is below '
                     'them, that images may come from, such as '
                     '"quay.io/centos-bootc". Empty allows all.'),
    cfg.StrOpt('ca_file',
               help='Path of a PEM file on the conductor: certificates of '
                    'authorities to believe registries by, beside those '
                    'of the system. bootc_ca in a node\'s driver_info '
                    'overrides it.'),
    cfg.ListOpt('insecure_registries',
                default=[],
                help='Registries ("host[:port]") whose certificates are not '
                     'verified, and that may speak HTTP. bootc_insecure in '
                     'a node\'s driver_info is for all its registries.'),
    cfg.ListOpt('mirrors',
                default=[],
                help='Where to ask before the registry itself: '
                     '"registry=mirror[/path]", or "mirror[/path]" for all '
                     'registries, in this order. bootc_mirrors in a node\'s '
                     'driver_info overrides it.'),
    cfg.StrOpt('proxy',
               secret=True,
               help='URL of the proxy to registries, for conductor and '
                    'machines. bootc_proxy in a node\'s driver_info '
                    'overrides it, as do Ironic\'s image_https_proxy and '
                    'image_http_proxy there.'),
    cfg.StrOpt('no_proxy',
               help='Hosts and domains to reach without the proxy, parted '
                    'by commas.'),
    cfg.StrOpt('signature_policy',
               default='accept',
               choices=[('accept', 'all images are let in'),
                        ('sigstore', 'images need a sigstore signature by '
                                     'one of signature_keys'),
                        ('gpg', 'images need a GPG signature by one of '
                                'signature_keys'),
                        ('reject-unknown', 'images must be of one of '
                                           'signature_scopes')],
               help='Which images machines may install. '
                    'bootc_signature_policy in a node\'s driver_info '
                    'overrides it together with the keys and scopes.'),
    cfg.ListOpt('signature_keys',
                default=[],
                help='Paths of public keys on the conductor: PEM for '
                     'sigstore, ASCII-armoured for gpg.'),
    cfg.ListOpt('signature_scopes',
                default=[],
                help='Registries or repositories that the policy is about. '
                     'For sigstore and gpg, empty means all.'),
    cfg.StrOpt('store',
               default='auto',
               choices=[('auto', 'what the machine has the room for'),
                        ('memory', 'memory'),
                        ('zram', 'compressed memory'),
                        ('disk', 'a disk that is not installed to')],
               help='Where machines keep an image while they install it. '
                    'bootc_store in a node\'s driver_info overrides it.'),
    cfg.IntOpt('registry_timeout',
               default=15, min=1, max=50,
               help='Seconds that looking an image up in a registry may '
                    'take the conductor. The API waits for it: keep it, '
                    'times the number of mirrors and one, below '
                    '[DEFAULT]rpc_response_timeout.'),
]
