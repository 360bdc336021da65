# SPDX-License-Identifier: Apache-2.0

"""The config of a machine: found, made, kept, and served.

What is in memory is answered at once; what has to be read or rendered is
made by a thread that may wait.
"""

import collections
import collections.abc
import json
import threading
import typing
import weakref

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext.catalog import rules
from ironic_ext.catalog import view
from ironic_ext import config_formats
from ironic_ext.config_formats import delivery as ways
from ironic_ext.node import changes
from ironic_ext.node import host as hosts
from ironic_ext.server import answers
from ironic_ext.server import errors
from ironic_ext.server.machines import identity

#: Characters of configs without templates that are kept ready to be served.
_READY = 64 << 20
#: Choices of ISO and config that are remembered to fit.
_FITS = 1 << 14
#: What Ironic's API shows in place of a secret (node_sanitize in
#: ironic/api/controllers/v1/node.py).
_HIDDEN = '******'


#: Takes a host, a kind of change, what was fetched, and from where.
Note = collections.abc.Callable[[hosts.Host, str, str, str], None]
Links = collections.abc.Callable[[hosts.Host], dict[str, typing.Any]]


class AtHand(view.Lookup, typing.Protocol):
    """What is in memory: raises LookupError for the rest.

    :ivar generation: another one after each change.
    """

    generation: int


class Configs:
    """Makes the configs of hosts; keeps those that are alike for all."""

    def __init__(self, lookup: view.Lookup, kept: AtHand,
                 links: Links = lambda host: {},
                 delivery: str = ways.INJECT) -> None:
        """Take the catalog that configs come from.

        :param delivery: how inline configs reach machines unless the node
            says.
        :param kept: what is in memory of it.
        :param links: what templates know beside the facts of a host: see
            tokens.links().
        """
        self._lookup = lookup
        self._kept = kept
        self._links = links
        self._delivery = delivery
        # What was made first goes first.
        self._ready: collections.OrderedDict[
            tuple[str, str], config_formats.Config] = (
                collections.OrderedDict())
        self._size = 0
        # By image, config and project: what was judged to fit, and when.
        self._fits: dict[tuple[str, str, str], tuple[
            int, weakref.ref[config_formats.Config]]] = {}
        self._lock = threading.Lock()

    def of(self, host: hosts.Host, by_token: bool = True
           ) -> config_formats.Config:
        """Return what a host is given; the catalog's rules hold.

        :param by_token: whether it is asked for by a token, such as that
            of the URL which a conductor gave to the machine.

        :raises: NotFoundError, ForbiddenError, ConflictError, DatabaseError
        """
        if not host.config:
            raise errors.NotFoundError(f'host {host.name} has no config')
        way = host.delivery or self._delivery
        # By AUTO it went into the ISO, or its URL has a token.
        if isinstance(host.config, dict) and way != ways.URL and not (
                way == ways.AUTO and by_token):
            raise errors.ForbiddenError(
                'the inline config of this host goes into its ISO, and to '
                f'nobody by URL: set instance_info/{hosts.DELIVERY_KEY} to '
                f'"{ways.URL}" if it is to')
        if isinstance(host.config, dict) and _HIDDEN in json.dumps(
                host.config):
            raise errors.ConflictError(
                f'the inline config of host {host.name} has what Ironic\'s '
                f'API takes for a password and hides: put the config into '
                f'the catalog')
        seen = view.View(self._lookup, host.project)
        try:
            if host.config_name:
                return self._named(host, seen)
            found = config_formats.plan_boot_config(
                host.config, iso=iso_of(host, seen), facts=self._facts(host),
                lookup=seen.config, project=seen.project)
        except config_formats.ConfigError as exc:
            raise errors.ConflictError(
                f'the config of host {host.name} cannot be used: {exc}'
            ) from exc
        except catalog.InvalidError as exc:
            raise errors.ConflictError(str(exc)) from exc
        assert found is not None
        return found

    def at_hand(self, host: hosts.Host) -> config_formats.Config | None:
        """Return what :meth:`of` would, or None when it takes time.

        Nothing is read, parsed or rendered; errors take the time that they
        take.
        """
        # Many ask for the same again.
        named = host.image, host.config_name, host.project
        generation = self._kept.generation
        known = self._fits.get(named)
        if known is not None and known[0] == generation:
            ready = known[1]()
            if ready is not None:
                return ready
        try:
            found = _config_of(host, view.View(self._kept, host.project))
        except (LookupError, errors.ServerError, catalog.CatalogError):
            return None
        ready = None if found.spec.template else self._kept_ready(found)
        if ready is not None:
            if len(self._fits) >= _FITS:
                self._fits.clear()
            self._fits[named] = generation, weakref.ref(ready)
        return ready

    def _named(self, host: hosts.Host, seen: view.View
               ) -> config_formats.Config:
        found = _config_of(host, seen)
        if found.spec.template:
            return config_formats.resolve(found.spec, self._facts(host))
        ready = self._kept_ready(found)
        if ready is not None:
            return ready
        ready = config_formats.resolve(found.spec)
        with self._lock:
            key = _key(found)
            if key not in self._ready:
                self._ready[key] = ready
                self._size += _size(ready)
            while self._size > _READY:
                self._size -= _size(self._ready.popitem(last=False)[1])
        return ready

    def _facts(self, host: hosts.Host) -> dict[str, typing.Any]:
        return {**host.facts, **self._links(host)}

    def _kept_ready(self, config: catalog.BootConfig
                    ) -> config_formats.Config | None:
        return self._ready.get(_key(config))


class MachineConfig:
    """The config of whoever asks, and its files by their paths."""

    def __init__(self, finder: identity.Finder, configs: Configs,
                 run: identity.Run, note: Note) -> None:
        """Take who tells machines, and their configs.

        :param run: runs what may wait in a thread.
        :param note: notes what a machine was given.
        """
        self._note = note
        self._finder = finder
        self._configs = configs
        self._run = run

    async def get(self, asked: identity.Asked, path: str = ''
                  ) -> answers.Answer:
        """Return a file of the config, the primary one without a path.

        :raises: what Finder.asking() and Configs.of() raise, NotFoundError
        """
        host = await self._finder.asking(asked)
        config = self._configs.at_hand(host)
        if config is None:
            config = await self._run(self._configs.of, host,
                                     bool(asked.token))
        wanted = path or config.primary
        if not wanted:
            raise errors.NotFoundError(
                f'the config of host {host.name} has no primary file: ask '
                f'for one by its path')
        if wanted not in config.files:
            raise errors.NotFoundError(
                f'the config of host {host.name} has no such file')
        self._note(host, changes.CONFIG, wanted, asked.address)
        return answers.Answer(config.files[wanted].encode(),
                              config.content_type(wanted),
                              headers=answers.NO_STORE)


def iso_of(host: hosts.Host, seen: view.View) -> catalog.ISCSICdrom | None:
    """Return a host's ISO, None for none or one by URL.

    :param seen: what of the catalog the host's project has.
    :raises: what the catalog raises
    """
    return seen.iso(host.image) if resources.is_name(host.image) else None


def _config_of(host: hosts.Host, seen: view.View) -> catalog.BootConfig:
    """Return the config that a host names.

    :param seen: what of the catalog the host's project has.
    :raises: NotFoundError, InvalidError
    """
    iso, name = iso_of(host, seen), host.config_name
    found = seen.config(name) if resources.is_name(name) else None
    if found is None:
        raise errors.NotFoundError(
            f'host {host.name} is to get a BootConfig that does not exist')
    rules.require_fit(iso, name, config=found, project=seen.project,
                      field='bootConfigRef')
    return found


def _key(config: catalog.BootConfig) -> tuple[str, str]:
    return config.metadata.uid, config.metadata.resource_version


def _size(config: config_formats.Config) -> int:
    return sum(map(len, config.files.values()))
