# SPDX-License-Identifier: Apache-2.0

"""What every href had the last time: a version, and the object it became.

An href may hold a password or a signature, so that it is neither in names
nor in files: keys are digests of it, and records have it redacted. The
index can be made again from the records beside the objects.
"""

import collections.abc
import dataclasses
import hashlib
import os
import re
import shutil
from urllib import parse as urlparse

from ironic_ext.images import href as hrefs
from ironic_ext.images import service
from ironic_ext.images import settings as image_settings
from ironic_ext.images.store import metadata
from ironic_ext.images.store import objects

_KEY = re.compile(r'[0-9a-f]{64}')


def key(href: str, access: image_settings.Access) -> str:
    """Return what an href is found by.

    Whom the connection trusts is part of it: what somebody got from a
    server that was not verified is no answer for one who wants it to be.
    """
    return _digest(href, access.verify, access.ca,
                   sorted((access.proxies or {}).items()))


def who(href: str, settings: image_settings.Settings) -> str:
    """Return what tells one user's credentials from another's.

    :raises: ImageError when the operator's own make no sense.
    """
    access = settings.access
    login = (access.username, access.password, access.token)
    return _digest(login, access.client_cert, access.client_key,
                   settings.default_access(href) if not any(login) else None)


def holder(href: str, settings: image_settings.Settings) -> str | None:
    """Return as whom an image is had, for another request to be told from.

    :returns: '' for what everybody can have, as no credentials were shown
        and the URL has nothing that could be one; None where the service
        has to be asked each time, since it judges by more than that.
    :raises: ImageError when the operator's own make no sense.
    """
    parts = urlparse.urlsplit(href)
    scheme = parts.scheme.lower()
    if scheme not in ('http', 'https'):
        return None
    access = settings.access
    login = (access.username, access.password, access.token)
    default = settings.default_access(href) if not any(login) else None
    if not (any(login) or default or access.client_cert or parts.query
            or parts.username is not None):
        return ''
    # Credentials that are good for one server prove nothing of another.
    return _digest(scheme, parts.netloc, parts.query, login, default,
                   access.client_cert, access.client_key)


def place(href: str) -> str:
    """Return an href without what somebody may prove access by."""
    return hrefs.redacted(href)


def _digest(*values: object) -> str:
    text = repr(values).encode('utf-8', 'surrogatepass')
    return hashlib.sha256(text).hexdigest()


@dataclasses.dataclass(frozen=True)
class Record:
    """What an href had.

    :param href: redacted.
    :param sha256: of the content.
    :param version: as the source gave it.
    :param verified_at: when the source was last asked, seconds since the
        epoch.
    :param verified_by: ``who`` asked it.
    """

    href: str
    sha256: str
    version: service.ImageVersion
    verified_at: float
    verified_by: str

    @classmethod
    def parse(cls, facts: metadata.Facts | None) -> 'Record | None':
        """Read a record; None when it is missing or damaged."""
        try:
            assert facts is not None
            version = metadata.as_version(facts['version'])
            if version is None or not _KEY.fullmatch(facts['sha256']):
                return None
            return cls(str(facts['href']), facts['sha256'], version,
                       float(facts['verified_at']),
                       str(facts['verified_by']))
        except (AssertionError, KeyError, TypeError, ValueError):
            return None

    def as_facts(self) -> metadata.Facts:
        """Return the record as it is kept."""
        return {**dataclasses.asdict(self),
                'version': metadata.of_version(self.version)}


class Index:
    """The records below one directory.

    :param root: of the store.
    """

    def __init__(self, root: str, content: objects.Objects) -> None:
        self._folder = os.path.join(root, 'index')
        self._lock = os.path.join(root, 'lock')
        self._objects = content

    def get(self, name: str) -> Record | None:
        """Return the record of a key."""
        return Record.parse(metadata.read(self._path(name)))

    def put(self, name: str, record: Record) -> None:
        """Keep a record, also beside its object.

        :raises: OSError
        """
        facts = record.as_facts()
        before = self.get(name)
        forgotten = []
        # When it was verified is not worth writing both.
        if (before is None or (before.sha256, before.version)
                != (record.sha256, record.version)):
            forgotten = self._objects.add_source(record.sha256, name, facts)
        with metadata.locked(self._lock):
            for other in forgotten:
                metadata.remove(self._path(other))
            metadata.write(self._path(name), facts)

    def records(self) -> collections.abc.Iterator[tuple[str, Record]]:
        """Yield every key with its record.

        :raises: OSError
        """
        for file_name in sorted(os.listdir(self._folder)):
            name = file_name.removesuffix('.json')
            if _KEY.fullmatch(name) and (record := self.get(name)):
                yield name, record

    def sweep(self) -> None:
        """Remove records of objects that are gone.

        :raises: OSError
        """
        names = set(self._objects.names())
        for name, record in self.records():
            if record.sha256 not in names:
                metadata.remove(self._path(name))

    def restore(self, force: bool = False) -> None:
        """Make the directory, from what is on record beside the objects.

        :param force: also if there is one.
        :raises: OSError
        """
        with metadata.locked(self._lock):
            if os.path.isdir(self._folder) and not force:
                return  # another process was faster
            # At once or not at all, as other processes look at it.
            building = f'{self._folder}.new'
            shutil.rmtree(building, ignore_errors=True)
            os.makedirs(building, mode=0o700)
            newest: dict[str, Record] = {}
            for sha256 in self._objects.names():
                stored = self._objects.stored(sha256)
                for name, facts in (stored.sources if stored else {}).items():
                    record = Record.parse(facts)
                    if (record and _KEY.fullmatch(name)
                            and (name not in newest or record.verified_at
                                 > newest[name].verified_at)):
                        newest[name] = record
            for name, record in newest.items():
                metadata.write(os.path.join(building, f'{name}.json'),
                               record.as_facts())
            shutil.rmtree(self._folder, ignore_errors=True)
            os.rename(building, self._folder)

    def exists(self) -> bool:
        """Tell whether there is an index at all."""
        return os.path.isdir(self._folder)

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, f'{name}.json')
