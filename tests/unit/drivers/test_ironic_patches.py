# SPDX-License-Identifier: Apache-2.0

"""Tests for the changes of Ironic, and for Ironics that they do not fit."""

import json
import logging
import pathlib
import pkgutil
import re
import subprocess
import sys
import tempfile
import types

from ironic.common import image_service
import testtools

from ironic_ext.drivers.bootc import deploy
from ironic_ext.drivers import ironic_patches
from ironic_ext.drivers import patching

TYPES = ['idrac-ext', 'ipmi-ext', 'manual-management-ext', 'redfish-ext']
ROOT = pathlib.Path(__file__).parents[3]


class OtherIronicTestCase(testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.paths = sorted({
            target.path for patch in ironic_patches.PATCHES
            for target in patch.targets})
        cases = [None, *(('gone', path) for path in cls.paths), *(
            ('other', path) for path in cls.paths if ':' in path)]
        with tempfile.NamedTemporaryFile() as file:
            subprocess.run(
                [sys.executable, '-m', 'tests.unit.drivers.other_ironic',
                 file.name], cwd=ROOT, input=json.dumps(cases), text=True,
                check=True, capture_output=True)
            cls.found = dict(zip(map(json.dumps, cases), json.load(file),
                                 strict=True))

    def become(self, *case):
        return self.found[json.dumps(case or None)]

    def wanted(self, path):
        """Return the patches that need something of a path."""
        return [patch for patch in ironic_patches.PATCHES
                if (patch is ironic_patches.IMAGE_SERVICES or patch.wanted())
                and any(target.path == path or target.path.startswith(
                    f'{path}:') for target in patch.targets)]

    def test_all_is_well_with_this_one(self):
        self.assertEqual(TYPES, self.become()['loaded'])
        self.assertEqual([], self.become()['warnings'])

    def test_ironic_is_changed_when_types_are_made_and_not_before(self):
        self.assertEqual([], self.become()['changed_by_imports'])
        self.assertEqual(
            sorted(path for path in self.paths
                   if ':' in path and self.wanted(path)),
            sorted(self.become()['changed']))

    def test_all_types_load_whatever_is_gone(self):
        for path in self.paths:
            self.assertEqual(TYPES, self.become('gone', path).get('loaded'),
                             (path, self.become('gone', path)))

    def test_all_types_load_whatever_has_another_signature(self):
        for path in self.paths:
            if ':' in path:
                self.assertEqual(
                    TYPES, self.become('other', path).get('loaded'),
                    (path, self.become('other', path)))

    def test_one_warning_says_what_is_lost(self):
        for how in ('gone', 'other'):
            for path in self.paths:
                if how == 'other' and ':' not in path:
                    continue
                warnings = self.become(how, path)['warnings']
                patches = self.wanted(path)
                self.assertEqual(len(patches), len(warnings), (path, warnings))
                for patch, warning in zip(patches, warnings, strict=True):
                    self.assertTrue(warning.endswith(patch.loss), warning)
                    if how == 'gone':
                        self.assertRegex(
                            warning, f'{re.escape(path)}(:[^ ]+)? is gone')

    def test_nothing_is_left_out_but_what_this_ironic_does_not_need(self):
        off = {target.path for patch in ironic_patches.PATCHES
               for target in patch.targets if not self.wanted(target.path)}
        self.assertLessEqual(off, {
            'ironic.common.driver_factory:get_interface',
            'ironic.drivers.modules.image_utils:ImageHandler'
            '.update_driver_config'})


class InstallTestCase(testtools.TestCase):

    def test_ironic_is_changed_once(self):
        ironic_patches.install()
        before = [pkgutil.resolve_name(target.path)
                  for patch in ironic_patches.PATCHES
                  for target in patch.targets if ':' in target.path]
        ironic_patches.install()
        self.assertEqual(before, [
            pkgutil.resolve_name(target.path)
            for patch in ironic_patches.PATCHES
            for target in patch.targets if ':' in target.path])

    def test_every_log_has_its_filter_once(self):
        ironic_patches.install()
        ironic_patches.install()
        for patch in ironic_patches.PATCHES:
            for target in patch.targets:
                if isinstance(target, patching.Filtered):
                    filters = logging.getLogger(target.path).filters
                    self.assertEqual(1, filters.count(target.filter))

    def test_containers_are_no_images_of_ironics(self):
        ironic_patches.install()
        self.assertIsInstance(
            image_service.get_image_service('docker://r.test/a:1'),
            deploy.ContainerImages)


class RebuildTestCase(testtools.TestCase):

    def says(self, interface, stock=False, **instance_info):
        return ironic_patches.update_image_type(
            lambda context, node: stock, None, types.SimpleNamespace(
                driver='redfish-ext', boot_interface=interface,
                instance_info=instance_info))

    def test_nodes_that_boot_an_iso_are_saved_before_their_rebuild(self):
        for interface in ('redfish-iso', 'iso-sanboot'):
            self.assertTrue(self.says(interface, boot_iso='file:///a.iso'))
            self.assertFalse(self.says(interface))
            self.assertTrue(self.says(interface, stock=True))
        self.assertFalse(self.says('redfish-virtual-media',
                                   boot_iso='file:///a.iso'))


class PageTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        page, = (ROOT / 'doc/source').rglob('ironic-patches.rst')
        lines = page.read_text().splitlines()
        self.sections = {}
        for line, under in zip(lines, [*lines[1:], ''], strict=True):
            if line and under and set(under) == {'='}:
                section = self.sections.setdefault(line, [])
            elif self.sections:
                section.append(line)

    def text(self, name):
        found = ' '.join(' '.join(self.sections[name]).split())
        return found.replace('``', '')

    def test_the_page_has_every_change_and_no_other(self):
        names = {patch.name for patch in ironic_patches.PATCHES}
        self.assertEqual(names, set(self.sections) - {
            'Changes of Ironic', 'When it does not fit'})

    def test_the_page_says_of_each_what_the_code_says(self):
        for patch in ironic_patches.PATCHES:
            text = self.text(patch.name)
            for said in (patch.reason, patch.loss,
                         f'Seen in: {patch.releases}',
                         *(target.path for target in patch.targets)):
                self.assertIn(said, text)

    def test_the_page_names_no_other_targets(self):
        known = {target.path for patch in ironic_patches.PATCHES
                 for target in patch.targets}
        for patch in ironic_patches.PATCHES:
            listed = {line.strip(' *`') for line in self.sections[patch.name]
                      if line.startswith('* ``')}
            self.assertEqual(
                {target.path for other in ironic_patches.PATCHES
                 if other.name == patch.name for target in other.targets},
                listed)
            self.assertLessEqual(listed, known)
