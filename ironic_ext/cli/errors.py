# SPDX-License-Identifier: Apache-2.0

"""Why a command is not carried out."""


class CommandError(Exception):
    """A command cannot be carried out; the message is for a person."""


class UsageError(CommandError):
    """The command line itself is wrong."""
