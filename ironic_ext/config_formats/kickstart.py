# SPDX-License-Identifier: Apache-2.0

"""Kickstart files of Anaconda (Fedora, RHEL and relatives).

Only the structure is judged: sections that are closed, commands that could
be some. Which commands exist depends on the release that is installed.
"""

import re

from ironic_ext.config_formats import base
from ironic_ext.config_formats import errors

#: Sections that end with %end (pykickstart's "Kickstart Documentation").
_SECTIONS = frozenset((
    '%addon', '%anaconda', '%certificate', '%onerror', '%packages', '%post',
    '%pre', '%pre-install', '%traceback'))
_DIRECTIVES = ('%include', '%ksappend')
_COMMAND = re.compile(r'[A-Za-z][A-Za-z0-9_-]*')
#: A label that udev keeps as it is. Others need \xNN, which GRUB passes on
#: in one of its flavours only, or ":", which ends a label for Anaconda.
_PLAIN_LABEL = re.compile(r'[A-Za-z0-9#+.=@_-]+')


class KickstartFormat(base.BootConfigFormat):
    """A kickstart file, for Anaconda."""

    title = 'kickstart'
    systems = ('Anaconda',)
    installs = True
    primaries = ('ks.cfg',)

    def validate(self, files: base.Files, primary: str
                 ) -> list[errors.Finding]:
        """Look at sections and at what stands between them."""
        findings = []
        opened: tuple[str, int] | None = None
        empty = True
        for number, line in enumerate(files[primary].splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith('#'):
                continue
            empty = False
            word = words[0]
            if opened is not None:
                if word == '%end':
                    opened = None
                elif word in _SECTIONS:
                    findings.append(_unclosed(primary, opened))
                    opened = (word, number)
            elif word in _SECTIONS:
                opened = (word, number)
            elif reason := _judge_command(word):
                findings.append(errors.Finding(primary, number, reason))
                if not _COMMAND.fullmatch(word.lstrip('%')):
                    # Another format altogether: one finding says it.
                    return findings
        if opened is not None:
            findings.append(_unclosed(primary, opened))
        if empty:
            findings.append(errors.Finding(primary, None, 'has no command'))
        return findings

    def place(self, files: base.Files, primary: str,
              image: base.ImageFacts) -> base.Placement:
        """Put the files onto the ISO; further ones go into ``/ks/``.

        Anaconda finds the ISO by its label, whatever drive it is in
        (Anaconda's boot options, ``inst.ks=hd:``); ``cdrom:`` looks into
        CD-ROM drives only.
        """
        rest = {path: text for path, text in files.items()
                if path != primary}
        where = 'cdrom'
        notes: tuple[str, ...] = ()
        if _PLAIN_LABEL.fullmatch(image.volume_id):
            where = f'hd:LABEL={image.volume_id}'
        else:
            notes = (f'the label of this ISO, "{image.volume_id[:40]}", '
                     f'cannot be named to every boot loader: Anaconda looks '
                     f'for the kickstart file in CD-ROM drives only',)
        return base.Placement(
            f'inst.ks={where}:/ks.cfg',
            {'/ks.cfg': files[primary].encode(),
             **base.encoded(rest, '/ks/')}, notes=notes)

    def arguments_by_url(self, primary: str, base_url: str) -> str:
        """Use a URL; with the MAC in the request's headers."""
        return f'inst.ks={base_url}{primary} inst.ks.sendmac'


def _judge_command(word: str) -> str:
    if word == '%end':
        return '%end without a section'
    if word in _DIRECTIVES or _COMMAND.fullmatch(word):
        return ''
    if word.startswith('%'):
        return f'"{word[:40]}" is no section of a kickstart file'
    return 'is no kickstart command: is this a kickstart file?'


def _unclosed(file: str, opened: tuple[str, int]) -> errors.Finding:
    return errors.Finding(file, opened[1],
                          f'{opened[0]} is not closed with %end')
