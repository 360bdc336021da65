# SPDX-License-Identifier: Apache-2.0

"""Test ISOs without a boot loader: what directory trees are like."""

import os
import pathlib

from tests import iso_kinds
from tests.iso_parts import build
from tests.iso_parts import Files
from tests.iso_parts import place

README = {'README.TXT': b'A test image.\n',
          'docs/guide.txt': b'Read me.\n' * 300}

_GENISOIMAGE = ('genisoimage', '-quiet')


@iso_kinds.kind(trees=('rock_ridge', 'joliet'))
def plain_rr_joliet(directory: pathlib.Path, *,
                    payload: int = 0) -> pathlib.Path:
    """No boot loader; Rock Ridge and Joliet."""
    return build(directory, 'plain_rr_joliet', README, payload, '-R', '-J')


@iso_kinds.kind()
def rr_only(directory: pathlib.Path, *, payload: int = 0) -> pathlib.Path:
    """No boot loader; Rock Ridge only."""
    return build(directory, 'rr_only', README, payload, '-R')


@iso_kinds.kind(trees=('joliet',))
def joliet_only(directory: pathlib.Path, *, payload: int = 0) -> pathlib.Path:
    """No boot loader; Joliet beside plain ISO 9660 names."""
    return build(directory, 'joliet_only', README, payload, '-J',
                 tool=_GENISOIMAGE)


@iso_kinds.kind(trees=('iso9660',))
def plain_9660(directory: pathlib.Path, *, payload: int = 0) -> pathlib.Path:
    """No boot loader; upper-case 8.3 names with version numbers only."""
    return build(directory, 'plain_9660', README, payload, tool=_GENISOIMAGE)


@iso_kinds.kind(trees=('rock_ridge', 'joliet', 'udf'))
def udf_bridge(directory: pathlib.Path, *, payload: int = 0) -> pathlib.Path:
    """ISO 9660 and UDF that name the same files."""
    return build(directory, 'udf_bridge', README, payload, '-udf', '-R', '-J',
                 tool=_GENISOIMAGE)


def _deep_files() -> Files:
    files = dict(README)
    files['/'.join('level%02d' % n for n in range(1, 13)) + '/leaf.txt'] = (
        b'deep\n')
    for number in range(260):
        files['many/file-%03d.dat' % number] = b'%d\n' % number
    for number in range(220):
        files['dirs/directory-%03d/x.txt' % number] = b'%d\n' % number
    return files


@iso_kinds.kind(trees=('rock_ridge', 'joliet'))
def deep_tree(directory: pathlib.Path, *, payload: int = 0) -> pathlib.Path:
    """Twelve levels, a directory and a path table of many sectors."""
    return build(directory, 'deep_tree', _deep_files(), payload, '-R', '-J')


@iso_kinds.kind()
def deep_tree_relocated(directory: pathlib.Path, *,
                        payload: int = 0) -> pathlib.Path:
    """The same tree with Rock Ridge relocation (CL, PL and RE entries)."""
    return build(directory, 'deep_tree_relocated', _deep_files(), payload,
                 '-R',
                 tool=_GENISOIMAGE)


@iso_kinds.kind(trees=('rock_ridge', 'joliet'))
def hard_links(directory: pathlib.Path, *, payload: int = 0) -> pathlib.Path:
    """Hard links share extents; empty files have an address and no data."""
    def prepare(root: pathlib.Path) -> None:
        place(root, {'first.txt': b'shared content\n' * 10,
                     'docs/before.txt': b'before\n', 'empty.txt': b'',
                     'docs/empty-too.txt': b'', 'zz-after.txt': b'after\n'})
        os.link(root / 'first.txt', root / 'docs' / 'second.txt')
        os.link(root / 'first.txt', root / 'third.txt')
        (root / 'link').symlink_to('docs/before.txt')
    return build(directory, 'hard_links', README, payload, '-R', '-J',
                 '--hardlinks', prepare=prepare)


@iso_kinds.kind(trees=('rock_ridge', 'joliet'))
def long_names(directory: pathlib.Path, *, payload: int = 0) -> pathlib.Path:
    """Names and link targets that need Rock Ridge continuation areas."""
    files = dict(README)
    for number in range(12):
        files['%s-%02d.txt' % ('n' * 240, number)] = b'long %d\n' % number
    files['names with spaces/caf\u00e9 \u6f22\u5b57.txt'] = b'unicode\n'

    def prepare(root: pathlib.Path) -> None:
        (root / 'far-link').symlink_to('/'.join(
            'component-%02d' % n * 4 for n in range(10)))
    return build(directory, 'long_names', files, payload, '-R', '-J',
                 '-joliet-long', prepare=prepare)
