# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The iPXE script of a host. Pure; see https://ipxe.org/scripting.

iPXE shows no more of an HTTP error than its number, so what is wrong is
told by a script, which then ends in an error: the firmware goes on with the
next boot device.
"""

import re

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext.server import hosts

_HEAD = '#!ipxe\n'
#: RFC 3720, 3.2.6.3: iqn., eui. and naa. names.
_IQN = re.compile(r'(iqn|eui|naa)\.[A-Za-z0-9.:-]{1,219}')
_PORTAL = re.compile(r'[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]')
_UNSAFE = re.compile(r'[^A-Za-z0-9 ._,()-]')
#: iPXE's default, and the LUN of an ISO unless its status says another one:
#: tgt's LUN 0 is its controller.
_PORT, _LUN = 3260, 1


def script(host: hosts.Host, iso: catalog.ISCSICdrom | None, mac: str
           ) -> str:
    """Return what a host boots.

    :param iso: its ISO, None for what the catalogue does not have.
    :param mac: as hosts.mac() writes it.
    """
    if host.boots_locally:
        return f'{_HEAD}echo {host.name} boots from its disk\nexit\n'
    if iso is None:
        return problem(f'The ISO of {host.name} is not in the catalogue')
    name = iso.metadata.name
    target = _target(iso.status)
    if iso.status.phase != 'Ready':
        return problem(f'ISO {name} is not ready, it is {iso.status.phase}')
    if not target:
        return problem(f'ISO {name} has no iSCSI target')
    return (f'{_HEAD}echo Booting {name} for {host.name} ({mac.upper()})\n'
            f'sanboot {target}\n')


def problem(sentence: str) -> str:
    """Return a script that shows a sentence and ends in an error."""
    return f'{_HEAD}echo {_UNSAFE.sub("?", sentence)}\nsleep 5\nexit 1\n'


def _target(status: resources.ISCSICdromStatus) -> str:
    """Return the SAN URI (RFC 4173, section 5), '' without a target."""
    portal = status.portal_ip
    if ':' in portal and not portal.startswith('['):
        portal = f'[{portal}]'
    if not (_IQN.fullmatch(status.target_iqn) and _PORTAL.fullmatch(portal)):
        return ''
    port = status.portal_port or _PORT
    lun = _LUN if status.lun is None else status.lun
    return (f'iscsi:{portal}::{"" if port == _PORT else port}:{lun:x}:'
            f'{status.target_iqn}')
