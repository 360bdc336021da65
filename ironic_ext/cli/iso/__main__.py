# SPDX-License-Identifier: Apache-2.0

"""Runs `ironic-iso` as ``python -m ironic_ext.cli.iso``."""

import sys

from ironic_ext.cli.iso import command

if __name__ == '__main__':
    sys.exit(command.main())
