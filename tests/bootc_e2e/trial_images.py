# SPDX-License-Identifier: Apache-2.0

"""Where the images of a trial are: an operator's registry, the lab's own.

The lab's own has the newer image that the machine is updated to. Where the
operator's is on this machine, which an emulated one cannot reach by that
name, the lab's has that image, too, and the network is walled off.
"""

import argparse
import contextlib
import json
import pathlib
import shutil
import subprocess

from ironic_ext.bootc import credentials
from ironic_ext.bootc import reference
from lab import hypervisor
from lab import private_network
from tests.bootc_e2e import newer_image
from tests.functional import registry

_LOOPBACK = ('127.0.0.1', 'localhost')
_OS, _UPDATES = 'lab/os', 'lab/updates'
_USER, _PASSWORD = 'puller', 'pull-4Jx0cVtM'


class Images:
    """The image to deploy, and the one to update to."""

    def __init__(self, arguments: argparse.Namespace, *, private: bool
                 ) -> None:
        """Read what there is to know; nothing is fetched yet.

        :param private: whether the lab's registry wants a password.
        :raises: BootcError, OSError
        """
        self._arguments = arguments
        self._image = reference.Reference.parse(arguments.image)
        self._users = {_USER: _PASSWORD} if private else None
        self._credential = None
        if arguments.credentials is not None:
            self._credential = credentials.Credential.parse(
                arguments.credentials.read_text(), self._image.registry)
        self._ca = arguments.ca and arguments.ca.read_text()
        #: Whether nothing but this machine is reached.
        self.isolated = (self._image.registry.partition(':')[0]
                         in _LOOPBACK)
        #: The newer image's digest, once it is there.
        self.newer_digest = ''
        self._own: registry.Registry | None = None

    def fetch(self, folder: pathlib.Path) -> bool:
        """Fetch the image, unless nobody needs it here.

        :raises: CalledProcessError; skopeo has said why.
        """
        if not self._arguments.update and not self.isolated:
            return False
        flags = []
        if self._arguments.insecure:
            flags.append('--src-tls-verify=false')
        if self._ca is not None:
            directory = folder / 'certificates'
            directory.mkdir()
            (directory / 'ca.crt').write_text(self._ca)
            flags.append(f'--src-cert-dir={directory}')
        if self._credential is not None:
            path = folder / 'auth.json'
            path.touch(mode=0o600)
            path.write_text(json.dumps(self._credential.to_dict()))
            flags.append(f'--src-authfile={path}')
        subprocess.run(
            ['skopeo', 'copy', '--insecure-policy', '--quiet', *flags,
             f'docker://{self._image}', f'dir:{folder}/old'], check=True,
            stdin=subprocess.DEVNULL)
        return True

    def serve(self, folder: pathlib.Path, stack: contextlib.ExitStack
              ) -> None:
        """Have the lab's registry; what was fetched is gone then."""
        if self.isolated:
            stack.enter_context(private_network.private_network())
        self._own = registry.Registry(self._users, names=[hypervisor.HOST])
        self._own.setUp()
        stack.callback(self._own.cleanUp)
        if self.isolated:
            self._own.copy(f'dir:{folder}/old', _OS, '1',
                           '--preserve-digests')
        if self._arguments.update:
            self.newer_digest = newer_image.make(folder / 'old',
                                                 folder / 'new')
            self._own.copy(f'dir:{folder}/new', _UPDATES, '1',
                           '--preserve-digests')
            shutil.rmtree(folder / 'new')
        shutil.rmtree(folder / 'old')

    @property
    def name(self) -> str:
        """What is deployed, as image_source has it."""
        if self.isolated and self._own is not None:
            return f'oci://{self._own.host}/{_OS}:1'
        return f'oci://{self._image}'

    @property
    def driver_info(self) -> dict[str, str]:
        """How its registry is reached, and what it is believed by."""
        if self.isolated and self._own is not None:
            return {'bootc_ca': self._own.ca,
                    # The same registry, where the machine finds it.
                    'bootc_mirrors': f'{self._own.host}={self._outside}'}
        found = {'bootc_ca': self._ca} if self._ca is not None else {}
        if self._arguments.insecure:
            found['bootc_insecure'] = 'true'
        return found

    @property
    def secret(self) -> str | None:
        """A config.json for all that the machine asks."""
        auths: dict[str, object] = {}
        if self._credential is not None and not self.isolated:
            auths |= self._credential.to_dict()['auths']
        if self._own is not None and self._users is not None:
            login = credentials.Login(_USER, _PASSWORD).to_dict()
            auths |= {self._outside: login, self._own.host: login}
        return json.dumps({'auths': auths}) if auths else None

    @property
    def updates(self) -> str:
        """What the machine is updated from."""
        return f'{self._outside}/{_UPDATES}:1'

    @property
    def trust(self) -> tuple[str, str]:
        """Where containers tools look for an authority, and that one."""
        assert self._own is not None
        return f'/etc/containers/certs.d/{self._outside}', self._own.ca

    @property
    def _outside(self) -> str:
        """The lab's registry as a machine finds it."""
        assert self._own is not None
        return f'{hypervisor.HOST}:{self._own.port}'
