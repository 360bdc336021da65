# SPDX-License-Identifier: Apache-2.0

"""What of a host its owner must not be able to write: in SQL, not in Ironic.

Where its tokens end, and the address that an operator has declared.
"""

from ironic_ext.host_records.store import HostRecords
from ironic_ext.host_records.store import Record
from ironic_ext.host_records.store import RecordsError

__all__ = ('HostRecords', 'Record', 'RecordsError')
