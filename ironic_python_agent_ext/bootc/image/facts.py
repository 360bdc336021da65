# SPDX-License-Identifier: Apache-2.0

"""What a pulled image says of itself: its bootc, and how it is installed.

Read from "bootc --version", "bootc install to-disk --help" (as clap prints
it) and "bootc install print-configuration" (JSON of bootc-install-config(5)).
All of it is the image's word, and bounded where it is read.
"""

import collections.abc
import dataclasses
import json
import re
import typing

_VERSION = re.compile(r'\b(\d+\.\d+(?:\.\d+)?)\b')
_FLAG = re.compile(r'^\s*(?:-\w, )?--([a-z][a-z0-9-]*)')
# "[possible values: grub, systemd]", or a list of "- grub: ...".
_INLINE = re.compile(r'\[possible values: ([^]]*)\]')
_ITEM = re.compile(r'^\s+- ([a-z0-9][a-z0-9-]*)\b')
_LONGEST = 80

#: Flag of "install to-disk" -> its values, () for any or none.
Flags = collections.abc.Mapping[str, tuple[str, ...]]

#: The first bootc that has a flag, where it is not an old one.
SINCE = {'bound-images': '1.1.3', 'bootloader': '1.9', 'uki-addon': '1.9',
         'composefs-backend': '1.10', 'bootupd-skip-boot-uuid': '1.13',
         'allow-missing-verity': '1.14', 'karg-delete': '1.15.1'}


@dataclasses.dataclass(frozen=True)
class Configuration:
    """How an image wants to be installed, as far as it says."""

    filesystem: str | None = None
    #: Block setups that it allows, the one that it prefers first; None for
    #: an image without a configuration, which allows all of them.
    block: tuple[str, ...] | None = None
    bootloader: str | None = None


@dataclasses.dataclass(frozen=True)
class Facts:
    """An image's bootc; None stands for what cannot be found out."""

    version: str | None = None
    flags: Flags | None = None
    configuration: Configuration | None = None
    #: Whether its kernel is a unified kernel image.
    unified: bool = False
    #: Whether it has boot loaders for bootupd to install.
    boot_payload: bool | None = None
    #: Which programs it has of those that not every image needs.
    tools: frozenset[str] | None = None
    #: Whether its config has an entry of history for each layer.
    history: bool | None = None


def version_of(lines: collections.abc.Iterable[str]) -> str | None:
    """Return the version of "bootc 1.16.9"."""
    for line in lines:
        match = _VERSION.search(line)
        if match and line.startswith('bootc'):
            return match[1]
    return None


def flags_of(lines: collections.abc.Iterable[str]) -> Flags | None:
    """Return the flags of a help text; None of what is none."""
    found: dict[str, tuple[str, ...]] = {}
    flag = None
    for line in lines:
        if match := _FLAG.match(line):
            flag = match[1]
            found[flag] = ()
        if flag is None:
            continue
        if match := _INLINE.search(line):
            found[flag] = tuple(word.strip() for word in match[1].split(','))
        elif match := _ITEM.match(line):
            found[flag] += (match[1],)
    return found or None


def configuration_of(lines: collections.abc.Iterable[str]
                     ) -> Configuration | None:
    """Return what "print-configuration" printed, among its warnings."""
    for line in lines:
        if not line.startswith('{'):
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        root = _object(_object(found, 'filesystem'), 'root')
        block = found.get('block')
        return Configuration(
            _word(root.get('type')) or _word(found.get('root-fs-type')),
            tuple(word for word in map(_word, block) if word)
            if isinstance(block, list) else None,
            _word(found.get('bootloader')))
    return None


def _object(of: dict[str, typing.Any], key: str) -> dict[str, typing.Any]:
    found = of.get(key)
    return found if isinstance(found, dict) else {}


def _word(value: object) -> str | None:
    return (value if isinstance(value, str) and 0 < len(value) <= _LONGEST
            and value.isprintable() else None)
