# SPDX-License-Identifier: Apache-2.0

"""Resources: what is read, what is written, what is refused and how."""

import testtools

from ironic_ext import catalog
from ironic_ext.catalog import resources

CDROM = {
    'apiVersion': 'v1', 'kind': 'ISCSICdrom',
    'metadata': {'name': 'coreos-live', 'labels': {'example.com/arch': 'x'},
                 'uid': 'u', 'resourceVersion': '7',
                 'creationTimestamp': '2026-01-02T03:04:05Z'},
    'spec': {'isoFile': 'coreos-live.iso', 'readOnly': True,
             'checksum': 'sha256:' + 'a' * 64, 'description': 'live',
             'bootConfigs': ['coreos-builder', 'builder-target'],
             'project': 'p', 'shared': False},
    'status': {'phase': 'Ready', 'isoSize': 800, 'volumeId': 'FCOS',
               'system': 'CoreOS',
               'digest': 'sha256:' + 'b' * 64,
               'bootLoaders': ['bios: ISOLINUX'],
               'bootPaths': ['bios from cd: ISOLINUX waits for a key'],
               'targetIQN': 'iqn.2000-02.com.example:file4',
               'portalIP': '192.0.2.1', 'portalPort': 3260, 'lun': 0}}
CONFIG = {
    'apiVersion': 'v1', 'kind': 'BootConfig',
    'metadata': {'name': 'fedora'},
    'spec': {'format': 'kickstart', 'primary': 'ks.cfg', 'template': True,
             'anyISO': True, 'shared': True,
             'data': {'ks.cfg': 'reboot\n', 'parts/disk.cfg': 'autopart'}}}


def changed(document, **values):
    """Return a document with another spec or metadata."""
    return {**document, **{
        key: {**document.get(key, {}), **value} if isinstance(value, dict)
        else value for key, value in values.items()}}


class ResourceTestCase(testtools.TestCase):

    def _problems(self, document, kind=None):
        error = self.assertRaises(catalog.InvalidError, resources.parse,
                                  document, kind)
        return {problem.field: problem.reason for problem in error.problems}

    def test_a_document_survives_reading_and_writing(self):
        for document in (CDROM, CONFIG):
            self.assertEqual(document, resources.document(
                resources.parse(document)))

    def test_what_is_left_out_has_defaults(self):
        cdrom = resources.parse({'metadata': {'name': 'a'},
                                 'spec': {'isoFile': 'a.iso'}},
                                resources.ISCSICdrom)
        self.assertTrue(cdrom.spec.read_only)
        self.assertEqual('Pending', cdrom.status.phase)
        self.assertEqual((), cdrom.spec.boot_configs)

    def test_an_unknown_field_is_refused_with_the_nearest_one(self):
        found = self._problems(changed(
            CDROM, spec={'bootConfig': ['x']}, metadata={'nmae': 'x'}))
        self.assertEqual('is no known field; "bootConfigs" is',
                         found['spec.bootConfig'])
        self.assertEqual('is no known field; "name" is',
                         found['metadata.nmae'])

    def test_all_problems_are_told_at_once(self):
        found = self._problems({
            'apiVersion': 'v2', 'kind': 'BootConfig', 'metadata': {},
            'spec': {'data': {'a': 1}, 'template': 'yes'}})
        self.assertEqual(
            {'apiVersion', 'metadata.name', 'spec.format',
             'spec.data["a"]', 'spec.template'}, set(found))

    def test_names_are_safe_in_urls_files_and_scripts(self):
        for name in ('a\nb', 'a"b', 'a/b', '../a', '.', '..', 'a b', '',
                     'a\N{LATIN SMALL LETTER E WITH ACUTE}', 'a' * 254, 7,
                     '${mac}', 'a;b'):
            self.assertIn('metadata.name', self._problems(
                changed(CDROM, metadata={'name': name})), repr(name))
        for name in ('A.b_c-9', '0', 'a' * 253, '...'):
            resources.parse(changed(CDROM, metadata={'name': name}))

    def test_no_iso_can_be_called_localboot(self):
        self.assertIn('metadata.name', self._problems(
            changed(CDROM, metadata={'name': 'localboot'})))
        resources.parse(changed(CONFIG, metadata={'name': 'localboot'}))

    def test_an_iso_is_a_file_or_a_url(self):
        both = changed(CDROM, spec={'url': 'http://x/a.iso'})
        self.assertIn('spec.isoFile', self._problems(both))
        neither = {**CDROM, 'spec': {}}
        self.assertIn('spec.isoFile', self._problems(neither))
        resources.parse({**CDROM, 'spec': {'url': 'http://x/a.iso'}})

    def test_a_file_of_an_iso_stays_in_its_directory(self):
        for name in ('../a.iso', '/etc/passwd', 'a/b.iso', '.hidden.iso'):
            self.assertIn('spec.isoFile', self._problems(
                changed(CDROM, spec={'isoFile': name})), name)

    def test_credentials_in_a_url_are_refused_and_not_repeated(self):
        for field in ('url', 'checksum'):
            found = self._problems({**CDROM, 'spec': {
                'url': 'http://x/a.iso',
                field: 'https://joe:hunter2@x/a.iso'}})
            self.assertIn(f'spec.{field}', found)
            self.assertNotIn('hunter2', str(found))

    def test_a_path_in_data_cannot_leave_its_directory(self):
        for path in ('../a', 'a/../b', '/a', 'a//b', 'a/', '', '.', 'a/.',
                     'a b', 'a\nb', 'a' * 256, 'a\0'):
            self.assertIn('spec.data', self._problems(changed(
                CONFIG, spec={'data': {path: 'x'}, 'primary': ''})),
                repr(path))
        resources.parse(changed(CONFIG, spec={
            'data': {'...': 'x', 'a/.b': 'x'}, 'primary': ''}))

    def test_a_primary_that_is_not_there_is_refused(self):
        self.assertIn('spec.primary', self._problems(
            changed(CONFIG, spec={'primary': 'x'})))

    def test_data_is_bounded_in_utf8_bytes(self):
        text = '\N{LATIN SMALL LETTER E WITH ACUTE}' * (1 << 19)
        resources.parse(changed(CONFIG, spec={
            'data': {'ks.cfg': text}}))
        self.assertIn('spec.data', self._problems(changed(
            CONFIG, spec={'data': {'ks.cfg': text + 'x'}})))

    def test_text_that_cannot_be_served_is_refused(self):
        for text in ('a\0', '\ud800'):
            self.assertIn('spec.data["ks.cfg"]', self._problems(changed(
                CONFIG, spec={'data': {'ks.cfg': text}})))

    def test_a_listing_has_sizes_instead_of_secrets(self):
        shown = resources.document(resources.redacted(
            resources.parse(CONFIG)))
        self.assertEqual({'ks.cfg': '<redacted: 7 bytes>',
                          'parts/disk.cfg': '<redacted: 8 bytes>'},
                         shown['spec']['data'])
        self.assertNotIn('autopart', repr(resources.parse(CONFIG)))

    def test_what_a_listing_showed_cannot_be_stored(self):
        shown = resources.document(resources.redacted(
            resources.parse(CONFIG)))
        self.assertIn('spec.data["ks.cfg"]', self._problems(shown))

    def test_labels_follow_kubernetes_rules(self):
        for labels in ({'-a': 'x'}, {'a': 'x y'}, {'a': 1}, {'a/b/c': 'x'},
                       {'a': 'x' * 64}, ['a']):
            found = self._problems(changed(CONFIG, metadata={
                'labels': labels}))
            self.assertTrue(any(field.startswith('metadata.labels')
                                for field in found), labels)

    def test_a_flood_of_fields_ends_soon(self):
        flood = {f'field{number}': 'x' for number in range(100000)}
        found = self._problems({**changed(
            CONFIG, metadata={'labels': flood}, spec={'data': flood}),
            **flood})
        self.assertGreater(20, len(found))

    def test_anything_at_all_ends_in_an_error(self):
        for document in (None, 7, 'x', [], {}, {'kind': 'Secret'},
                         {'kind': ['BootConfig']},
                         {'kind': 'BootConfig', 'spec': []},
                         {'kind': 'BootConfig', 'metadata': 7, 'spec': {
                             'data': []}},
                         changed(CDROM, spec={'bootConfigs': 'coreos'}),
                         changed(CDROM, spec={'bootConfigs': [None]}),
                         changed(CDROM, spec={'bootConfigs': ['a', 'a']}),
                         changed(CDROM, status={'lun': -1}),
                         changed(CDROM, status={'lun': True}),
                         changed(CDROM, status={'phase': 'Gone'})):
            self.assertRaises(catalog.InvalidError, resources.parse,
                              document)
