# SPDX-License-Identifier: Apache-2.0

"""ISOs come into the catalog, through the real image store and engine."""

import contextlib
import dataclasses
import hashlib
import os
import signal

import fixtures

from ironic_ext import catalog
from ironic_ext.catalog import errors
from ironic_ext.catalog import importing
from ironic_ext.catalog import iso_files
from ironic_ext.catalog import sources
from ironic_ext import images
from ironic_ext.images import settings
from ironic_ext.images.store import image_store as image_stores
from ironic_ext import iso
from tests import isos
from tests.unit.catalog import database


def inspect(path):
    """Look into an ISO, as a server lets the importer do."""
    with iso.IsoImage.open(path) as image:
        facts = iso.inspect(image)
    return sources.Inspected(facts.volume_id, tuple(
        f'{loader.firmware}: {loader.name}' for loader in facts.loaders))


class ImportingTestCase(database.CatalogTestCase):

    def setUp(self):
        super().setUp()
        self.root = self.folder / 'isos'
        self.root.mkdir()
        self.source = self.folder / 'source'
        self.source.mkdir()
        self.content = isos.shared('isolinux_bios').read_bytes()
        self.digest = 'sha256:' + hashlib.sha256(self.content).hexdigest()
        self.store = image_stores.ImageStore(
            str(self.folder / 'store'), settings=settings.Settings(
                allowed_paths=(str(self.source),)))
        self.inspect = inspect
        self.now = 100.0
        self.importer = self._importer(self.catalog)

    def _importer(self, catalog):
        return importing.Importer(
            catalog, iso_files.IsoDirectory(str(self.root), 1 << 30),
            self.store, lambda path: self.inspect(path),
            (images.ImageError, iso.IsoError, OSError),
            images.StoppedError, clock=lambda: self.now)

    def test_what_nobody_foresaw_is_an_error_too(self):
        def fail(path):
            raise RecursionError('secret')

        self.inspect = fail
        self.useFixture(fixtures.FakeLogger('ironic_ext'))
        self._by_url()
        self.assertRaises(RecursionError, self.importer.bring, 'live')
        self.assertEqual('Error', self._status().phase)
        self.assertIn('RecursionError', self._status().error)
        self._create('file', iso_file='file.iso')
        self.assertRaises(errors.InvalidError, self._upload, 'file',
                          [self.content], total=len(self.content))
        self.assertEqual('Error', self._status('file').phase)
        (self.root / 'there.iso').write_bytes(self.content)
        self._create('there', iso_file='there.iso')
        self.assertRaises(RecursionError, self.importer.bring, 'there')
        self.assertEqual('Error', self._status('there').phase)

    def test_an_upload_that_nobody_goes_on_with_ends(self):
        self._create(iso_file='live.iso')
        self._upload('live', [self.content[:5000]], total=9000)
        self.importer.tidy(3600)
        self.assertEqual('Uploading', self._status().phase)
        self.importer.tidy(-1)
        self.assertEqual('Error', self._status().phase)
        self.assertIn('upload the file anew', self._status().error)

    def test_an_upload_whose_file_is_gone_ends_at_a_restart(self):
        self._create(iso_file='live.iso')
        self._upload('live', [self.content[:5000]], total=9000)
        self.importer.bring('live')
        self.assertEqual('Uploading', self._status().phase)
        for part in self.root.iterdir():
            part.unlink()
        for name in self.importer.unfinished():
            self.importer.bring(name)
        self.assertEqual('Error', self._status().phase)
        self.assertIn('upload the file anew', self._status().error)
        self._require_ready(self._upload('live', [self.content]))

    def _watched(self, *reports):
        """Fetch, and say between reports of progress what is known."""
        seen = []

        @contextlib.contextmanager
        def lease(href, checksum, observer):
            for before, received in reports:
                before()
                self.now += 3
                observer(images.Progress(href, received, 1000, 0, ''))
                seen.append(self._status())
            raise images.ImageError('it ends')
            yield

        self._by_url()
        self.useFixture(fixtures.MonkeyPatch(
            f'{image_stores.__name__}.ImageStore.lease',
            lambda store, *arguments: lease(*arguments)))
        return seen, self.importer.bring('live')

    def test_it_is_noted_how_much_of_an_iso_is_here(self):
        seen, cdrom = self._watched(*(
            (lambda: None, count) for count in (0, 200, 205, 1000)))
        # Less than a hundredth is no news.
        self.assertEqual([0, 200, 200, 1000],
                         [status.received for status in seen])
        self.assertEqual({1000}, {status.iso_size for status in seen})
        self.assertIn('it ends', cdrom.status.error)

    def test_a_fetch_that_is_stopped_ends_and_can_begin_again(self):
        seen, cdrom = self._watched(
            (lambda: None, 200), (lambda: self.importer.stop('live'), 300))
        self.assertEqual(1, len(seen))
        self.assertIn('was stopped', cdrom.status.error)
        self.assertRaises(errors.ConflictError, self.importer.stop, 'live')
        # Nobody who waits for its end takes that one for it.
        for _again in range(2):
            found = self.importer.again('live')
            self.assertEqual(('Uploading', ''),
                             (found.status.phase, found.status.error))

    def test_the_fetch_of_an_iso_that_is_deleted_ends(self):
        seen, _ = self._watched((lambda: self.catalog.delete(
            catalog.ISCSICdrom, 'live'), 300))
        self.assertEqual([], seen)

    def test_an_iso_that_is_there_is_not_fetched_again(self):
        self._by_url()
        self.assertRaises(errors.ConflictError, self.importer.stop, 'live')
        self.importer.bring('live')
        for change in (self.importer.again, self.importer.stop):
            self.assertRaises(errors.ConflictError, change, 'live')

    def _killed(self, work):
        """Do something in a process that is killed while it inspects."""
        def kill(path):
            os.kill(os.getpid(), signal.SIGKILL)

        inspect, self.inspect = self.inspect, kill
        child = os.fork()
        if not child:
            # No connection to a database survives a fork.
            self.importer = self._importer(self.open())
            work()
            os._exit(1)
        self.assertEqual(signal.SIGKILL, os.waitpid(child, 0)[1])
        self.inspect = inspect
        self.assertEqual('Uploading', self._status().phase)

    def test_who_was_killed_in_an_inspection_imports_again(self):
        self._by_url()
        self._killed(lambda: self.importer.bring('live'))
        self.assertEqual(['live'], self.importer.unfinished())
        self._require_ready(self.importer.bring('live'))

    def test_an_upload_that_was_being_looked_into_can_be_repeated(self):
        self._create(iso_file='live.iso')
        self._killed(lambda: self._upload('live', [self.content]))
        self.importer.bring('live')
        self.importer.tidy(3600)
        self.assertEqual('Uploading', self._status().phase)
        self._require_ready(self._upload('live', [self.content]))

    def test_or_it_ends_by_itself(self):
        self._create(iso_file='live.iso')
        self._killed(lambda: self._upload('live', [self.content]))
        self.importer.tidy(-1)
        self.assertEqual('Error', self._status().phase)

    def _create(self, name='live', **spec):
        return self.catalog.create(database.iso(name, **spec))

    def _by_url(self, **spec):
        path = self.source / 'live.iso'
        path.write_bytes(self.content)
        return self._create(iso_file='', url=f'file://{path}', **spec)

    def _status(self, name='live'):
        return self.catalog.get(catalog.ISCSICdrom, name).status

    def _require_ready(self, cdrom):
        self.assertEqual(catalog.ISCSICdromStatus(
            'Ready', iso_size=len(self.content), digest=self.digest,
            volume_id='ISOLINUX_BIOS', boot_loaders=('bios: ISOLINUX',)),
            dataclasses.replace(cdrom.status, volume_id='ISOLINUX_BIOS'))
        self.assertEqual(cdrom, self.catalog.get(
            catalog.ISCSICdrom, cdrom.metadata.name))

    def test_a_file_stays_as_long_as_an_iso_is_that_file(self):
        first = self._create(iso_file='live.iso')
        second = self._create('other', iso_file='live.iso')
        self._upload('live', [self.content])
        for cdrom, left in ((first, 1), (second, 0)):
            self.catalog.delete(catalog.ISCSICdrom, cdrom.metadata.name)
            self.importer.forget(cdrom)
            self.assertEqual(left, len(list(self.root.glob('live.iso'))))

    # By URL

    def test_an_iso_by_url_is_kept_in_the_image_store(self):
        self._by_url(checksum=self.digest)
        self._require_ready(self.importer.bring('live'))
        self.assertEqual(['iso:live'], self.store.owners(self.digest))
        self.assertEqual([], list(self.root.iterdir()))

    def test_a_source_that_fails_is_in_the_status(self):
        self._by_url(checksum=f'sha256:{"0" * 64}')
        status = self.importer.bring('live').status
        self.assertEqual('Error', status.phase)
        self.assertIn('checksum', status.error)
        self.assertEqual(status, self._status())

    def test_what_is_no_iso_is_in_the_status(self):
        self.content = b'x' * 100000
        self._by_url()
        status = self.importer.bring('live').status
        self.assertEqual('Error', status.phase)
        # By its URL: the path is one of a descriptor.
        self.assertIn(f'{self.source}/', status.error)
        self.assertNotIn('/proc/', status.error)
        self.assertIn('ISO', status.error)
        self.assertEqual([], self.store.holds('iso:'))

    def test_an_iso_that_is_to_come_from_elsewhere_meanwhile_wins(self):
        made = self._by_url()
        other = dataclasses.replace(made.spec, url='http://x/other.iso')

        def change(path):
            self.catalog.replace(dataclasses.replace(
                made, metadata=catalog.Metadata('live'), spec=other))
            return inspect(path)

        self.inspect = change
        self.assertEqual('Pending', self.importer.bring('live').status.phase)
        self.assertEqual([], self.store.holds('iso:'))

    def test_an_iso_that_is_deleted_meanwhile_is_let_go(self):
        self._by_url()

        def delete(path):
            self.catalog.delete(catalog.ISCSICdrom, 'live')
            return inspect(path)

        self.inspect = delete
        self.importer.bring('live')
        self.assertIsNone(self.catalog.find(catalog.ISCSICdrom, 'live'))
        self.assertEqual([], self.store.holds('iso:'))

    def test_other_changes_meanwhile_stay(self):
        made = self._by_url()

        def change(path):
            self.catalog.set_status(
                catalog.ISCSICdrom(catalog.Metadata('live')),
                catalog.ISCSICdromStatus('Uploading', target_iqn='iqn.x'))
            self.catalog.replace(dataclasses.replace(
                made, metadata=catalog.Metadata('live', {'a': 'b'})))
            return inspect(path)

        self.inspect = change
        cdrom = self.importer.bring('live')
        self.assertEqual(('Ready', 'iqn.x', {'a': 'b'}), (
            cdrom.status.phase, cdrom.status.target_iqn,
            cdrom.metadata.labels))

    def test_a_deleted_isos_image_is_let_go(self):
        self._by_url()
        self.importer.bring('live')
        gone = self.catalog.delete(catalog.ISCSICdrom, 'live')
        self.importer.forget(gone)
        self.assertEqual([], self.store.holds('iso:'))

    def test_images_of_isos_that_are_gone_are_let_go_some_day(self):
        self._by_url()
        self.importer.bring('live')
        self.store.hold(self.digest, 'iso:gone')
        self.store.hold(self.digest, 'media:1')
        self.importer.tidy(3600)
        self.assertEqual(['iso:live', 'media:1'],
                         sorted(self.store.owners(self.digest)))

    def test_what_a_restart_interrupted_is_known(self):
        self._create('pending')
        self.catalog.set_status(self._create('uploading'),
                                catalog.ISCSICdromStatus('Uploading'))
        self.catalog.set_status(self._create('ready'),
                                catalog.ISCSICdromStatus('Ready'))
        self.assertEqual(['pending', 'uploading'],
                         self.importer.unfinished())

    # Uploads

    def _upload(self, name, chunks, **values):
        with contextlib.closing(self.importer.begin_upload(
                name, **values)) as upload:
            for chunk in chunks:
                upload.write(chunk)
            return upload.finish()

    def test_an_upload_makes_an_iso_ready(self):
        self._create(checksum=self.digest)
        self._require_ready(self._upload('live', [self.content]))
        self.assertEqual(self.content,
                         (self.root / 'live.iso').read_bytes())

    def test_an_upload_that_broke_off_goes_on(self):
        def cut():
            yield self.content[:5000]
            raise ConnectionResetError

        self._create()
        self.assertRaises(ConnectionResetError, self._upload,
                          'live', cut(), total=len(self.content))
        self.assertEqual('Uploading', self._status().phase)
        self._require_ready(self._upload(
            'live', [self.content[5000:]], offset=5000,
            total=len(self.content)))

    def test_an_upload_that_is_no_iso_is_refused_and_can_be_repeated(self):
        self._create()
        error = self.assertRaises(catalog.InvalidError, self._upload,
                                  'live', [b'x' * 100000])
        self.assertIn('the file is not an ISO 9660 image', str(error))
        self.assertEqual('Error', self._status().phase)
        for said in (str(error), self._status().error):
            # Where the server has it is nothing to who uploads.
            self.assertNotIn(str(self.root), said)
        self.assertEqual([], list(self.root.iterdir()))
        self._require_ready(self._upload('live', [self.content]))

    def test_an_iso_that_is_ready_is_not_overwritten(self):
        self._create()
        ready = self._upload('live', [self.content])
        self.assertRaises(catalog.ConflictError, self._upload,
                          'live', [b'x'])
        self._require_ready(ready)

    def test_nothing_is_uploaded_to_an_iso_by_url(self):
        self._by_url()
        self.assertRaises(catalog.ConflictError, self._upload,
                          'live', [b'x'])
        self.assertEqual('Pending', self._status().phase)

    def test_a_deleted_upload_is_gone(self):
        self._create()
        self._upload('live', [self.content])
        self.importer.forget(self.catalog.delete(
            catalog.ISCSICdrom, 'live'))
        self.assertEqual([], list(self.root.iterdir()))

    # Files

    def test_files_become_isos(self):
        for name in ('a.iso', 'localboot.iso', 'known.iso'):
            (self.root / name).write_bytes(self.content)
        (self.root / 'bad.iso').write_bytes(b'x')
        self._create('other', iso_file='known.iso')
        self._create('taken', iso_file='x.iso')
        (self.root / 'taken.iso').write_bytes(self.content)
        found = self.importer.discover()
        self.assertEqual(['a', 'bad'],
                         [cdrom.metadata.name for cdrom in found])
        self._require_ready(found[0])
        self.assertEqual('Error', found[1].status.phase)
        self.assertTrue(found[1].status.error.startswith('bad.iso '),
                        found[1].status.error)
        self.assertEqual([], self.importer.discover())

    def test_a_file_of_an_iso_is_found_once_it_is_there(self):
        self._create(checksum=self.digest)
        self.assertEqual('Pending', self.importer.bring('live').status.phase)
        (self.root / 'live.iso').write_bytes(self.content)
        self._require_ready(self.importer.bring('live'))

    def test_a_file_with_another_checksum_is_refused(self):
        self._create(checksum=f'sha512:{"0" * 128}')
        (self.root / 'live.iso').write_bytes(self.content)
        self.assertIn('checksum', self.importer.bring('live').status.error)
