# SPDX-License-Identifier: Apache-2.0

"""Files for the ISO's root, with no format that anybody here knows."""

from ironic_ext.config_formats import base
from ironic_ext.config_formats import errors


class PlainFormat(base.BootConfigFormat):
    """Plain files; the operator's kernel arguments say what they are for."""

    title = 'plain'
    needs_primary = False

    def validate(self, files: base.Files, primary: str
                 ) -> list[errors.Finding]:
        """Accept everything: nothing is known of it."""
        return []

    def place(self, files: base.Files, primary: str,
              image: base.ImageFacts) -> base.Placement:
        """Put the files into the ISO's root."""
        return base.Placement(files=base.encoded(files, '/'))

    def arguments_by_url(self, primary: str, base_url: str) -> str:
        """Refuse: nothing would fetch them.

        :raises: ConfigError
        """
        raise errors.refusal(
            'plain files can be put into an image, but there is no kernel '
            'argument that makes a machine fetch them')
