# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

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
