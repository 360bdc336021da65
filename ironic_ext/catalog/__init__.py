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

"""The catalogue: ISOs, boot configs, and which of them fit together.

What is imported here is pure and needs no database.
"""

from ironic_ext.catalog.errors import AlreadyExistsError
from ironic_ext.catalog.errors import CatalogError
from ironic_ext.catalog.errors import ConflictError
from ironic_ext.catalog.errors import DatabaseError
from ironic_ext.catalog.errors import InUseError
from ironic_ext.catalog.errors import InvalidError
from ironic_ext.catalog.errors import NotFoundError
from ironic_ext.catalog.errors import Problem
from ironic_ext.catalog.errors import TooOldError
from ironic_ext.catalog.resources import BootConfig
from ironic_ext.catalog.resources import BootConfigSpec
from ironic_ext.catalog.resources import ISCSICdrom
from ironic_ext.catalog.resources import ISCSICdromSpec
from ironic_ext.catalog.resources import ISCSICdromStatus
from ironic_ext.catalog.resources import Metadata

__all__ = (
    'AlreadyExistsError', 'BootConfig', 'BootConfigSpec', 'CatalogError',
    'ConflictError', 'DatabaseError', 'ISCSICdrom', 'ISCSICdromSpec',
    'ISCSICdromStatus', 'InUseError', 'InvalidError', 'Metadata',
    'NotFoundError', 'Problem', 'TooOldError')
