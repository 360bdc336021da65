# SPDX-License-Identifier: Apache-2.0

"""What the boot server remembers of Ironic, Neutron, DHCP and the catalog."""
