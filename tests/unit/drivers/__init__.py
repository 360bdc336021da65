# SPDX-License-Identifier: Apache-2.0

"""Tests for what ironic-conductor loads."""

# Before anything of Ironic: it chooses the threading model of the tests and
# registers stand-ins for vendors' libraries.
import ironic.tests.unit  # noqa: F401
