# SPDX-License-Identifier: Apache-2.0

"""Settings of the release notes, which reno collects."""

extensions = ['openstackdocstheme', 'reno.sphinxext']

project = 'ironic-ext release notes'
copyright = 'ironic-ext developers'

openstackdocs_repo_name = 'ironic-ext'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
html_theme = 'openstackdocs'
