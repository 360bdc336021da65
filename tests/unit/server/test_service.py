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

"""Tests for the boot server as a process."""

import gc
import socket
import weakref

import testtools

from ironic_ext.server import service


class ConnectionTestCase(testtools.TestCase):

    def test_a_closed_connection_leaves_nothing_to_the_collector(self):
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        listener = service._Listener(('127.0.0.1', 0), None)
        gc.disable()
        self.addCleanup(gc.enable)
        connection = service._Connection(listener, ours)
        known = weakref.ref(connection)
        connection.close()
        del connection
        self.assertIsNone(known())
