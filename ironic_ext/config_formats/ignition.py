# SPDX-License-Identifier: Apache-2.0

"""Ignition configs of CoreOS and its relatives.

The specification is at coreos.github.io/ignition/specs. A config's schema is
judged by Ignition when it boots; here it must be JSON of a version that
Ignition takes.
"""

import json
import re
import typing

from ironic_ext.config_formats import base
from ironic_ext.config_formats import errors
from ironic_ext.iso.loaders import ignition_area as areas

#: Stable specifications of Ignition 2.x up to 2.26.
_VERSIONS = tuple(f'3.{minor}.0' for minor in range(7))
#: Flatcar's own switch (its documentation of booting with iPXE and ISO).
_FLATCAR = 'flatcar.first_boot=1'
_OLD = re.compile(r'[12]\.\d+\.\d+(-\w+)?')
_BUTANE = re.compile(r'(?m)^(variant|version):\s')


class IgnitionFormat(base.BootConfigFormat):
    """An Ignition config, for CoreOS and its relatives."""

    title = 'Ignition'
    systems = ('CoreOS', 'Flatcar', 'SUSE')
    content_type = 'application/vnd.coreos.ignition+json'
    primaries = ('config.ign',)

    def validate(self, files: base.Files, primary: str
                 ) -> list[errors.Finding]:
        """Parse the primary file and look at its version."""
        text = files[primary]
        try:
            config = json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError as exc:
            hint = ('; this looks like Butane: translate it with butane'
                    if _BUTANE.search(text) else '')
            return [errors.Finding(
                primary, exc.lineno, f'is not JSON, at column {exc.colno}: '
                                     f'{exc.msg}{hint}')]
        except (ValueError, RecursionError) as exc:
            return [errors.Finding(primary, None, f'is not JSON: {exc}')]
        line = text[:max(text.find('"version"'), 0)].count('\n') + 1
        reason = _judge_version(config)
        return [errors.Finding(primary, line, reason)] if reason else []

    def place(self, files: base.Files, primary: str,
              image: base.ImageFacts) -> base.Placement:
        """Fill CoreOS's area, else add the config to the initrd.

        In an initrd, CoreOS's live images look for ``/config.ign``, Ignition
        itself for ``user.ign`` in its system directory. CoreOS's own kernel
        arguments make Ignition run; others need to be told.
        """
        config = files[primary].encode()
        if len(files) > 1:
            raise errors.refusal(
                'an Ignition config in an image is one file: put the others '
                'into it as data URLs, or give the config by URL')
        area = image.ignition_area
        if area is None:
            if not image.takes_initrd_files:
                raise errors.refusal(
                    'the ISO has no area for Ignition configs and no initrd '
                    'that files could be added to: give the config by URL')
            return base.Placement(
                _FLATCAR if image.flatcar else
                'ignition.firstboot ignition.platform.id=metal',
                initrd_files={'/config.ign': config,
                              '/usr/lib/ignition/user.ign': config})
        # Whether it fits is known here, where there is another way yet.
        areas.content(config, area)
        return base.Placement(ignition=config)

    def arguments_by_url(self, primary: str, base_url: str) -> str:
        """Use Ignition's own option (Ignition's operator notes)."""
        return (f'ignition.firstboot ignition.platform.id=metal '
                f'ignition.config.url={base_url}{primary}')


def _judge_version(config: typing.Any) -> str:
    """Return what is wrong with ``ignition.version``, '' for nothing."""
    if not isinstance(config, dict):
        return 'must be a JSON object'
    head = config.get('ignition')
    version = head.get('version') if isinstance(head, dict) else None
    if not isinstance(version, str):
        return ('has no "ignition": {"version": "..."}: is this an Ignition '
                'config?')
    if version in _VERSIONS:
        return ''
    shown = f'ignition.version "{version[:40]}"'
    known = f'use one from {_VERSIONS[0]} to {_VERSIONS[-1]}'
    if _OLD.fullmatch(version):
        return (f'{shown} is of the old specification, which CoreOS no '
                f'longer reads: translate it with ign-converter, {known}')
    if version.endswith('-experimental'):
        return (f'{shown} is experimental, which one release of Ignition '
                f'reads and the next refuses: {known}')
    return f'{shown} is unknown: {known}'


def _refuse_constant(name: str) -> typing.NoReturn:
    raise ValueError(f'{name} is no JSON value')
