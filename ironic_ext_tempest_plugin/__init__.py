# SPDX-License-Identifier: Apache-2.0

"""What tempest loads: scenarios for clouds that have the suite.

Stands on tempest and ironic-tempest-plugin, and knows the suite by its APIs
alone.
"""
