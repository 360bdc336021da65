# SPDX-License-Identifier: Apache-2.0

"""Private names of Ironic: in one place, and a release may lack each."""

import pathlib
import re
import unittest.mock

from ironic.conductor import utils as manager_utils
import testtools

import ironic_ext
from ironic_ext.drivers import ironic_private

_FOLDER = pathlib.Path(ironic_ext.__file__).parent
# Where Ironic itself is changed, and where its private names are gathered.
_ALLOWED = {'drivers/ironic_patches.py', 'drivers/ironic_private.py'}


class IronicPrivateTestCase(testtools.TestCase):

    def test_no_other_module_uses_a_private_name_of_ironic(self):
        found = []
        for path in _FOLDER.rglob('*.py'):
            name = str(path.relative_to(_FOLDER))
            text = path.read_text()
            modules = re.findall(
                r'^from ironic[.\w]* import (?:\w+ as )?(\w+)$', text, re.M)
            if name not in _ALLOWED and modules:
                found += [f'{name}: {used}' for used in re.findall(
                    rf'\b(?:{"|".join(modules)})\._[a-z]\w+', text)]
        self.assertEqual([], found)

    def test_without_them_vendors_have_no_peculiarities(self):
        boot, task = object(), unittest.mock.Mock()
        self.assertIsNone(ironic_private.acceptable_slot(boot, task, None))
        ironic_private.require_vendor(boot, task, [])
        with unittest.mock.patch.object(
                manager_utils, 'node_set_boot_device') as device:
            ironic_private.set_boot_device(boot, task, 'cdrom', True)
            ironic_private.set_network_boot(boot, task, True)
        self.assertEqual([
            unittest.mock.call(task, 'cdrom', True),
            unittest.mock.call(task, 'pxe', persistent=True)],
            device.mock_calls)
