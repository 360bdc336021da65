# SPDX-License-Identifier: Apache-2.0

"""What the deploy ramdisk loads: extensions of ironic-python-agent."""
