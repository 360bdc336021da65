# SPDX-License-Identifier: Apache-2.0

"""The catalog: ISOs, boot configs, and which of them fit together.

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
