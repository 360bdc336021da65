# SPDX-License-Identifier: Apache-2.0

"""A site of containers: conductor, media server and boot server.

Their images are built as the documentation says, and one machine is
deployed. Its BMC tells what it was given, and programs that are not this
project's read that.
"""

from importlib import metadata
import subprocess
import urllib.request

import testtools

from lab import bare_metal
from lab import boot_server
from lab import media_server
from lab import process
from tests import containers
from tests.functional import boot_matrix
from tests.functional import fake_emulator
from tests import isos

# As images of kolla have it.
_IRONIC = """\
ARG BASE
FROM ${BASE}
RUN groupadd --gid 42422 ironic \\
    && useradd --uid 42422 --gid 42422 --home-dir /var/lib/ironic ironic \\
    && python3 -m venv /var/lib/kolla/venv
ARG VERSION
RUN /var/lib/kolla/venv/bin/pip install --no-cache-dir ironic==${VERSION}
ENV PATH=/var/lib/kolla/venv/bin:$PATH
USER ironic
"""


class _Ironic(containers.Contained, bare_metal.Ironic):

    program = 'ironic'


class _MediaServer(containers.Contained, media_server.MediaServer):
    """Streams what is on record."""


class _BootServer(containers.Contained, boot_server.Process):
    """Its state is in the folder of the site."""


class SiteTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        containers.require()
        self.store = self.useFixture(containers.Store())
        self.folder = self.store.directory / 'site'
        self.parts = {}
        for name in ('ironic', 'media', 'boot', 'http', 'images'):
            self.parts[name] = self.folder / name
            self.parts[name].mkdir(parents=True)
        servers = self.store.context / 'containers/Containerfile'
        self.images = {name: self.store.build(
            f'ironic-{name}', servers, '--target', name)
            for name in ('media-server', 'boot-server')}
        recipe = self.store.directory / 'Containerfile.ironic'
        recipe.write_text(_IRONIC)
        self.images['ironic'] = self.store.build(
            'conductor', self.store.context
            / 'containers/Containerfile.conductor',
            BASE=self.store.build('ironic', recipe,
                                  VERSION=metadata.version('ironic')),
            PIP='/var/lib/kolla/venv/bin/pip', PIP_OPTIONS='')

    def _run(self, service, image):
        service.contain(self.store, self.images[image], self.folder)
        self.addCleanup(service.stop)
        service.start()

    def _start(self):
        self.media = _MediaServer('media-server', self.parts['media'],
                                  self.parts['images'])
        self.boot = _BootServer(self.parts['boot'], keeps_hosts=True)
        self.ironic = _Ironic(
            self.parts['ironic'], http_root=self.parts['http'],
            http_url='http://127.0.0.1:9', images=self.parts['images'],
            extra=media_server.SHARED_CONFIG.format(
                directory=self.parts['media'], delivery='stream',
                url=self.media.url) + self.boot.shared_config)
        self.ironic.create_schema()
        self.boot.configure(self.ironic.url)
        for service, image in ((self.media, 'media-server'),
                               (self.ironic, 'ironic'),
                               (self.boot, 'boot-server')):
            self._run(service, image)

    def _asked(self, path):
        with urllib.request.urlopen(self.boot.url + path,
                                    timeout=60) as answer:
            return answer.read().decode()

    def test_a_machine_is_deployed_by_containers(self):
        image = isos.lorax_like(self.parts['images'])
        self._start()
        emulator = fake_emulator.shared()
        host = boot_matrix.Host(boot_matrix.States(self.ironic), emulator,
                                self.parts['http'], None, 1)
        host.create(name='machine-1')
        host.patch(instance_info__boot_iso=image.as_uri(),
                   instance_info__kernel_append_params='machine=one')
        host.provision('active', 'active')

        # What the BMC was told to read is read by somebody else.
        url = host.inserted()['Cd']
        self.assertTrue(url.startswith(self.media.url), url)
        copy = self.store.directory / 'copy.iso'
        with urllib.request.urlopen(url, timeout=60) as answer:
            copy.write_bytes(answer.read())
        config = subprocess.run(
            ['bsdtar', '-xOf', copy, 'EFI/BOOT/grub.cfg'], check=True,
            capture_output=True, text=True).stdout
        self.assertIn('machine=one', config)
        # It looks at Ironic twice a second.
        process.await_condition(
            lambda: 'machine-1' in self._asked(f'/ipxe?mac={host.mac}'),
            'the boot server to know the machine', timeout=120)

        # It can be told by Ironic.
        self.boot.inside('/opt/ironic-ext/bin/python', '-c',
                         'import oslo_messaging')
        for service in (self.media, self.boot):
            # One that answers late on a busy machine is asked again.
            process.await_condition(service.is_healthy, service.name,
                                    timeout=120, interval=1)
            # Nobody in there is root, or can be, or write to the image.
            self.assertEqual(f'{containers.USER}\n',
                             service.inside('id', '--user'))
            said = self.assertRaises(process.LabError, service.inside,
                                     'touch', '/opt/ironic-ext/file')
            self.assertIn('Read-only file system', str(said))
        self.store.run('kill', '--signal', 'STOP', self.boot.name)
        self.assertFalse(self.boot.is_healthy())
        self.store.run('kill', '--signal', 'CONT', self.boot.name)

        # A new container goes on where the last one was killed.
        self.store.run('kill', '--signal', 'KILL', self.media.name)
        self.media.stop()
        self._run(self.media, 'media-server')
        with urllib.request.urlopen(url, timeout=60) as answer:
            self.assertEqual(copy.read_bytes(), answer.read())
        host.provision('deleted', 'available')
        self.assertEqual({}, host.inserted())
