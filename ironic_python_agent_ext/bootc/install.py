# SPDX-License-Identifier: Apache-2.0

"""A bootable container onto a disk: the steps of an install, in their order.

Each step is a module; what is decided here is the order, and that whatever
happens nothing is left: no image, no file, no credential.
"""

import collections.abc
import contextlib
import dataclasses
import os
import platform
import time

from ironic_python_agent import errors as agent_errors
from ironic_python_agent import partition_utils
from oslo_log import log

from ironic_ext.bootc import errors
from ironic_ext.bootc import options as bootc_options
from ironic_ext.bootc import reference
from ironic_ext.bootc import registry
from ironic_ext.bootc import request as requests
from ironic_python_agent_ext.bootc import boot_entry
from ironic_python_agent_ext.bootc import disks
from ironic_python_agent_ext.bootc.image import facts as image_facts
from ironic_python_agent_ext.bootc.image import files as image_files
from ironic_python_agent_ext.bootc import installed_root
from ironic_python_agent_ext.bootc import leftovers
from ironic_python_agent_ext.bootc import machine as machines
from ironic_python_agent_ext.bootc import partition_budget
from ironic_python_agent_ext.bootc import podman
from ironic_python_agent_ext.bootc import podman_output
from ironic_python_agent_ext.bootc import preflight
from ironic_python_agent_ext.bootc import process
from ironic_python_agent_ext.bootc import progress
from ironic_python_agent_ext.bootc import pull_files
from ironic_python_agent_ext.bootc import stacks
from ironic_python_agent_ext.bootc import storage
from ironic_python_agent_ext.bootc import storage_plan
from ironic_python_agent_ext.bootc import verify

LOG = log.getLogger(__name__)

#: Where bootc finds the keys in its container.
_KEYS_INSIDE = '/run/ironic-bootc-authorized-keys'
#: Lines of bootc's output that get into the log.
_MAX_LOGGED = 1000


@dataclasses.dataclass(frozen=True)
class _Run:
    """What the run of bootc goes by."""

    caller: podman.Podman
    machine: machines.Machine
    budget: partition_budget.Budget
    wanted: preflight.Layout
    facts: image_facts.Facts


class Install:
    """One image, on its way to one disk."""

    def __init__(self, request: requests.InstallRequest, device: str,
                 observer: progress.Observer = progress.ignore,
                 machine: machines.Machine | None = None) -> None:
        """Take what is to be done.

        :param device: path of the disk, all of which is overwritten.
        :param machine: what there is to reckon with, if not what is found.
        """
        self._request = request
        self._image: reference.Reference = request.image
        self._size = request.size
        self._device = device
        self._observer = observer
        self._machine = machine
        self._begun = time.monotonic()
        self._deadline = self._begun + request.options.timeout
        self._layers: set[str] = set()
        self._logged = 0

    def run(self) -> str:
        """Install, and return a sentence that says so.

        :raises: BootcError of the kind that fits.
        """
        self._tell('preparing')
        leftovers.remove()
        try:
            wanted = self._install()
        except errors.InstallTimeoutError:
            raise errors.InstallTimeoutError(
                f'image {self._image} was not pulled and installed within '
                f'{self._request.options.timeout} s (option "timeout")'
            ) from None
        finally:
            self._tell('cleaning up')
            with _unhindered('what the install left'):
                leftovers.remove()
        self._finish(wanted)
        return f'image {self._image} is installed on {self._device}'

    def _install(self) -> preflight.Layout:
        """Everything that needs the image."""
        storage.load_modules()
        machine = self._machine or machines.Machine.look()
        storage.STATE.mkdir(mode=0o700, parents=True)
        files = pull_files.for_every_call(machine, storage.STATE / 'podman')
        files.write()
        caller = podman.Podman(pull_files.GRAPH / 'tmp', files.variables)
        version = caller.version()
        self._look_up()
        plan = self._plan(machine)
        LOG.info('The image lies on %(kind)s', {'kind': plan.kind})
        if plan.kind == storage_plan.TARGET:
            # What runs on the disk might write over the store.
            stacks.take_down(self._device)
        store = storage.Store.make(plan)
        (pull_files.GRAPH / 'tmp').mkdir(mode=0o700)
        facts = self._pull(caller, store, version >= podman.PARTS)
        # From here on the image is known, and the disk is as it was.
        self._tell('looking at the image')
        wanted = preflight.layout(str(self._image), self._request.options,
                                  facts, machine)
        budget = partition_budget.plan(
            machines.block_size(self._device), self._request.options,
            self._size.unpacked,
            storage_plan.BACKUP_TABLE + plan.size
            if plan.kind == storage_plan.TARGET else 0,
            encrypted=wanted.encrypted, composefs=wanted.composefs)
        storage_plan.require_room(
            str(self._image), store.room,
            caller.largest_layer(str(self._image)))
        run = _Run(caller, machine, budget, wanted, facts)
        self._run_bootc(run, store)
        return wanted

    def _look_up(self) -> None:
        """Ask the registry what the conductor did not tell.

        That is when a person, or stock Ironic, asks. podman may know more
        then: the ramdisk may have authorities and logins of its own.

        :raises: ArchitectureError, NotBootableError
        """
        if self._image.digest and self._size.compressed:
            return
        try:
            found = registry.require_bootable(
                self._image, platform.machine(), trust=self._request.trust,
                credential=self._request.credential)
        except errors.RegistryError as exc:
            LOG.info('Nothing is known of the image before it is pulled: '
                     '%s', exc)
        else:
            self._image, self._size = found.reference, found.size

    def _plan(self, machine: machines.Machine) -> storage_plan.StorePlan:
        """Choose the store; refuse a disk that is too small in any case."""
        options = self._request.options
        disk = machines.block_size(self._device)
        budget = partition_budget.plan(disk, options, self._size.unpacked)
        # What the image may want beside it, is not known yet.
        most = partition_budget.most(options)
        return storage_plan.plan(
            machine.memory,
            storage_plan.ImageSize(self._size.compressed, self._size.unpacked,
                                   self._size.largest),
            self._hints(machine, budget.spare - most), machine.zram,
            machine.compressors)

    def _hints(self, machine: machines.Machine, room: int
               ) -> storage_plan.Hints:
        wanted = self._request.store
        scratch = wanted.device
        if scratch is not None:
            disks.require_not_skipped(scratch)
        if scratch is None and wanted.kind == 'disk':
            scratch = disks.blank_disk(self._device)
        if scratch is not None and os.path.realpath(
                scratch) == os.path.realpath(self._device):
            raise errors.StoreError(
                f'scratch disk {scratch} is the disk to install on: allow '
                'that by allow_target_disk')
        target = self._device if wanted.allow_target_disk else None
        if target is not None and not machine.loop:
            LOG.warning('The disk that is installed to cannot hold the '
                        'image: the kernel has no loop devices')
            target = None
        return storage_plan.Hints(kind=wanted.kind, scratch=scratch,
                                  target=target, target_room=room)

    def _pull(self, caller: podman.Podman, store: storage.Store,
              in_parts: bool) -> image_facts.Facts:
        """Fetch the image, and what it is bound to.

        The credentials are gone afterwards, before anything of it runs.
        """
        directory = storage.STATE / 'pull'
        files = pull_files.for_pull(self._request, directory)
        parts = (pull_files.for_parts(directory) if in_parts
                 else pull_files.Files({}))
        self._tell('pulling')
        try:
            files.write()
            parts.write()
            caller.pull(str(self._image), files.flags, files.variables,
                        self._deadline, self._on_pull_line,
                        lambda: self._tell('pulling', store.used),
                        parts.variables)
            root = caller.mount(str(self._image))
            unified = image_files.is_unified(root)
            payload = image_files.has_boot_payload(root)
            tools = image_files.tools(root)
            bound = ([] if self._request.options.bound_images
                     in ('skip', 'pull') else image_files.bound_images(
                         root, str(self._image)))
            caller.unmount(str(self._image))
            for image in bound:
                self._tell(f'pulling bound image {image}')
                caller.pull(str(image), files.flags, files.variables,
                            self._deadline)
        finally:
            leftovers.remove_files(directory)
        return dataclasses.replace(
            caller.facts(str(self._image)), unified=unified, tools=tools,
            boot_payload=payload,
            history=caller.has_history(str(self._image)))

    def _run_bootc(self, run: '_Run', store: storage.Store) -> None:
        """Have the image install itself."""
        mounts, keys = self._authorized_keys()
        image, options = str(self._image), self._request.options

        def arguments(filesystem: str | None) -> list[str]:
            found = options.arguments(
                target_imgref=self._request.imgref,
                root_size=run.budget.root, filesystem=filesystem,
                authorized_keys_path=keys)
            preflight.require_flags(image, found, run.facts)
            return found

        def attempt(flags: list[str]) -> process.Outcome:
            return run.caller.install(
                image, flags, self._device, self._deadline, mounts,
                run.machine.selinux, self._on_bootc_line,
                lambda: self._tell(
                    'installing',
                    # By now nothing but /var/tmp grows in the store. What
                    # is written there has no name while it is open.
                    temporary=max(store.used - stored, 0),
                    written=machines.written_bytes(self._device) - before))

        # bootc that does not tell what its image is configured for, says
        # that it wants to be told.
        known = run.facts.configuration is not None
        flags = arguments(None if run.wanted.filesystem or not known
                          else bootc_options.FALLBACK_FILESYSTEM)
        stacks.take_down(self._device)
        stored, before = store.used, machines.written_bytes(self._device)
        self._tell('installing')
        outcome = attempt(flags)
        if outcome.code and podman_output.lacks_file_system(outcome.lines):
            LOG.info('The image names no root file system: it gets %s',
                     bootc_options.FALLBACK_FILESYSTEM)
            outcome = attempt(arguments(bootc_options.FALLBACK_FILESYSTEM))
        if podman_output.disables_selinux(outcome.lines):
            LOG.warning('Image %s has SELinux, which option "selinux" '
                        'switches off in the installed system', image)
        if outcome.code:
            raise podman_output.install_error(image, outcome.code,
                                              outcome.lines)

    def _authorized_keys(self) -> tuple[dict[str, str], str | None]:
        keys = self._request.options.authorized_keys
        if not keys:
            return {}, None
        path = storage.STATE / 'authorized_keys'
        pull_files.Files({path: keys}).write()
        return {str(path): _KEYS_INSIDE}, _KEYS_INSIDE

    def _finish(self, wanted: preflight.Layout) -> None:
        """Everything that needs the disk alone."""
        machine = self._machine or machines.Machine.look()
        self._tell('verifying')
        layout = verify.read(self._device)
        root = verify.check(self._device, layout, wanted, machine.uefi)
        if self._request.options.update_auth:
            self._leave_auth(root)
        if self._request.configdrive:
            self._tell('writing config drive')
            _write_config_drive(self._request, self._device)
        if machine.uefi and not self._request.options.generic_image:
            self._tell('setting boot entry')
            boot_entry.ensure(self._device, layout)

    def _leave_auth(self, root: verify.Partition) -> None:
        assert self._request.credential is not None
        self._tell('leaving the secret for updates')
        installed_root.write_auth(root.path, root.content,
                                  self._request.credential.to_dict())

    def _tell(self, phase: str, stored: int = 0, *, temporary: int = 0,
              written: int = 0) -> None:
        self._observer(progress.Progress(
            phase, len(self._layers), stored,
            self._size.compressed or None,
            time.monotonic() - self._begun, temporary, written))

    def _on_pull_line(self, line: str) -> None:
        LOG.debug('podman: %s', podman_output.clean(line))
        if line.startswith('Copying blob '):
            self._layers.add(line.split()[2])

    def _on_bootc_line(self, line: str) -> None:
        self._logged += 1
        if self._logged <= _MAX_LOGGED:
            LOG.info('bootc: %s', podman_output.clean(line))


def _write_config_drive(request: requests.InstallRequest, device: str
                        ) -> None:
    """Append the config drive's partition, as Ironic's agent does it.

    :raises: VerifyError
    """
    try:
        partition_utils.create_config_drive_partition(
            request.node_uuid or 'local', device, request.configdrive)
    except agent_errors.RESTError as exc:
        raise errors.VerifyError(
            f'the config drive cannot be written: {exc.details}') from exc


@contextlib.contextmanager
def _unhindered(what: str) -> collections.abc.Iterator[None]:
    """Log a failure to tidy up: it must not hide another, or an install."""
    try:
        yield
    except errors.BootcError as exc:
        LOG.error('%(what)s stays: %(why)s', {'what': what, 'why': exc})
