# SPDX-License-Identifier: Apache-2.0

"""Redfish: emulators, and proxies before them with manners and faults."""
