# SPDX-License-Identifier: Apache-2.0

"""Customise an ISO the way pycdlib offers: change objects, write it all."""

import posixpath
import sys

import pycdlib


def _put(image: pycdlib.PyCdlib, source: str, path: str) -> None:
    """Add a file, and the directories above it, to both trees."""
    directory, name = posixpath.split(path)
    plain = ''
    for depth, part in enumerate(directory.strip('/').split('/'), 1):
        plain += '/' + part.upper()[:8]
        full = '/' + '/'.join(directory.strip('/').split('/')[:depth])
        try:
            image.get_record(rr_path=full)
        except pycdlib.pycdlibexception.PyCdlibException:
            image.add_directory(plain, rr_name=part, joliet_path=full)
    stem, dot, suffix = name.upper().replace('-', '_').partition('.')
    image.add_file(source, f'{plain}/{stem[:8]}.{suffix[:3]};1',
                   rr_name=name, joliet_path=path)


def main(base: str, output: str, edited: str, added: str, new_file: str,
         *configs: str) -> None:
    """Write ``output``: ``edited`` in place of configs, ``added`` new."""
    image = pycdlib.PyCdlib()
    image.open(base)
    for config in configs:
        image.rm_file(image.full_path_from_dirrecord(
            image.get_record(rr_path=config)))
        _put(image, edited, config)
    _put(image, added, new_file)
    image.write(output)
    image.close()


if __name__ == '__main__':
    main(*sys.argv[1:])
