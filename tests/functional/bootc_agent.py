# SPDX-License-Identifier: Apache-2.0

"""What tests of installs by the real deploy agent have in common."""

import base64
import contextlib
import dataclasses
import gzip
import json
import pathlib
import re
import subprocess
import tempfile

import testtools

from ironic_ext.bootc import credentials
from ironic_ext.bootc import options
from ironic_ext.bootc import reference
from ironic_ext.bootc import request
from tests.functional import agent_process
from tests.functional import bootc_images
from tests.functional import registry

USER = 'deployer'
PASSWORD = 'c0rrect-h0rse'


class BootcAgentTestCase(testtools.TestCase):
    """An agent, two disks, and a registry that wants a password.

    They serve all tests of a class; what a test leaves behind on the agent's
    side would be a fault that the next one meets.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.registry = cls.use(registry.Registry({USER: PASSWORD}))
        cls.disk = cls.use(agent_process.LoopDisk())
        cls.scratch = cls.use(
            agent_process.LoopDisk(agent_process.GIB // 2))
        cls.agent = cls.use(agent_process.Agent(cls.disk.path,
                                                cls.scratch.path))

    @classmethod
    def use(cls, fixture):
        fixture.setUp()
        cls.addClassCleanup(fixture.cleanUp)
        return fixture

    def setUp(self):
        super().setUp()
        self._log_before = len(self.agent.log())
        self.addOnException(lambda _info: self.addDetail(
            'agent', testtools.content.text_content(self.log()[-20000:])))

    def log(self):
        """Return what the agent logged since the test began."""
        return self.agent.log()[self._log_before:]

    def said(self, what, log=None):
        """Return the rest of a line that the image's bootc printed.

        :param log: of the agent; by default since the test began.
        """
        found = re.findall(rf'bootc: {what}: ?(.*)', log or self.log())
        return found[-1] if found else None

    def push(self, answer='installs', name='os', **arguments):
        """Push an image and return how to ask for it."""
        image = bootc_images.image(answer, **arguments)
        digest = self.registry.push(name, image)
        return self.request(f'{self.registry.host}/{name}@{digest}',
                            size=request.Size(
                                sum(map(len, image.blobs.values())),
                                32 << 20))

    def request(self, image, **arguments):
        return request.InstallRequest(**{
            'image': reference.Reference.parse(image),
            'imgref': f'{self.registry.host}/os:stable',
            'trust': request.Trust(ca=self.registry.ca),
            'credential': credentials.Credential.parse(
                f'{USER}:{PASSWORD}', self.registry.host),
            **arguments})

    def start(self, wanted):
        return self.agent.step('bootc_install',
                               wanted.arguments(self.agent.token))

    def deploy(self, wanted, **changes):
        """Run the step and return its command."""
        if 'options' in changes:
            changes['options'] = options.Options.parse(changes['options'])
        changed = dataclasses.replace(wanted, **changes)
        return self.agent.await_end(self.start(changed))

    @contextlib.contextmanager
    def scratch_disk_with_content(self):
        """Have something on the scratch disk that must not get lost."""
        self.agent.inside('mkfs.ext4', '-q', '-L', 'keep', self.scratch.path)
        try:
            yield
            self.assertEqual('keep\n', self.agent.inside(
                'blkid', '--probe', '--output', 'value', '--match-tag',
                'LABEL', self.scratch.path))
        finally:
            self.agent.inside('wipefs', '--all', '--quiet',
                              self.scratch.path)

    def assert_deployed(self, command):
        self.assertEqual('SUCCEEDED', command['command_status'],
                         json.dumps(command, indent=1))
        self.assertEqual(['vfat', 'ext4'],
                         [content(self.disk.partition(number))
                          for number in (1, 2)])
        self.assert_nothing_is_left()

    def assert_failed(self, kind, text, command):
        """Compare kind and sentence of an error, and look for debris."""
        error = command['command_error']
        self.assertEqual('FAILED', command['command_status'])
        self.assertEqual(kind, error['type'], error)
        self.assertIn(text, error['details'])
        self.assertLess(len(error['details']), 800)
        self.assertNotIn('level=', error['details'])
        self.assert_nothing_is_left()

    def assert_nothing_is_left(self):
        """No file, mount, process, disk, and no secret in what is kept."""
        self.assertEqual('', self.agent.inside(
            'sh', '-c', 'ls -d /run/ironic-bootc 2>/dev/null; '
            'ls -A /run/containers/storage/overlay-containers 2>/dev/null; '
            'grep -E " /var/(lib/containers|tmp)" /proc/self/mountinfo; '
            'true'))
        names = self.agent.inside('ps', '-e', '-o', 'comm=').split()
        self.assertEqual(set(), {'podman', 'conmon', 'crun', 'busybox'}
                         & set(names))
        devices = subprocess.run(
            ['losetup', '--list', '--noheadings', '--output', 'BACK-FILE'],
            check=True, capture_output=True, text=True).stdout
        self.assertNotIn(self.disk.path, devices)
        self.assertEqual('', content(self.scratch.path))
        for secret in (PASSWORD, base64.b64encode(
                f'{USER}:{PASSWORD}'.encode()).decode()):
            self.assertNotIn(secret, self.agent.log())


def content(path):
    """Return the file system of a device, read from the device itself."""
    return subprocess.run(
        ['blkid', '--probe', '--output', 'value', '--match-tag', 'TYPE',
         path], check=False, capture_output=True, text=True).stdout.strip()


def config_drive(text):
    """Return a config drive as Ironic sends it, and its image."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / 'tree').mkdir()
        (folder / 'tree/user_data').write_text(text)
        subprocess.run(
            ['genisoimage', '-quiet', '-V', 'config-2', '-J', '-r', '-o',
             folder / 'iso', folder / 'tree'], check=True,
            capture_output=True)
        image = (folder / 'iso').read_bytes()
    return base64.b64encode(gzip.compress(image)).decode(), image
