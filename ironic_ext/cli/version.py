# SPDX-License-Identifier: Apache-2.0

"""``--version`` of the programs."""

import argparse
import typing


def text() -> str:
    """Return the version that is installed."""
    # Only here: most runs of a program do not say it.
    import importlib.metadata
    try:
        return importlib.metadata.version('ironic-ext')
    except importlib.metadata.PackageNotFoundError:
        return '(not installed)'


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add --version to a program."""
    parser.add_argument('--version', action=_Version, nargs=0,
                        help='print the version and exit')


class _Version(argparse.Action):

    def __call__(self, parser: argparse.ArgumentParser,
                 *_arguments: typing.Any) -> typing.NoReturn:
        print(parser.prog, text())
        parser.exit()
