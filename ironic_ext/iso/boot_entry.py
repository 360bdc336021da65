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

"""What a boot loader's configuration says, whatever its grammar."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class BootEntry:
    """One kernel that a configuration can start.

    ``kernel`` and ``initrds`` are paths as written (variables included),
    ``arguments`` the words of the command line.
    """

    title: str
    kernel: str
    arguments: tuple[str, ...] = ()
    initrds: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class BootConfig:
    """The entries of one file, and the files it leads to, as written."""

    entries: tuple[BootEntry, ...] = ()
    includes: tuple[str, ...] = ()
