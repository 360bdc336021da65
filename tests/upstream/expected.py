# SPDX-License-Identifier: Apache-2.0

"""Tests of upstream that what is ours does not pass, each with its reason."""

import collections.abc

_BOOT = 'ironic.tests.unit.drivers.modules.redfish.test_boot.'
_MANAGEMENT = ('ironic.tests.unit.drivers.modules.redfish.test_management.'
               'RedfishManagementTestCase.')
_IMAGES = 'ironic.tests.unit.common.test_images.IronicImagesTestCase.'
_HARDWARE = 'ironic_python_agent.tests.unit.test_hardware.'

#: Project -> name of a test -> why it differs.
ALL: collections.abc.Mapping[str, collections.abc.Mapping[str, str]] = {
    'ironic': {
        f'{_BOOT}RedfishVirtualMediaBootTestCase.test_validate_boot_iso':
            'the config drive is judged when a node is validated, and theirs '
            'is none',
        **dict.fromkeys(
            (f'{_MANAGEMENT}{name}' for name in (
                'test_attach_virtual_media', 'test_detach_virtual_media',
                'test_detach_virtual_media_all', 'test_get_virtual_media')),
            'it replaces functions of stock\'s boot interface; ours asks the '
            'BMC what is in which drive'),
    },
    'images': {
        f'{_IMAGES}test_is_source_a_path_simple':
            'it replaces a method of stock\'s service for http, which is '
            'not asked',
    },
    'agent': {
        f'{_HARDWARE}TestExecuteBootCInstall.test_execute_bootc_install':
            'the step of that name is ours, with our own extension',
    },
}

#: What asks the host itself, whosever classes there are.
LEFT_OUT = frozenset((
    # It listens on eth0, if there is one.
    f'{_HARDWARE}TestListNetworkInterfaces.'
    'test_list_network_vlan_invalid_int',
))
