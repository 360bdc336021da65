# SPDX-License-Identifier: Apache-2.0

"""The files of the page: static, public, and the same for everybody.

What they show comes from the API, which wants a login.
"""

import hashlib
import importlib.resources
import mimetypes
import re

import falcon

from ironic_ext.server import errors

_POLICY = ("default-src 'self'; base-uri 'none'; form-action 'none'; "
           "frame-ancestors 'none'; object-src 'none'")
_FILE = re.compile(r'[a-z0-9][a-z0-9_-]*(\.[a-z0-9]+)+')
_INDEX = 'index.html'


class PageFiles:
    """The files, read once."""

    def __init__(self) -> None:
        """Read all files, with their types and digests."""
        self._files: dict[str, tuple[bytes, str, str]] = {}
        root = importlib.resources.files('ironic_ext.server') / 'page'
        for file in root.iterdir() if root.is_dir() else ():
            if not _FILE.fullmatch(file.name) or not file.is_file():
                continue
            kind = mimetypes.guess_type(file.name)[0] or (
                'application/octet-stream')
            if kind.startswith('text/') or kind.endswith('javascript'):
                kind += '; charset=utf-8'
            data = file.read_bytes()
            self._files[file.name] = (
                data, kind, hashlib.sha256(data).hexdigest()[:32])

    def on_get(self, req: falcon.Request, resp: falcon.Response,
               name: str = _INDEX) -> None:
        """Serve a file, or 304 to who has it already."""
        found = self._files.get(name)
        if found is None:
            raise errors.NotFoundError('there is no such file')
        data, kind, tag = found
        resp.etag = tag
        resp.set_header('Cache-Control', 'no-cache')
        resp.set_header('Content-Security-Policy', _POLICY)
        resp.set_header('Referrer-Policy', 'no-referrer')
        if tag in {str(given) for given in req.if_none_match or ()}:
            resp.status = falcon.HTTP_304
            resp.content_type = None
        else:
            resp.data, resp.content_type = data, kind
