# SPDX-License-Identifier: Apache-2.0

"""What goes wrong with iSCSI targets; one sentence each, without secrets."""

import errno


class SanError(Exception):
    """An image cannot be served, or no longer be withdrawn."""


class TargetDaemonError(SanError):
    """The daemon that serves the targets does not do what it should."""


class NoSpaceError(SanError):
    """There is no room for an image to serve."""


class PortalError(SanError):
    """It is not clear which portal a machine is to use."""


class NotStaticError(SanError):
    """Only a target that is made on demand could do this."""


def of_file(what: str, error: OSError) -> SanError:
    """Return the sentence for what the operating system refused."""
    text = f'{what}: {error.strerror or error}'
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceError(f'{text}; make room in [ext_san]export_dir')
    return SanError(text)
