# SPDX-License-Identifier: Apache-2.0

"""Redfish: an emulator, and proxies before it with manners and faults."""
