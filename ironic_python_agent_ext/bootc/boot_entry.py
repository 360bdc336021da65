# SPDX-License-Identifier: Apache-2.0

"""The firmware's boot entry of an installed system, where it has none.

bootupd makes one as a rule; images without it, and ``--generic-image``, leave
the firmware as it is.
"""

import re

from ironic_python_agent import efi_utils
from ironic_python_agent import errors as agent_errors
from ironic_python_agent import utils
from oslo_concurrency import processutils
from oslo_log import log

from ironic_python_agent_ext.bootc import verify

LOG = log.getLogger(__name__)

_HARD_DRIVE = re.compile(r'HD\(\d+,GPT,([0-9a-f-]{36})', re.IGNORECASE)


def leads_to(path: str, partition_uuid: str) -> bool:
    """Tell whether an entry's device path is on a partition.

    :param path: as efibootmgr prints it (UEFI 2.10, 10.3.5.1).
    """
    match = _HARD_DRIVE.search(path)
    return match is not None and match[1].lower() == partition_uuid.lower()


def ensure(device: str, layout: verify.Layout) -> bool:
    """Make the firmware boot the disk.

    A machine whose firmware keeps no entries still boots the ESP's default
    loader, so that a failure is logged and does not fail the install.

    :returns: whether an entry was made.
    """
    if layout.esp is None:
        return False
    try:
        uuid = _partition_uuid(layout.esp.path)
        if any(leads_to(path, uuid)
               for _num, _label, _kind, path in efi_utils.get_boot_records()):
            LOG.info('The firmware has a boot entry for %s', layout.esp.path)
            return False
        return bool(efi_utils.manage_uefi(device))
    except (OSError, processutils.ProcessExecutionError,
            agent_errors.RESTError) as exc:
        LOG.warning('No boot entry made for %(device)s, the firmware has to '
                    'find its default loader: %(why)s',
                    {'device': device, 'why': exc})
        return False


def _partition_uuid(path: str) -> str:
    return str(utils.execute('blkid', '--probe', '--output', 'value',
                             '--match-tag', 'PART_ENTRY_UUID', path)[0]
               ).strip()
