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

#: Choices of an ISO that are remembered.
_KNOWN = 1 << 14

#: What boots an ISO, or the sentence that tells why nothing does.
_Ending = scripts.Sanboot | str


class Ipxe:
    """The script of a host; whom nobody knows is told."""

    def __init__(self, finder: identity.Finder, isos: view.Lookup,
                 kept: configs.AtHand, run: identity.Run, note: configs.Note
                 ) -> None:
        """Take who tells machines, and the ISOs.

        :param kept: those in memory.
        :param run: runs what may wait in a thread.
        :param note: notes what a machine was given.
        """
        self._note = note
        self._finder = finder
        self._isos = isos
        self._kept = kept
        self._run = run
        # By image and project: what became of an ISO in memory, and when.
        self._endings: dict[tuple[str, str], tuple[int, _Ending]] = {}

    async def get(self, asked: identity.Asked) -> answers.Answer:
        """Return the script; a MAC that nobody has gets one, too.

        :raises: BadRequestError without a MAC, UnavailableError,
            TooManyError
        """
        if not asked.mac:
            raise errors.BadRequestError(
                'give the MAC: /ipxe?mac=${mac}, like 52:54:00:12:34:56')
        script = await self._script(asked.mac, asked.address)
        return answers.Answer(script.encode(), answers.PLAIN,
                              headers=answers.NO_STORE)

    async def _script(self, mac: str, address: str) -> str:
        """Return the script of who has a MAC, in any form.

        :raises: BadRequestError for none, UnavailableError, TooManyError
        """
        try:
            # Nothing in it is secret: whoever knows the MAC may have it.
            host = await self._finder.named(mac, address)
        except (errors.NotFoundError, errors.ConflictError) as exc:
            # Not an error of HTTP, of which iPXE shows the number alone.
            return scripts.problem(str(exc))
        kept = self._finder.script(host)
        if kept and not await self._finder.may_have_script(host, address):
            return scripts.problem(
                f'The script of {host.name} is for its own machine, which is '
                'not known by this address')
        self._note(host, changes.SCRIPT, 'the iPXE script', address)
        if kept:
            return kept
        if host.boots_locally:
            return scripts.local(host.name, host.properties)
        try:
            ending = self._at_hand(host)
        except LookupError:
            ending = _ending(host, await self._run(
                configs.iso_of, host, view.View(self._isos, host.project)))
        if isinstance(ending, str):
            return scripts.problem(ending)
        return ending.text(
            host.name, mac if mac in host.macs else hosts.mac(mac))

    def _at_hand(self, host: hosts.Host) -> _Ending:
        """Return what a host ends in, of what is in memory.

        Many boot the same one.

        :raises: LookupError
        """
        chosen = host.image, host.project
        generation = self._kept.generation
        known = self._endings.get(chosen)
        if known is not None and known[0] == generation:
            return known[1]
        iso = configs.iso_of(host, view.View(self._kept, host.project))
        ending = _ending(host, iso)
        if iso is not None:
            if len(self._endings) >= _KNOWN:
                self._endings.clear()
            self._endings[chosen] = generation, ending
        return ending


def _ending(host: hosts.Host, iso: catalog.ISCSICdrom | None) -> _Ending:
    """Return what boots an ISO, or why nothing does.

    That of an ISO says nothing of the host.
    """
    if iso is None:
        return f'The ISO of {host.name} is ' + (
            'not in the catalog' if resources.is_name(host.image)
            else 'given by URL, not by a name of the catalog')
    name = iso.metadata.name
    if iso.status.phase != 'Ready':
        return f'ISO {name} is not ready, it is {iso.status.phase}'
    try:
        target = targets.of_iso(iso.status)
    except san.SanError:
        return f'The iSCSI target of ISO {name} makes no sense'
    if target is None:
        return f'ISO {name} has no iSCSI target'
    return scripts.Sanboot(name, target)
