# SPDX-License-Identifier: Apache-2.0

"""Settings of the Sphinx documentation."""

extensions = ['openstackdocstheme', 'oslo_config.sphinxext']

project = 'ironic-ext'
copyright = 'ironic-ext developers'

openstackdocs_repo_name = 'ironic-ext'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
html_theme = 'openstackdocs'
pygments_style = 'native'
