# SPDX-License-Identifier: Apache-2.0

"""Planning which entry of a boot menu starts by itself, and after how long.

Time-out and default are set at the end of what makes each boot path's menu;
whether they hold is what the changed image then shows.
"""

from ironic_ext.iso import arrival
from ironic_ext.iso import boot_path
from ironic_ext.iso import injection as injections
from ironic_ext.iso.loaders import discovery
from ironic_ext.iso.plan import draft as drafts


def plan(draft: drafts.Draft, injection: injections.Injection,
         paths: tuple[boot_path.BootPath, ...]) -> None:
    """Set default and time-out where a boot path's menu can have them.

    :param paths: the boot paths of the image as it is.
    :raises: KernelArgumentError, CorruptImageError
    """
    if injection.timeout is None:
        return
    done: set[tuple[int | None, str]] = set()
    for path in paths:
        start = arrival.choose(path, injection.default)
        loader = discovery.named(path.loader)
        menu = path.walk.menu
        if isinstance(start, arrival.NotReached) or loader is None \
                or menu is None:
            continue
        esp = path.esp if menu.device == 'esp' else None
        if (esp, menu.path) in done:
            # Paths share menus; one that differs shows in the outcome.
            continue
        done.add((esp, menu.path))
        files = draft.tree() if esp is None else draft.esp(esp)
        where, data = files.read(menu.path) or (menu.path, b'')
        changed = loader.unattended(
            data, start.choice if injection.default else '',
            injection.timeout)
        if esp is None:
            draft.change(where, changed)
        else:
            draft.change_esp(esp, where, changed)
