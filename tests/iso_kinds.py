# SPDX-License-Identifier: Apache-2.0

"""What there is to know of each kind of test ISO, and the list of them."""

import dataclasses
import pathlib
import typing


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of ISO: how to build it and what a test can expect in it.

    Paths are those of Rock Ridge (or of the only tree there is). ``configs``
    are in the ISO, ``esp_configs`` in its EFI system partition; each holds
    at least one kernel command line with the word ``quiet``. ``initrd`` is
    the last one that an entry loads.
    """

    name: str
    build: typing.Callable[..., pathlib.Path]
    configs: tuple[str, ...] = ()
    esp_configs: tuple[str, ...] = ()
    stubs: tuple[str, ...] = ()
    initrd: str | None = None
    esp_initrd: str | None = None
    firmware: tuple[str, ...] = ()
    trees: tuple[str, ...] = ('rock_ridge',)

    def __str__(self) -> str:
        return self.name


KINDS: list[Kind] = []


def kind(**facts: typing.Any) -> typing.Callable[..., typing.Any]:
    """Put a builder on the list, with the facts of its kind."""
    def register(builder: typing.Callable[..., pathlib.Path]
                 ) -> typing.Callable[..., pathlib.Path]:
        KINDS.append(Kind(builder.__name__, builder, **facts))
        return builder
    return register
