# SPDX-License-Identifier: Apache-2.0

"""The boot server: catalog, hosts and machines over HTTP.

Hosts are a view of Ironic's nodes through Ironic's API. Nothing here imports
Ironic or needs a conductor.
"""
