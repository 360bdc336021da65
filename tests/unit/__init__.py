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

"""Unit tests: values in, values out.

Hundreds of them share a process, so what each waits for adds up.
"""

import gc

import fixtures

# Half a million objects of imported modules stay to the end: do not look
# through them for garbage time and again.
gc.set_threshold(10_000, 20, 20)


class WithoutSync(fixtures.MonkeyPatch):
    """Do not wait for disks: what a test writes is gone a moment later."""

    def __init__(self) -> None:
        super().__init__('os.fsync', lambda fd: None)
