# SPDX-License-Identifier: Apache-2.0

"""The entry point that tempest loads."""

import pathlib
import typing

from oslo_config import cfg
from tempest import config
from tempest.test_discover import plugins

from ironic_ext_tempest_plugin import config as options


class IronicExtTempestPlugin(plugins.TempestPlugin):
    """Tests and options of the suite."""

    def load_tests(self) -> tuple[str, str]:
        """Return where tests are, and the directory above the package."""
        top = pathlib.Path(__file__).resolve().parent
        return str(top / 'tests'), str(top.parent)

    def register_opts(self, conf: cfg.ConfigOpts) -> None:
        """Register ``[ironic_ext]``."""
        config.register_opt_group(conf, options.GROUP, options.OPTS)

    def get_opt_lists(self) -> list[tuple[str, list[typing.Any]]]:
        """Return the options, for a sample of tempest.conf."""
        return [(options.GROUP.name, options.OPTS)]
