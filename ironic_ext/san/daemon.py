# SPDX-License-Identifier: Apache-2.0

"""What a program that serves targets on this host has to be able to do.

A back end for another one (LIO, SCST) is a class like tgt.TgtDaemon, given
to exports.Exports.
"""

import collections.abc
import dataclasses
import typing

from ironic_ext.san import location
from ironic_ext.san import settings as san_settings


@dataclasses.dataclass(frozen=True)
class Target:
    """One image as it is to be served: read-only, at location.LUN.

    :param path: of the image.
    :param serial: of the LUN, the same after each restart, so that the
        machine sees the same disk again.
    :param networks: of the initiators that may log in; all if empty.
    """

    iqn: str
    path: str
    serial: str
    chap: location.Chap | None = None
    networks: tuple[san_settings.Network, ...] = ()


@dataclasses.dataclass(frozen=True)
class Served:
    """What a daemon serves now.

    :param path: of the image, '' where it has none yet.
    :param sessions: initiators that are logged in.
    :param right: whether it is as it was asked for in each respect that
        can be seen.
    """

    iqn: str
    path: str
    sessions: int
    right: collections.abc.Callable[[Target], bool]


class Daemon(typing.Protocol):
    """The program. Everything raises TargetDaemonError."""

    def require(self) -> None:
        """Make sure that it answers."""

    def serve(self, target: Target) -> None:
        """Serve an image; nothing happens if it is served already.

        A target of that name that is not as it should be is made anew. No
        initiator gets in before it is read-only.
        """

    def withdraw(self, iqn: str, chap: location.Chap | None = None) -> None:
        """Serve it no longer, whoever is logged in.

        A target that is not there is fine, and so is a daemon that is
        known not to run.

        :param chap: what initiators log in with, which goes as well.
        """

    def served(self) -> dict[str, Served]:
        """Return what there is, by IQN, targets of others included."""
