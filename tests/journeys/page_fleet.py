# SPDX-License-Identifier: Apache-2.0

"""The page in front of a stand-in for Ironic.

For thousands of nodes, and for states that take minutes to reach.
"""

from tests import boot_server
from tests import ironic_stand_in
from tests.journeys import boot_page

#: Of a node that a conductor has deployed with redfish-iso.
RUNNING = {'driver': 'redfish-ext', 'boot_interface': 'redfish-iso',
           'deploy_interface': 'ramdisk', 'provision_state': 'active'}


class FleetTestCase(boot_page.PageTestCase):
    """With a stand-in for Ironic, and its boot server."""

    #: Nodes that are there.
    hosts = 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.browser = boot_page.shared_browser()
        cls.known = cls._start(ironic_stand_in.IronicStandIn(), 'known')
        for number in range(cls.hosts):
            cls.known.add(f'server{number:04}', '52:54:00:00:'
                          f'{number >> 8:02x}:{number & 255:02x}')
        cls.server = cls._start(boot_server.BootServer(
            cls.ironic.url, options='auth_strategy = noauth\n'
            'ironic_public_url = '
            'https://ironic.example.com/v1/'), 'process')
        cls.server.call('POST', '/api/v1/bootconfigs', {
            'metadata': {'name': 'config'}, 'spec': {
                'format': 'ignition',
                'data': {'config.ign': boot_page.IGNITION}}})
        cls.add_iso('live', bootConfigs=['config'])

    @classmethod
    def add_iso(cls, name, **spec):
        """Add an ISO with its content."""
        path = '/api/v1/iscsi-cdroms'
        cls.server.call('POST', path, {
            'metadata': {'name': name},
            'spec': {'isoFile': f'{name}.iso', **spec}})
        cls.server.call('PUT', f'{path}/{name}/upload',
                        boot_page.iso_file().read_bytes(),
                        Content_Type='application/octet-stream')

    @classmethod
    def _start(cls, fixture, name):
        if name == 'known':
            cls.ironic = fixture
        fixture.setUp()
        cls.addClassCleanup(fixture.cleanUp)
        return getattr(fixture, name)

    def waiting(self, prefix, count):
        """Add nodes that boot something else than chosen; their UUIDs."""
        return {f'{prefix}-{number}': self.known.add(
            f'{prefix}-{number}', instance_info={'boot_iso': 'live'},
            driver_internal_info={'ext_boot': {'iso': 'other'}}, **RUNNING)
            for number in range(count)}

    def targets(self, nodes):
        """Return what Ironic was asked for, by name."""
        with self.known.lock:
            return {name: self.known.nodes[uuid]['target_provision_state']
                    for name, uuid in nodes.items()}
