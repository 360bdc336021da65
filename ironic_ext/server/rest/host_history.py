# SPDX-License-Identifier: Apache-2.0

"""What happened to a host."""

import datetime
import typing

import falcon

from ironic_ext import host_records
from ironic_ext.server import errors
from ironic_ext.server.mirror import history as histories
from ironic_ext.server.rest import conventions
from ironic_ext.server.rest import hosts as host_resources


class HostHistory:
    """The events of a host, the newest first."""

    def __init__(self, shared: host_resources.Hosts,
                 history: histories.HistoryWriter) -> None:
        """Take who finds hosts, and where events are kept."""
        self._shared = shared
        self._history = history

    def on_get(self, req: falcon.Request, resp: falcon.Response,
               namespace: str, name: str) -> None:
        """Show them to who may see the host: not those of others."""
        host = self._shared.seen(req, namespace, name).host
        limit = conventions.number(req, 'limit', host_records.MOST,
                                   host_records.MOST)
        try:
            found = self._history.of(host, limit)
        except host_records.RecordsError as exc:
            raise errors.UnavailableError(str(exc)) from exc
        conventions.answer(resp, {'items': list(map(_document, found))})


def _document(event: host_records.Event) -> dict[str, typing.Any]:
    when = datetime.datetime.fromtimestamp(event.at, datetime.UTC)
    return {'at': when.isoformat(timespec='seconds').replace('+00:00', 'Z'),
            'kind': event.kind, 'text': event.text}
