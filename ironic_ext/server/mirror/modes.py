# SPDX-License-Identifier: Apache-2.0

"""Which hosts boot once although nobody says so.

A config that has a system install itself must not be booted twice. That is
the format's to say, so the config has to be known: a host is looked at again
when its config in the catalog changes.
"""

import collections.abc
import dataclasses
import logging
import threading
import time
import typing

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext.catalog import view
from ironic_ext import config_formats
from ironic_ext.config_formats import registry
from ironic_ext.node import boot_state
from ironic_ext.node import host as hosts

LOG = logging.getLogger(__name__)

#: Seconds for which a database that did not answer is not asked again.
_SILENCE = 30.0


class Modes:
    """Gives hosts the mode that their configs ask for. Thread-safe."""

    def __init__(self, lookup: view.Lookup) -> None:
        """Take the catalog that configs come from."""
        self._lookup = lookup
        self._lock = threading.Lock()
        # Hosts whose config could not be read.
        self._unsure: set[str] = set()
        self._silent_until = 0.0

    def of(self, host: hosts.Host, info: collections.abc.Mapping[
            str, typing.Any]) -> hosts.Host:
        """Return a host with its boot mode.

        What its node says itself holds, and what a conductor has prepared.

        :param info: ``instance_info`` of its node.
        """
        if (not host.config or host.boot_mode == hosts.ONCE
                or info.get(boot_state.MODE_KEY) == hosts.FOREVER
                or host.boot.begun and not host.boot.ended_at
                or not self._installs(host)):
            return host
        return dataclasses.replace(host, boot_mode=hosts.ONCE)

    def unsure(self) -> set[str]:
        """Return the UUIDs of those that are to be looked at again."""
        with self._lock:
            found, self._unsure = self._unsure, set()
        return found

    def _installs(self, host: hosts.Host) -> bool:
        try:
            name = self._format(host)
            return bool(name) and registry.format_for(name).installs
        except config_formats.ConfigError:
            # Whoever makes the config says what is wrong with it.
            return False
        except catalog.CatalogError as exc:
            LOG.warning('Whether host %s boots once cannot be told now: %s',
                        host.name, exc)
            self._silent_until = time.monotonic() + _SILENCE
            self._note_unsure(host)
            return False

    def _format(self, host: hosts.Host) -> str:
        if isinstance(host.config, dict):
            said = host.config.get('format')
            return said if isinstance(said, str) else ''
        if not resources.is_name(host.config_name):
            return ''
        if time.monotonic() < self._silent_until:
            self._note_unsure(host)
            return ''
        found = view.View(self._lookup, host.project).config(
            host.config_name)
        return found.spec.format if found else ''

    def _note_unsure(self, host: hosts.Host) -> None:
        with self._lock:
            self._unsure.add(host.uuid)
