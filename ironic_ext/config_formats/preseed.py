# SPDX-License-Identifier: Apache-2.0

"""Answers for the Debian installer ("preconfiguration files").

Reference: the installation guide of Debian, appendix B. The lines are those
of debconf-set-selections(1); which questions exist is the installer's.
"""

import re

from ironic_ext.config_formats import base
from ironic_ext.config_formats import errors

_LINE = re.compile(r'\s*(\S+)\s+(\S+)\s+(\S+)(?:\s(.*))?')
_TYPES = ('select', 'boolean', 'string', 'multiselect', 'note', 'password',
          'text', 'title')
#: Flags of a question in place of a type.
_FLAGS = ('seen',)
_AUTOMATIC = 'auto=true priority=critical'
_DIRECTORY = '/preseed/'


class PreseedFormat(base.BootConfigFormat):
    """A preseed file, for the Debian installer."""

    title = 'preseed'
    systems = ('the Debian installer', 'Ubuntu')
    installs = True
    primaries = ('preseed.cfg',)

    def validate(self, files: base.Files, primary: str
                 ) -> list[errors.Finding]:
        """Look at every line, continued ones joined."""
        findings = []
        answers = 0
        lines = enumerate(files[primary].splitlines(), 1)
        for number, line in lines:
            while line.endswith('\\'):
                follower = next(lines, None)
                if follower is None:
                    findings.append(errors.Finding(
                        primary, number, 'the file ends where "\\" '
                                         'announces another line'))
                    return findings
                line = line[:-1].rstrip() + ' ' + follower[1].lstrip()
            if not line.strip() or line.lstrip().startswith('#'):
                continue
            answers += 1
            if reason := _judge(line):
                findings.append(errors.Finding(primary, number, reason))
        if not answers:
            findings.append(errors.Finding(primary, None, 'answers nothing'))
        return findings

    def place(self, files: base.Files, primary: str,
              image: base.ImageFacts) -> base.Placement:
        """Add the file to the initrd, where it answers every question.

        A file on the ISO is read after the first questions were asked, and
        not at all by an image that has no packages on it. Several files
        include one another by relative names and so stay together.
        """
        if len(files) == 1 and image.takes_initrd_files:
            return base.Placement(
                _AUTOMATIC,
                initrd_files={'/preseed.cfg': files[primary].encode()})
        return base.Placement(
            f'{_AUTOMATIC} preseed/file=/cdrom{_DIRECTORY}{primary}',
            base.encoded(files, _DIRECTORY))

    def arguments_by_url(self, primary: str, base_url: str) -> str:
        """Use preseed/url by its alias."""
        return f'{_AUTOMATIC} url={base_url}{primary}'


def _judge(line: str) -> str:
    """Return what is wrong with a line, '' for nothing."""
    parts = _LINE.fullmatch(line)
    if parts is None:
        return 'needs owner, question, type and value'
    _, _, kind, value = parts.groups(default='')
    if kind in _FLAGS or kind == 'boolean':
        if value.strip() not in ('true', 'false'):
            return f'the value of a {kind} must be true or false'
    elif kind not in _TYPES:
        return (f'"{kind[:40]}" is no type of a question; there are '
                f'{", ".join(_TYPES)}')
    return ''
