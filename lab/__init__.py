# SPDX-License-Identifier: Apache-2.0

"""A whole bare metal service on one machine, for the demo and for tests.

Ironic, a web server, a Redfish BMC and machines made of QEMU run as child
processes in one state directory on loopback. Not installed.
"""
