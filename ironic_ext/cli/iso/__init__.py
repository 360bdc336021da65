# SPDX-License-Identifier: Apache-2.0

"""`ironic-iso`: look into bootable ISOs and inject config into them."""

from ironic_ext.cli.iso.command import build_parser
from ironic_ext.cli.iso.command import main

__all__ = ('build_parser', 'main')
