# SPDX-License-Identifier: Apache-2.0

"""What a virtual drive shows (DSP0266, schema VirtualMedia), without secrets.

Reading only: drives.py changes what is in the drives.
"""

import collections.abc
import hashlib
import logging
import re
import time
import typing

from ironic.conf import CONF
from oslo_log import log
import sushy

from ironic_ext.drivers.bmc import quirks
from ironic_ext.images import href as hrefs
from ironic_ext.media import medium as media
from ironic_ext.media import tokens

LOG = log.getLogger(__name__)

# The name of a published image (media.publish.MediaName).
_PUBLISHED = re.compile(r'([0-9a-f]{32})-[A-Za-z0-9_-]+\.(iso|img)')
# Of a URL, its query: signed ones are as good as a password.
_QUERY = re.compile(r'''(https?://[^\s'"?]+)\?[^\s'"]*''')
_MAX_REASON = 400
#: What of sushy logs requests and answers (on level DEBUG).
SUSHY_LOGS = ('sushy.connector', 'sushy.exceptions', 'sushy.resources.base',
              'sushy.resources.manager.virtual_media')


class _HideUrls(logging.Filter):
    """Takes the secret part of URLs of images out of sushy's log records."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = masked(record.getMessage()), ()
        return True


#: Keeps URLs of published images out of the log, even on DEBUG.
HIDE_URLS = _HideUrls()


def url_mark(url: str) -> str:
    """Return what is kept of a URL that is not ours, to tell it by."""
    return hashlib.sha256(url.encode()).hexdigest()


def holds(slot: typing.Any,
          media_: collections.abc.Collection[media.Medium]) -> bool:
    """Tell whether a slot shows one of these media."""
    if not quirks.is_inserted(slot):
        return False
    title = f'{slot.image or ""} {slot.image_name or ""}'
    marks = {*tokens.digests_in(title), url_mark(slot.image or '')}
    return (any(medium.id in title or medium.mark in marks
                for medium in media_)
            or quirks.hides_image(slot)
            and any(medium.slot == slot.path for medium in media_))


def wait(slot: typing.Any, condition: collections.abc.Callable[[], bool],
         timeout: float) -> bool:
    """Look at a slot until a condition holds or ``timeout`` s are over."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            slot.refresh(force=True)
            if condition():
                return True
        except sushy.exceptions.SushyError as exc:
            LOG.debug('Slot %s cannot be read now: %s', slot.identity, exc)
        if time.monotonic() >= deadline:
            return False
        time.sleep(CONF.ext_boot.media_poll_interval)


def title(slot: typing.Any) -> str:
    """Name what is in a slot, without secrets."""
    if not quirks.is_inserted(slot):
        return 'no medium'
    text = slot.image or slot.image_name
    if not text:
        return 'a medium it does not name'
    published = _PUBLISHED.search(text)
    if published:
        return f'medium {published.group(1)}'
    return f'"{tokens.masked(hrefs.redacted(text))[:200]}"'


def is_published(url: str, media_id: str) -> bool:
    """Tell whether a URL is that of a published image with this id."""
    found = _PUBLISHED.search(url.rpartition('/')[2])
    return (url.startswith(('http://', 'https://')) and found is not None
            and found.group(1) == media_id)


def reason(exc: Exception, secrets: collections.abc.Iterable[str] = ()
           ) -> str:
    """Return what the BMC said, without secret parts of URLs.

    :param secrets: what else must not be repeated.
    """
    return clean(str(exc), secrets)


def clean(text: str, secrets: collections.abc.Iterable[str] = ()) -> str:
    """Take secrets out of what the BMC said; one line, not too long."""
    text = ' '.join(masked(text).split())
    for secret in secrets:
        text = text.replace(secret, '***')
    return text[:_MAX_REASON]


def masked(text: str) -> str:
    """Take the secret parts of URLs of images out of a text."""
    text = tokens.masked(_PUBLISHED.sub(r'\1-***.\2', text))
    return _QUERY.sub(r'\1?***', text)
