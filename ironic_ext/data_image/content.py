# SPDX-License-Identifier: Apache-2.0

"""An ISO of a handful of files: ECMA-119 with Rock Ridge and Joliet.

The same files and label give the same bytes, wherever and whenever, so that
a digest names them. Bootable images are left out.
"""

import collections.abc
import io
import threading
import time
import types
import typing

import pycdlib
from pycdlib import dates
from pycdlib import headervd
from pycdlib import pycdlib as engine

_FILE_MODE = 0o100444
_DIRECTORY_MODE = 0o040555


# pycdlib (1.22) takes every date from the clock and the time zone of its
# process; to it alone, time stands still at the start of 2000, UTC.
_CLOCK = types.SimpleNamespace(**{
    **vars(time), 'time': lambda: 946684800.0, 'localtime': time.gmtime})
_lock = threading.Lock()


def build(files: collections.abc.Mapping[str, bytes], label: str,
          output: typing.BinaryIO) -> int:
    """Write an ISO with these files in its root; return its bytes.

    :param files: path -> content, as spec.parse() lets them be.
    :param label: volume id; Joliet has its first 16 characters.
    """
    # ECMA-119 has its own order; this one makes the layout deterministic.
    paths = sorted(files)
    with _lock:
        modules: tuple[typing.Any, ...] = (dates, headervd, engine)
        saved = [(module, module.time) for module in modules]
        try:
            for module, _time in saved:
                module.time = _CLOCK
            return _build(files, paths, label, output)
        finally:
            for module, original in saved:
                module.time = original


def _build(files: collections.abc.Mapping[str, bytes], paths: list[str],
           label: str, output: typing.BinaryIO) -> int:
    image = pycdlib.PyCdlib()
    image.new(interchange_level=3, rock_ridge='1.09', joliet=3,
              vol_ident=label)
    # The names of ECMA-119 are numbers: what reads them alone is extinct.
    folders = {'': ''}
    for path in paths:
        parts = path.split('/')
        for depth in range(1, len(parts)):
            folder = '/'.join(parts[:depth])
            if folder not in folders:
                above = folders['/'.join(parts[:depth - 1])]
                folders[folder] = f'{above}/D{len(folders):07d}'
                image.add_directory(
                    folders[folder], rr_name=parts[depth - 1],
                    joliet_path=f'/{folder}', file_mode=_DIRECTORY_MODE)
    for number, path in enumerate(paths):
        folder, _slash, name = path.rpartition('/')
        image.add_fp(io.BytesIO(files[path]), len(files[path]),
                     f'{folders[folder]}/F{number:07d}.;1', rr_name=name,
                     joliet_path=f'/{path}', file_mode=_FILE_MODE)
    image.write_fp(output)
    image.close()
    return output.tell()
