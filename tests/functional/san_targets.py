# SPDX-License-Identifier: Apache-2.0

"""What tests of iSCSI targets by a real tgtd have in common."""

import hashlib
import logging
import os
import pathlib

import fixtures
import testtools

from ironic_ext import images
from ironic_ext import iso
from ironic_ext import san
from tests.functional import file_systems
from tests.functional import tgtd
from tests import isos


class SanTestCase(testtools.TestCase):
    """A tgtd, a base image and a customised one."""

    def setUp(self) -> None:
        super().setUp()
        self.logs = self.useFixture(fixtures.FakeLogger(
            level=logging.DEBUG))
        self.tgtd = self.useFixture(tgtd.Tgtd())
        self.folder = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        path = isos.KINDS['lorax_like'].build(self.folder)
        self.content = path.read_bytes()
        self.base = images.BaseImage(
            str(path), 'file:///isos/base.iso', len(self.content),
            f'sha256:{hashlib.sha256(self.content).hexdigest()}')
        self.plain = self.injected()
        self.customised = self.injected(append_args='host=one')

    def injected(self, **changes: str) -> iso.SegmentMap:
        image = iso.IsoImage.open(self.base.path)
        self.addCleanup(image.close)
        made = iso.inject(image, iso.Injection(**changes))
        self.addCleanup(made.close)
        return made

    def settings(self, **changes: object) -> san.Settings:
        facts: dict = {'root': str(self.folder / 'exports'),
                       'portal': self.tgtd.portal,
                       'control_port': self.tgtd.control_port}
        return san.Settings(**{**facts, **changes})

    def targets(self, **changes: object) -> san.Targets:
        return san.open_targets('tgt', self.settings(**changes))

    def mounted(self, *arguments: str) -> pathlib.Path:
        """Return an empty file system, mounted with these arguments."""
        path = self.folder / 'mount'
        path.mkdir()
        self.enterContext(file_systems.mounted(path, *arguments))
        # Before that: it has files open.
        self.addCleanup(self.tgtd.kill)
        return path

    def small_disk(self, size: str) -> pathlib.Path:
        """Return a file system of a size, as mount(8) writes it."""
        return self.mounted('-t', 'tmpfs', '-o', f'size={size}', 'none')

    def names(self) -> list[str]:
        """Return the names of all targets that tgtd has."""
        return [line.split(': ')[1] for line in self.shown().splitlines()
                if line.startswith('Target ')]

    def shown(self) -> str:
        return self.tgtd.tgtadm('--mode', 'target', '--op', 'show')

    def files(self) -> list[str]:
        folder = self.folder / 'exports' / 'targets'
        return sorted(os.listdir(folder)) if folder.is_dir() else []
