# SPDX-License-Identifier: Apache-2.0

"""What one replica of the media server knows: tokens and overlays.

The server itself remembers what it serves. The database is asked for tokens
that are new, twice a second for what is still valid, and once for an
overlay, to be a file here.
"""

import collections.abc
import contextlib
import dataclasses
import datetime
import pathlib
import time

from ironic_ext import blocks
from ironic_ext.media import medium
from ironic_ext.media import records
from ironic_ext.media.stream import contract

_SUFFIX = '.overlay'
#: Seconds after which nobody writes any more who has written nothing.
_SILENT = 600


class Overlays:
    """A directory of overlay files, for its owner's eyes only."""

    def __init__(self, directory: str, known: records.MediaRecords) -> None:
        """Make the directory if need be.

        :raises: OSError
        """
        self._directory = pathlib.Path(directory)
        self._records = known
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory.chmod(0o700)

    def path(self, stream: medium.Stream) -> str | None:
        """Return the path of a stream's overlay, fetched if need be.

        :returns: None for an image without an overlay.
        :raises: RecordsError, OSError, UnavailableError
        """
        if not stream.overlay_size:
            return None
        path = self._directory / f'{stream.id}{_SUFFIX}'
        try:
            if path.stat().st_size == stream.overlay_size:
                return str(path)
        except FileNotFoundError:
            pass
        self._fetch(stream, path)
        return str(path)

    def _fetch(self, stream: medium.Stream, path: pathlib.Path) -> None:
        # Workers may do this at the same time; each has a file of its own.
        with blocks.replacing(str(path), 0o600, durable=False) as fd:
            size = 0
            for piece in self._records.overlay(stream.id):
                blocks.write_all(fd, piece, size)
                size += len(piece)
            if size != stream.overlay_size:
                raise contract.UnavailableError(
                    f'the overlay of medium {stream.id} is incomplete '
                    'in the database: it was withdrawn meanwhile, or '
                    'deploy the node again')

    def sweep(self) -> None:
        """Remove the overlays of media that were revoked or forgotten.

        :raises: RecordsError, OSError
        """
        # Of half a file, too, the name begins with the medium.
        here = {path: path.name.lstrip('.').partition('.')[0]
                for path in self._directory.iterdir()
                if _SUFFIX in path.name}
        kept = self._records.kept(set(here.values()))
        silent = time.time() - _SILENT
        for path, medium_id in here.items():
            with contextlib.suppress(FileNotFoundError):
                if medium_id not in kept or (
                        # What a killed worker left behind.
                        path.name.startswith('.')
                        and path.stat().st_mtime < silent):
                    path.unlink()


class ReplicaMedia:
    """The :class:`.stream.contract.Media` of the database."""

    def __init__(self, known: records.MediaRecords, overlays: Overlays
                 ) -> None:
        self._records = known
        self._overlays = overlays

    def find(self, token: str) -> medium.Stream | None:
        """Return what a token opens, None when nobody knows the token.

        :raises: ExpiredError, RevokedError, UnavailableError
        """
        with _translated():
            stream = self._records.find(token)
            if stream is None:
                return None
            if stream.revoked_at is not None:
                raise contract.RevokedError(
                    f'medium {stream.id} of node {stream.node} was '
                    f'withdrawn at {_time(stream.revoked_at)}')
            if stream.expired(time.time()):
                raise contract.ExpiredError(
                    f'medium {stream.id} of node {stream.node} expired at '
                    f'{_time(stream.expires_at or 0)}: deploy the node '
                    'again, or set a longer [ext_media]token_lifetime')
            return dataclasses.replace(
                stream, overlay_path=self._overlays.path(stream))

    def still_valid(self, medium_ids: collections.abc.Collection[str]
                    ) -> collections.abc.Set[str]:
        """Return those of the media that may still be served.

        :raises: UnavailableError
        """
        with _translated():
            return self._records.live(medium_ids)

    def record_reads(self, reports: collections.abc.Sequence[
            contract.ReadReport]) -> None:
        """Keep reports.

        :raises: UnavailableError
        """
        with _translated():
            self._records.record_reads(reports)


@contextlib.contextmanager
def _translated() -> collections.abc.Iterator[None]:
    try:
        yield
    except records.RecordsError as exc:
        raise contract.UnavailableError(str(exc)) from exc
    except OSError as exc:
        raise contract.UnavailableError(
            f'an overlay cannot be kept: {exc}: look at '
            '[ext_media]overlay_dir') from exc


def _time(stamp: float) -> str:
    return datetime.datetime.fromtimestamp(
        stamp, datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')
