# SPDX-License-Identifier: Apache-2.0

"""Settings of the Sphinx documentation."""

extensions = [
    'cliff.sphinxext',
    'openstackdocstheme',
    'oslo_config.sphinxconfiggen',
    'oslo_config.sphinxext',
    'oslo_policy.sphinxext',
    'oslo_policy.sphinxpolicygen',
]

project = 'ironic-ext'
copyright = 'ironic-ext developers'

openstackdocs_repo_name = 'ironic-ext'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
html_theme = 'openstackdocs'
pygments_style = 'native'

# Written when the documentation is built; not kept.
config_generator_config_file = 'config-generator.conf'
policy_generator_config_file = 'policy-generator.conf'
sample_config_basename = 'reference/samples/ironic-ext'
sample_policy_basename = 'reference/samples/ironic-ext'

autoprogram_cliff_application = 'openstack'
# Those of every command of OpenStackClient, which its own manual has.
autoprogram_cliff_ignored = [
    '--help', '--format', '--column', '--quote', '--noindent',
    '--max-width', '--fit-width', '--print-empty', '--prefix',
    '--sort-column', '--sort-ascending', '--sort-descending']

man_pages = [
    (f'reference/{name}', name, what, [], section)
    for name, what, section in (
        ('ironic-iso', 'look into bootable ISOs and customise them', 1),
        ('ironic-ext-images', 'look into the store of base images', 8),
        ('ironic-media-server', 'serve customised ISOs to BMCs', 8),
        ('ironic-boot-server', 'serve ISOs, configs and hosts', 8),
        ('ironic-ext-doctor', 'say where the boot of a node stands', 1),
        ('ironic-ext-state', 'show and move the state of a host', 8),
        ('ironic-ext-status', 'look whether all is well with a host', 8),
        ('ironic-ext-targets', 'list and rebuild iSCSI targets', 8),
        ('ironic-ext-tgt-account', 'add an account to tgtd', 8))]
