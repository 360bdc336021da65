# SPDX-License-Identifier: Apache-2.0

"""Loads the hardware types of the suite on Ironics that lack something.

A process that has Ironic loaded makes a child for each of the cases, which
changes Ironic first and then loads what the suite has.
"""

import importlib
from importlib import metadata
import json
import os
import pathlib
import pkgutil
import sys

_GONE = 'gone'
_SUITE = 'ironic_ext.drivers'


def something_else():
    """Take the place of whatever was there."""


def change(how, path):
    """Make Ironic another one.

    :param path: as in ironic_patches.
    """
    module, colon, names = path.partition(':')
    if not colon:
        # What is imported from its package stays there.
        sys.modules[module] = None
        return
    place, _dot, name = names.rpartition('.')
    owner = pkgutil.resolve_name(f'{module}:{place}')
    if how == _GONE:
        delattr(owner, name)
    else:
        setattr(owner, name, something_else)


def load(watched):
    """Load the types, and make one object of each.

    :param watched: paths in Ironic.
    :returns: the names of those that load, what was warned of, and which of
        the paths were changed by imports, and then by making the types.
    """
    from ironic.conf import CONF
    from ironic_ext import conf
    from oslo_log import log

    conf.register_opts(CONF)
    # Everything that can be on is.
    CONF.set_override('replace_ironic_image_services', True,
                      group='ext_images')
    warnings = []
    warn = log.KeywordArgumentAdapter.warning

    def warning(adapter, message, *args, **kwargs):
        warnings.append(message % args[0] if args else message)
        warn(adapter, message, *args, **kwargs)

    def changed():
        return [path for path, stock in before.items()
                if pkgutil.resolve_name(path) is not stock]

    log.KeywordArgumentAdapter.warning = warning
    before = {path: pkgutil.resolve_name(path) for path in watched}
    loaded = {entry.name: entry.load() for entry
              in metadata.entry_points(group='ironic.hardware.types')
              if entry.value.startswith(_SUITE)}
    by_imports = changed()
    for kind in loaded.values():
        assert kind().supported_boot_interfaces
    return {'loaded': sorted(loaded), 'warnings': warnings,
            'changed_by_imports': by_imports, 'changed': changed(),
            'modules': [name for name in sys.modules
                        if not name.startswith(_SUITE)]}


def in_a_child(case, watched=()):
    """Return what became of a case."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        with os.fdopen(writing, 'w') as file:
            try:
                if case:
                    change(*case)
                json.dump(load(watched), file)
            except BaseException as exc:
                json.dump({'failure': repr(exc)}, file)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        answer = json.load(file)
    os.waitpid(child, 0)
    return answer


def main():
    """Read cases, [how, path] or null each, and write what became of them.

    Into the file that the command line names; in the case of null, the paths
    of all other cases are watched.
    """
    # All but the drivers is the same for all cases, and takes seconds.
    for module in in_a_child(None)['modules']:
        if module.startswith(('ironic', 'sushy')):
            importlib.import_module(module)
    assert not any(name.startswith(_SUITE) for name in sys.modules)
    cases = json.load(sys.stdin)
    watched = {case[1] for case in cases if case and ':' in case[1]}
    found = [in_a_child(case, () if case else watched) for case in cases]
    # Not to stdout, where Ironic may log.
    pathlib.Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == '__main__':
    main()
