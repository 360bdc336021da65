# SPDX-License-Identifier: Apache-2.0

"""The iPXE script of a host that asks the boot server."""

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext.catalog import view
from ironic_ext.node import changes
from ironic_ext.node import host as hosts
from ironic_ext.node import targets
from ironic_ext import san
from ironic_ext.san import ipxe as scripts
from ironic_ext.server import answers
from ironic_ext.server import errors
from ironic_ext.server.machines import configs
from ironic_ext.server.machines import identity


class Ipxe:
    """The script of a host; whom nobody knows is told."""

    def __init__(self, finder: identity.Finder, isos: view.Lookup,
                 kept: view.Lookup, run: identity.Run, note: configs.Note
                 ) -> None:
        """Take who tells machines, and the ISOs.

        :param kept: those in memory: raises LookupError for others.
        :param run: runs what may wait in a thread.
        :param note: notes what a machine was given.
        """
        self._note = note
        self._finder = finder
        self._isos = isos
        self._kept = kept
        self._run = run

    async def get(self, asked: identity.Asked) -> answers.Answer:
        """Return the script; a MAC that nobody has gets one, too.

        :raises: BadRequestError without a MAC, UnavailableError,
            TooManyError
        """
        mac = hosts.mac(asked.mac)
        if not mac:
            raise errors.BadRequestError(
                'give the MAC: /ipxe?mac=${mac}, like 52:54:00:12:34:56')
        script = await self._script(mac, self._finder.origin(asked))
        return answers.Answer(script.encode(), answers.PLAIN,
                              headers=answers.NO_STORE)

    async def _script(self, mac: str, address: str) -> str:
        try:
            # Nothing in it is secret: whoever knows the MAC may have it.
            host = await self._finder.named(mac, address)
        except (errors.NotFoundError, errors.ConflictError) as exc:
            # Not an error of HTTP, of which iPXE shows the number alone.
            return scripts.problem(str(exc))
        kept = await self._finder.script_of(host, address)
        if kept is None:
            return scripts.problem(
                f'The script of {host.name} is for its own machine, which is '
                'not known by this address')
        self._note(host, changes.SCRIPT, 'the iPXE script', address)
        if kept:
            return kept
        if host.boots_locally:
            return scripts.local(host.name, host.properties)
        project = host.project
        try:
            iso = configs.iso_of(host, view.View(self._kept, project))
        except LookupError:
            iso = await self._run(configs.iso_of, host,
                                  view.View(self._isos, project))
        if iso is None and not resources.is_name(host.image):
            return scripts.problem(
                f'The ISO of {host.name} is given by URL, not by a name of '
                'the catalog')
        return script(host, iso, mac)


def script(host: hosts.Host, iso: catalog.ISCSICdrom | None, mac: str
           ) -> str:
    """Return what a host boots.

    :param iso: its ISO, None for what the catalog does not have.
    :param mac: as hosts.mac() writes it.
    """
    if host.boots_locally:
        return scripts.local(host.name, host.properties)
    if iso is None:
        return scripts.problem(
            f'The ISO of {host.name} is not in the catalog')
    name = iso.metadata.name
    if iso.status.phase != 'Ready':
        return scripts.problem(
            f'ISO {name} is not ready, it is {iso.status.phase}')
    try:
        target = targets.of_iso(iso.status)
    except san.SanError:
        return scripts.problem(
            f'The iSCSI target of ISO {name} makes no sense')
    if target is None:
        return scripts.problem(f'ISO {name} has no iSCSI target')
    return scripts.sanboot(name, host.name, mac, target)
