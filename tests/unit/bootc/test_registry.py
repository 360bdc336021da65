# SPDX-License-Identifier: Apache-2.0

"""Tests for what a registry's answers mean, with answers made up."""

import json
import unittest.mock

import testtools

from ironic_ext.bootc import errors
from ironic_ext.bootc import reference
from ironic_ext.bootc import registry
from ironic_ext.bootc import registry_session
from ironic_ext.bootc import request
from tests import oci_images

IMAGE = reference.Reference.parse('r.test/os:1')


class Answers:
    """A session with a registry that has a few answers."""

    def __init__(self, pushed, tag='1', changed=()):
        self.asked = []
        self._answers = {f'manifests/{tag}': pushed.content}
        for part in (pushed, *pushed.parts):
            self._answers[f'manifests/{part.digest}'] = part.content
            for digest, content in part.blobs.items():
                self._answers[f'blobs/{digest}'] = content
        self._answers.update(changed)

    def __call__(self, host, *args):
        self.asked.append(host)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *details):
        pass

    def get(self, path, accept='*/*'):
        try:
            return registry_session.Answer(200, {}, self._answers[path])
        except KeyError:
            raise errors.NoSuchImageError(path) from None


class LookUpTestCase(testtools.TestCase):

    def look_up(self, pushed, machine='x86_64', image=IMAGE,
                trust=request.Trust(), **given):
        answers = (pushed if isinstance(pushed, Answers)
                   else Answers(pushed, **given))
        with unittest.mock.patch.object(registry_session, 'Session',
                                        answers):
            return registry.require_bootable(image, machine, trust=trust,
                                             credential=None)

    def refused(self, kind, *args, **given):
        return str(self.assertRaises(kind, self.look_up, *args, **given))

    def test_an_image_is_known_by_its_digest(self):
        for kind in (oci_images.OCI, oci_images.DOCKER):
            pushed = oci_images.image(kind=kind)
            found = self.look_up(pushed)
            self.assertEqual(IMAGE.pinned(pushed.digest), found.reference)
            self.assertEqual('amd64', found.architecture)

    def test_an_index_leads_to_the_image_for_the_machine(self):
        amd, arm = (oci_images.image(architecture=architecture)
                    for architecture in ('amd64', 'arm64'))
        for kind in (oci_images.OCI, oci_images.DOCKER):
            index = oci_images.index(amd, arm, kind=kind)
            for machine, wanted in (('x86_64', amd), ('aarch64', arm),
                                    ('AMD64', amd), ('arm64', arm)):
                found = self.look_up(index, machine)
                self.assertEqual(wanted.digest, found.reference.digest)

    def test_without_a_processor_the_index_stays_whole(self):
        index = oci_images.index(
            *(oci_images.image(architecture=architecture)
              for architecture in ('amd64', 'arm64')))
        found = self.look_up(index, None)
        self.assertEqual(index.digest, found.reference.digest)
        self.assertEqual('', found.architecture)

    def test_without_a_processor_the_only_image_is_meant(self):
        only = oci_images.image(architecture='s390x')
        found = self.look_up(oci_images.index(only), None)
        self.assertEqual(only.digest, found.reference.digest)

    def test_the_plainest_variant_is_taken(self):
        plain, newer = (
            oci_images.image(variant=variant, marker=str(variant))
            for variant in (None, 'v3'))
        for parts in ((plain, newer), (newer, plain)):
            found = self.look_up(oci_images.index(*parts))
            self.assertEqual(plain.digest, found.reference.digest)

    def test_an_attestation_is_no_image(self):
        image = oci_images.image()
        attestation = oci_images.image(architecture='unknown')
        attestation.platform['os'] = 'unknown'
        found = self.look_up(oci_images.index(attestation, image), None)
        self.assertEqual(image.digest, found.reference.digest)

    def test_an_entry_without_a_platform_is_what_its_config_says(self):
        image = oci_images.image()
        silent = oci_images.index(image)
        content = json.loads(silent.content)
        del content['manifests'][0]['platform']
        changed = {'manifests/1': json.dumps(content).encode()}
        for machine in ('x86_64', None):
            found = self.look_up(silent, machine, changed=changed)
            self.assertEqual(image.digest, found.reference.digest)
        self.assertIn('made for amd64', self.refused(
            errors.ArchitectureError, silent, 'aarch64', changed=changed))

    def test_an_entry_for_the_processor_goes_before_one_without(self):
        image, other = (oci_images.image(marker=text) for text in 'ab')
        index = oci_images.index(other, image)
        content = json.loads(index.content)
        del content['manifests'][0]['platform']
        found = self.look_up(index, changed={
            'manifests/1': json.dumps(content).encode()})
        self.assertEqual(image.digest, found.reference.digest)

    def test_the_processor_must_fit(self):
        arm = oci_images.image(architecture='arm64')
        for pushed in (arm, oci_images.index(arm)):
            message = self.refused(errors.ArchitectureError, pushed)
            self.assertIn('made for arm64, and the machine is amd64',
                          message)
        self.refused(errors.ArchitectureError, oci_images.index())

    def test_the_container_must_be_bootable(self):
        for labels in ({}, {'containers.bootc': '0'}, {'bootc': '1'}):
            self.assertIn('containers.bootc=1', self.refused(
                errors.NotBootableError, oci_images.image(labels=labels)))
        self.look_up(oci_images.image(labels={'containers.bootc': 'true'}))

    def test_the_size_is_the_sum_of_the_layers(self):
        pushed = oci_images.image({'a': b'x' * 5000})
        (_config, layer) = pushed.blobs.values()
        found = self.look_up(pushed)
        self.assertEqual(len(layer), found.size.compressed)
        self.assertGreater(found.size.unpacked, found.size.compressed)
        self.assertEqual(found.size.unpacked, found.size.largest)

    def test_a_layer_that_says_its_unpacked_size_is_believed(self):
        pushed = oci_images.image()
        content = json.loads(pushed.content)
        name = 'io.containers.estargz.uncompressed-size'
        content['layers'] = [{'size': 10, 'annotations': {name: text}}
                             for text in ('70', '-1', 'x', '9' * 50, '3')]
        found = self.look_up(pushed, changed={
            'manifests/1': json.dumps(content).encode()})
        # 70 as it says, three times 30, and no less than it is packed.
        self.assertEqual(request.Size(50, 170, 70), found.size)

    def test_another_manifest_than_the_pinned_one_is_refused(self):
        pushed, other = oci_images.image(), oci_images.image(marker='evil')
        path = f'manifests/{pushed.digest}'
        self.assertIn('another manifest', self.refused(
            errors.RegistryError, pushed, image=IMAGE.pinned(pushed.digest),
            changed={path: other.content}))
        self.assertIn('another manifest', self.refused(
            errors.RegistryError, oci_images.index(pushed),
            changed={path: other.content}))

    def test_another_config_than_the_named_one_is_refused(self):
        pushed = oci_images.image()
        digest = next(iter(pushed.blobs))
        self.assertIn('another blob', self.refused(
            errors.RegistryError, pushed,
            changed={f'blobs/{digest}': b'{}'}))

    def test_answers_that_make_no_sense_are_refused(self):
        nested = b'[' * 100000
        for content in (b'', b'{}', b'[]', b'no JSON', b'\xff', nested,
                        b'{"schemaVersion": 1, "fsLayers": []}',
                        b'{"manifests": {"a": 1}}', b'{"manifests": 5}',
                        b'{"config": 5, "layers": 5}',
                        b'{"config": {"digest": "../x"}, "layers": []}',
                        json.dumps({'manifests': [{}] * 2000}).encode()):
            self.refused(errors.RegistryError, oci_images.image(),
                         changed={'manifests/1': content})

    def test_an_index_cannot_lead_to_another_path(self):
        content = json.dumps({'manifests': [
            5, {'digest': 'sha256:../../x', 'platform': {
                'os': 'linux', 'architecture': 'amd64'}}]}).encode()
        self.assertIn('malformed digest', self.refused(
            errors.RegistryError, oci_images.image(),
            changed={'manifests/1': content}))

    def test_sizes_that_make_no_sense_are_left_out(self):
        pushed = oci_images.image()
        content = json.loads(pushed.content)
        content['layers'] = [5, {'size': -1}, {'size': 'x'}, {
            'size': 7, 'mediaType': 'application/x.tar'}]
        found = self.look_up(pushed, changed={
            'manifests/1': json.dumps(content).encode()})
        self.assertEqual(request.Size(7, 7, 7), found.size)

    def test_mirrors_are_asked_first_and_the_registry_last(self):
        trust = request.Trust(mirrors=('a.test', 'b.test/cache'))
        answers = Answers(oci_images.image())
        found = self.look_up(answers, trust=trust)
        self.assertEqual(['a.test'], answers.asked)
        self.assertEqual('r.test', found.reference.registry)
        answers = Answers(oci_images.image(), tag='2')
        self.refused(errors.NoSuchImageError, answers, trust=trust)
        self.assertEqual(['a.test', 'b.test', 'r.test'], answers.asked)

    def test_a_mirror_that_has_other_processors_alone_is_passed_over(self):
        arm, amd = (oci_images.image(architecture=name)
                    for name in ('arm64', 'amd64'))
        answers = {'a.test': Answers(oci_images.index(arm)),
                   'r.test': Answers(oci_images.index(arm, amd))}

        def session(host, *args):
            return answers[host](host)

        with unittest.mock.patch.object(registry_session, 'Session',
                                        session):
            found = registry.require_bootable(
                IMAGE, 'x86_64', credential=None,
                trust=request.Trust(mirrors=('a.test',)))
        self.assertEqual(amd.digest, found.reference.digest)

    def test_a_mirror_has_the_images_below_its_path(self):
        self.assertEqual(('b.test', 'cache/os'),
                         registry_session.location('b.test/cache', IMAGE))
        self.assertEqual(('b.test:5', 'os'),
                         registry_session.location('b.test:5', IMAGE))
