# SPDX-License-Identifier: Apache-2.0

"""Installation scripts of VMware ESXi, which are kickstart files of a kind.

Sections have no end but the next one, and the commands are few. Reference:
"ESXi Installation and Setup", installation and upgrade script commands.
"""

from ironic_ext.config_formats import base
from ironic_ext.config_formats import errors

_LICENCE = frozenset(('accepteula', 'vmaccepteula'))
_TARGETS = frozenset(('install', 'upgrade', 'installorupgrade'))
_INCLUDES = frozenset(('include', '%include'))
_COMMANDS = _LICENCE | _TARGETS | _INCLUDES | frozenset((
    'clearpart', 'dryrun', 'keyboard', 'network', 'paranoid', 'part',
    'partition', 'reboot', 'rootpw', 'serialnum', 'vmserialnum'))
_SECTIONS = frozenset(('%pre', '%post', '%firstboot'))
#: The installer's path of a file on its CD is in capitals, whatever the
#: CD's directory says.
_PATH = '/KS.CFG'


class EsxiFormat(base.BootConfigFormat):
    """An installation script, for the installer of ESXi."""

    title = 'ESXi'
    systems = ('ESXi',)
    installs = True
    primaries = ('ks.cfg', 'KS.CFG')

    def validate(self, files: base.Files, primary: str
                 ) -> list[errors.Finding]:
        """Look at the commands; what scripts in it do is not judged."""
        commands = set()
        for number, line in enumerate(files[primary].splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith('#'):
                continue
            if words[0] in _SECTIONS:
                break
            if words[0] not in _COMMANDS:
                return [errors.Finding(
                    primary, number, f'"{words[0][:40]}" is no command of '
                    f'an installation script of ESXi')]
            commands.add(words[0])
        if commands & _INCLUDES:
            return []
        return [errors.Finding(primary, None, f'{reason}: without it the '
                               'installer stops and asks')
                for needed, reason in (
                    (_LICENCE, 'has no "vmaccepteula"'),
                    (_TARGETS, 'has none of "install", "upgrade" and '
                               '"installorupgrade"'))
                if not commands & needed]

    def place(self, files: base.Files, primary: str,
              image: base.ImageFacts) -> base.Placement:
        """Put the file into the ISO's root.

        :raises: ConfigError for several.
        """
        if len(files) > 1:
            raise errors.refusal(
                'an installation script of ESXi in an image is one file: '
                'give several by URL')
        return base.Placement(f'ks=cdrom:{_PATH}',
                              {_PATH: files[primary].encode()})

    def arguments_by_url(self, primary: str, base_url: str) -> str:
        """Use a URL, for which the installer asks DHCP for an address."""
        return f'ks={base_url}{primary}'
