# SPDX-License-Identifier: Apache-2.0

"""The boot config format ``site-answers``: TOML for an installer of a site's.

It looks for ``/answers.toml`` on its medium, or at the URL in its arguments.
"""

import tomllib

from ironic_ext import config_formats


class SiteAnswersFormat(config_formats.BootConfigFormat):
    """One TOML file."""

    interface = 1
    title = 'site answers'
    primaries = ('answers.toml',)
    # It must not run a second time by itself.
    installs = True

    def validate(self, files, primary):
        try:
            tomllib.loads(files[primary])
        except tomllib.TOMLDecodeError as exc:
            return [config_formats.Finding(primary, None, str(exc))]
        return []

    def place(self, files, primary, image):
        return config_formats.Placement(
            arguments='site.answers=medium',
            files={'/answers.toml': files[primary].encode()})

    def arguments_by_url(self, primary, base_url):
        return f'site.answers={base_url}{primary}'
