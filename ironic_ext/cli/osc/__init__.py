# SPDX-License-Identifier: Apache-2.0

"""Commands of the suite for OpenStackClient and ``baremetal``.

They add to python-ironicclient's own plugin by entry points and use its
client, so there is nothing else to install or to log in to.
"""
