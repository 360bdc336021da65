# SPDX-License-Identifier: Apache-2.0

"""Images that are all of their own, as media.delivery takes them."""

import collections.abc
import contextlib
import hashlib
import tempfile

from ironic_ext import iso
from ironic_ext.iso import segments
from ironic_ext.media import medium as media

_NOTHING = f'sha256:{hashlib.sha256().hexdigest()}'


@contextlib.contextmanager
def literal(data: bytes, title: str) -> collections.abc.Iterator[
        tuple[iso.SegmentMap, media.Origin]]:
    """Return an image of literals alone: any replica can serve it.

    :param title: what it is called.
    """
    with (tempfile.NamedTemporaryFile() as nothing,
          iso.SegmentMap(nothing.name, segments.sparse(
              segments.Literal(data))) as whole):
        yield whole, media.Origin(_NOTHING, 0, title)
