# SPDX-License-Identifier: Apache-2.0

"""What of an injection a machine meets on a boot path, and why not."""

from ironic_ext.iso import boot_path

#: File systems of which configurations can be changed.
_CHANGEABLE = ('iso', 'esp')


def why_no_arguments(path: boot_path.BootPath) -> str:
    """Return why kernel arguments cannot be injected, '' if they can."""
    if path.walk.lost:
        return path.walk.lost
    kernels = path.kernels
    if not kernels:
        return 'nothing that it starts is a Linux kernel'
    for start in kernels:
        if start.kind == 'uki':
            return f'the command line is inside {start.config}'
        if start.config.device not in _CHANGEABLE:
            return ('the configuration is built into the boot loader '
                    f'({start.config})')
    return ''


def why_no_initrd_files(path: boot_path.BootPath) -> str:
    """Return why initrds cannot get files, '' if they can."""
    if path.walk.lost:
        return path.walk.lost
    kernels = path.kernels
    if not kernels:
        return 'nothing that it starts is a Linux kernel'
    for start in kernels:
        if start.kind == 'uki':
            return f'the initrd is inside {start.config}'
    loading = [start for start in kernels if start.initrds]
    if not loading:
        return 'no kernel that it starts has an initrd'
    for start in loading:
        places = {place.device for place in start.initrds}
        if 'iso' in places:
            continue
        if places == {'esp'}:
            if start.config.device == 'esp' and path.loader == \
                    'systemd-boot':
                continue
            return 'the initrd is inside the EFI system partition'
        return 'the initrd is inside the boot loader'
    return ''
