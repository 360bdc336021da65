# SPDX-License-Identifier: Apache-2.0

"""iSCSI targets that serve images, whoever makes them: the way in.

Back ends are entry points of the namespace ``ironic_ext.san_targets``: the
object is called with Settings and returns Targets.
"""

import dataclasses
import functools
import logging
import typing

from stevedore import driver
from stevedore import exception
from stevedore import extension

from ironic_ext.san import errors
from ironic_ext.san import location
from ironic_ext.san import settings as san_settings

NAMESPACE = 'ironic_ext.san_targets'

#: States of a target.
SERVED = 'served'
#: The daemon does not have it (any more): rebuild() helps.
DOWN = 'down'
#: The file that it served is gone: its owners have to export it again.
LOST = 'lost'

LOG = logging.getLogger(__name__)


class Image(typing.Protocol):
    """What is exported: the part of iso.SegmentMap that is needed."""

    @property
    def size(self) -> int:
        """Its size in bytes."""

    @property
    def segments(self) -> tuple[typing.Any, ...]:
        """What it is put together from, in order."""

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over the base's identity and every segment."""

    @property
    def literal_bytes(self) -> int:
        """Bytes that this image has and its base has not."""

    def write(self, path: str, *, mode: int = 0o644) -> object:
        """Write the image to a new file that takes ``path`` when whole."""


class Base(typing.Protocol):
    """What it was made from: the part of images.BaseImage that is needed.

    Leased from the image store as long as export() works.
    """

    @property
    def path(self) -> str:
        """Where it can be read."""

    @property
    def href(self) -> str:
        """How it was asked for, fit for logs."""

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of all its bytes."""

    @property
    def size(self) -> int:
        """Its size in bytes."""

    def place(self, path: str) -> str:
        """Put it at ``path`` as well, as a reflink, a link or a copy."""


@dataclasses.dataclass(frozen=True)
class TargetStatus:
    """A target, and who needs it.

    :param size: of the image, in bytes.
    :param disk: bytes on disk that it shares with no other file, as far as
        the file system tells; an upper limit.
    :param state: SERVED, DOWN or LOST.
    :param sessions: initiators that are logged in now.
    """

    iqn: str
    image: str
    size: int
    disk: int
    customised: bool
    owners: tuple[str, ...]
    state: str
    sessions: int = 0


@dataclasses.dataclass(frozen=True)
class Rebuilt:
    """What a rebuild has done, by IQN."""

    made: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class Targets(typing.Protocol):
    """A back end. Everything raises SanError, one sentence.

    Thread-safe, and safe beside other processes on this host.
    """

    def require(self) -> None:
        """Make sure that targets can be made here and now."""

    def export(self, owner: str, image: Image, base: Base, *,
               portal: location.Portal | None = None,
               given: location.Location | None = None) -> location.Location:
        """Serve an image; its readers share one target.

        On failure nothing is left but what release() removes.

        :param owner: who needs it, such as ``node:<uuid>``. An owner can
            have several; exporting twice is once.
        :param portal: that the machine uses, by default the site's.
        :param given: the target that the operator has made for ``base``;
            only for ``static``, which needs it.
        """

    def find(self, owner: str, *, portal: location.Portal | None = None
             ) -> list[location.Location]:
        """Return what an owner has, whether or not it is served now."""

    def release(self, owner: str) -> None:
        """Let go of what an owner has; remove what nobody needs then."""

    def owners(self) -> set[str]:
        """Return who has anything, to find those that are no more."""

    def rebuild(self) -> Rebuilt:
        """Make what should be there, after a restart of anything.

        Idempotent, and cheap when nothing is missing.
        """

    def status(self) -> list[TargetStatus]:
        """Return what there is, sorted by IQN."""


def is_base(image: Image, base: Base) -> bool:
    """Tell whether an image is nothing but the whole of its base."""
    return (not image.literal_bytes and image.size == base.size
            and len(image.segments) == 1
            and getattr(image.segments[0], 'offset', None) == 0)


def open_targets(name: str, settings: san_settings.Settings) -> Targets:
    """Return the back end of that name.

    :raises: SanError
    """
    try:
        make = _plugin(name)
    except (exception.NoMatches, exception.MultipleMatches) as exc:
        raise errors.SanError(
            f'"{name[:100]}" is no back end for iSCSI targets (entry points '
            f'of {NAMESPACE}), or is one twice: use one of '
            f'{", ".join(names()) or "(none is installed)"}') from exc
    made: Targets = make(settings)
    return made


def names() -> list[str]:
    """Return the names of the back ends, sorted."""
    return sorted(set(extension.ExtensionManager(
        NAMESPACE, invoke_on_load=False,
        on_load_failure_callback=_log).names()))


# Looking an entry point up costs some 100 microseconds each time.
@functools.cache
def _plugin(name: str) -> typing.Any:
    return driver.DriverManager(NAMESPACE, name, invoke_on_load=False,
                                on_load_failure_callback=_log).driver


def _log(manager: typing.Any, entry_point: typing.Any,
         exc: BaseException) -> None:
    LOG.error('The iSCSI back end %(name)s cannot be loaded: %(error)s',
              {'name': entry_point, 'error': exc})
