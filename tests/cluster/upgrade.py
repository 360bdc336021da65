# SPDX-License-Identifier: Apache-2.0

"""A rolling upgrade of Ironic: host by host, amid deploys.

As Ironic's guide has it: tables first, then conductors that are pinned to the
old release, then the API, then all without the pin.
"""

import collections.abc

from tests.cluster import hosts
from tests.cluster import releases
from tests.cluster import site as sites

_PINNED = '\n[DEFAULT]\npin_release_version = {release}\n'


class Ironic:
    """API and conductors of a site, and which release each has."""

    def __init__(self, site: sites.Site) -> None:
        self._site = site
        self._names = ('api', *site.named('c'))
        self._stock = {name: dict(self._host(name).extra_environment)
                       for name in self._names}
        self._settings = site.shared.read_text()

    def _host(self, name: str) -> hosts.Host:
        service = self._site.services[name]
        assert isinstance(service, hosts.Host)
        return service

    def begin_with_oldest(self) -> None:
        """Have all at the oldest release, with a database of its own.

        What Ironic knew is gone.

        :raises: LabError
        """
        oldest = releases.oldest()
        for name in reversed(self._names):
            self._host(name).stop()
            self._host(name).extra_environment = {
                **self._stock[name], **oldest}
        self._site.database.empty('ironic')
        self._site.change_tables('upgrade', oldest)
        for name in self._names:
            self._site.start(name)

    def version(self) -> str:
        """Return the newest version of the API that it speaks."""
        newest: str = self._site.call('GET', '/v1')['version']['version']
        return newest

    def upgrade(self) -> collections.abc.Iterator[str]:
        """Upgrade one host after the other; name each that was.

        Whoever is named goes on when the next one is asked for.

        :raises: LabError
        """
        self._write(_PINNED.format(release=releases.PIN))
        self._site.change_tables('upgrade')
        for name in reversed(self._names):
            self._host(name).extra_environment = self._stock[name]
            yield self._restart(name)
        self._write()
        for name in reversed(self._names):
            yield self._restart(name)
        self._site.change_tables('online_data_migrations')

    def _restart(self, name: str) -> str:
        self._site.restart(name)
        return name

    def _write(self, more: str = '') -> None:
        self._site.shared.write_text(self._settings + more)
