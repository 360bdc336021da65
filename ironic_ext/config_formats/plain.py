# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Files for the ISO's root, with no format that anybody here knows."""

from ironic_ext.config_formats import base
from ironic_ext.config_formats import errors


class PlainFormat(base.BootConfigFormat):
    """Plain files; the operator's kernel arguments say what they are for."""

    title = 'plain'
    needs_primary = False

    def validate(self, files: base.Files, primary: str
                 ) -> list[errors.Finding]:
        """Accept everything."""
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
