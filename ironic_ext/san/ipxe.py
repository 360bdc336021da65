# SPDX-License-Identifier: Apache-2.0

"""The iPXE script of a machine; see https://ipxe.org/scripting.

One text for machines that ask the boot server and for those that are
deployed. What fails is left to iPXE, which shows its error and goes on with
the script before or with the firmware's next boot device.
"""

import collections.abc
import re

from ironic_ext.san import errors
from ironic_ext.san import location

_HEAD = '#!ipxe\n'
# No "$", which iPXE expands, and nothing that parts words.
_URL = re.compile(r'https?://[A-Za-z0-9._~:/?@!+,;=%\[\]-]{1,2000}')
_WORD = re.compile(r'[A-Za-z0-9._:-]{1,223}')
_NOT_IN_NAMES = re.compile(r'[^A-Za-z0-9._-]+')
# A ":" is not special to iPXE, and MACs are to be read.
_NOT_IN_SENTENCES = re.compile(r'[^A-Za-z0-9 ._,:()-]')
_NOT_IN_MACS = re.compile(r'[^0-9A-F:]')
_LONGEST_NAME = 80

#: Of a node's properties: how a machine with a BIOS boots from its disk after
#: iPXE. It leaves iPXE, or has iPXE start the first disk where the firmware
#: does not go on.
LOCAL_BOOT_KEY = 'local_boot'
LOCAL_BOOTS = (_EXIT, _SANBOOT) = ('exit', 'sanboot')
#: For the MAC that the machine boots with, whichever of its ports that is.
MAC = '${mac}'


class Sanboot:
    """The script that boots an image, for any machine.

    With a password in it, or the URL of a stream, it is a secret.
    """

    __slots__ = ('_before', '_after')

    def __init__(self, iso: str, target: location.Location | str) -> None:
        """Judge and write all that is alike for all.

        :param iso: what the image is called.
        :param target: an iSCSI target, or an HTTP URL.
        :raises: SanError when it cannot be a word of a script.
        """
        lines = []
        if isinstance(target, location.Location):
            if target.chap is not None:
                lines += [f'set username {_word(target.chap.username)}',
                          f'set password {_word(target.chap.password)}']
            if target.initiator:
                lines.append(f'set initiator-iqn {target.initiator}')
            uri = target.uri()
        elif _URL.fullmatch(target):
            uri = target
        else:
            raise errors.SanError(
                f'the URL of image {_name(iso)} has characters that iPXE '
                'scripts cannot carry')
        self._before = f'{_HEAD}echo Booting {_name(iso)} for '
        self._after = '\n' + '\n'.join([*lines, f'sanboot {uri}']) + '\n'

    def text(self, host: str, mac: str) -> str:
        """Return the script of a machine.

        :param host: its name.
        :param mac: that it boots with, or MAC.
        """
        return (f'{self._before}{_name(host)} ({_machine(mac)})'
                f'{self._after}')


def elsewhere(server: str) -> str:
    """Return the script that leads to the one that a boot server has.

    That one tells who asks, and this one is no secret.

    :param server: its URL, without a "/" at the end.
    :raises: SanError when it cannot be a word of a script
    """
    if not _URL.fullmatch(server):
        raise errors.SanError(
            '[ext_server]public_url has characters that iPXE scripts cannot '
            'carry')
    return f'{_HEAD}chain {server}/ipxe?mac={MAC}\n'


def has_secret(target: location.Location | str) -> bool:
    """Tell whether the script that boots an image is a secret.

    :param target: as for Sanboot.
    """
    return isinstance(target, str) or target.chap is not None


def local(host: str, properties: collections.abc.Mapping[str, object], *,
          chained: bool = False) -> str:
    """Return the script of a host that has nothing to boot from here.

    A UEFI firmware goes on with its next boot option after an error alone:
    success ends its boot manager (UEFI 2.10, section 3.1.2), which shows
    its menu then. A BIOS goes on in any case, or should.

    :param properties: of the node; see LOCAL_BOOT_KEY.
    :param chained: whether Ironic's boot.ipxe runs it, which takes an error
        for a missing script; leaving the firmware is its part then.
    """
    leave = 'exit 0' if chained else 'iseq ${platform} efi && exit 1 || exit 0'
    if properties.get(LOCAL_BOOT_KEY) == _SANBOOT:
        leave = (f'iseq ${{platform}} efi && exit {0 if chained else 1} || '
                 'sanboot --no-describe --drive 0x80 || exit 0')
    return f'{_HEAD}echo {_name(host)} boots from its disk\n{leave}\n'


def problem(sentence: str) -> str:
    """Return a script that shows a sentence and ends in an error.

    iPXE shows no more of an HTTP error than its number, so what is wrong
    is told by a script.
    """
    return (f'{_HEAD}echo {_NOT_IN_SENTENCES.sub("?", sentence)}\n'
            'sleep 5\nexit 1\n')


def _name(text: str) -> str:
    return _NOT_IN_NAMES.sub('-', text)[:_LONGEST_NAME] or '-'


def _machine(mac: str) -> str:
    return mac if mac == MAC else _NOT_IN_MACS.sub('', mac.upper())


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise errors.SanError('a user name or password of a target has '
                              'characters that iPXE scripts cannot carry')
    return text
