# SPDX-License-Identifier: Apache-2.0

"""Clients for what tempest and ironic-tempest-plugin have none for."""
