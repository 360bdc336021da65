# SPDX-License-Identifier: Apache-2.0

"""What of a host its owner must not be able to write: in SQL, not in Ironic.

Where its tokens end, the address that an operator has declared, and what
happened to it.
"""

from ironic_ext.host_records.errors import RecordsError
from ironic_ext.host_records.history import Event
from ironic_ext.host_records.history import History
from ironic_ext.host_records.history import MOST
from ironic_ext.host_records.store import HostRecords
from ironic_ext.host_records.store import Record

__all__ = ('MOST', 'Event', 'History', 'HostRecords', 'Record',
           'RecordsError')
