# SPDX-License-Identifier: Apache-2.0

"""AutoYaST control files, of SUSE's installers.

Only the document's head is judged: which sections exist is YaST's to say.
"""

from xml.parsers import expat

from ironic_ext.config_formats import base
from ironic_ext.config_formats import errors

#: What YaST looks for in the root of its initrd and of its medium
#: (AutoYaST Guide, "Invoking the auto-installation process").
_NAME = '/autoinst.xml'
_ROOT = 'profile'


class AutoYastFormat(base.BootConfigFormat):
    """A control file."""

    title = 'AutoYaST'
    systems = ('SUSE',)
    content_type = 'application/xml'
    installs = True
    primaries = ('autoinst.xml',)

    def validate(self, files: base.Files, primary: str
                 ) -> list[errors.Finding]:
        """Parse the XML, and look at its root."""
        roots: list[str] = []

        def start(name: str, attributes: dict[str, str]) -> None:
            if not roots:
                roots.append(name)

        def entity(*args: object) -> None:
            raise ValueError('declares an entity, which is not taken')
        parser = expat.ParserCreate()
        parser.StartElementHandler = start
        parser.EntityDeclHandler = entity
        try:
            parser.Parse(files[primary].encode(), True)
        except expat.ExpatError as exc:
            return [errors.Finding(
                primary, exc.lineno,
                f'is not XML: {expat.ErrorString(exc.code)}')]
        except ValueError as exc:
            return [errors.Finding(primary, parser.CurrentLineNumber,
                                   str(exc))]
        if roots != [_ROOT]:
            return [errors.Finding(
                primary, 1, f'is no AutoYaST control file: its root is '
                f'"{roots[0][:40]}", not "{_ROOT}"')]
        return []

    def place(self, files: base.Files, primary: str,
              image: base.ImageFacts) -> base.Placement:
        """Add the file to the initrd, else to the ISO's root.

        YaST finds it in either without being told.
        """
        if len(files) > 1:
            raise errors.refusal(
                'an AutoYaST control file in an image is one file: give '
                'several by URL')
        content = {_NAME: files[primary].encode()}
        if image.takes_initrd_files:
            return base.Placement(initrd_files=content)
        return base.Placement(files=content)

    def arguments_by_url(self, primary: str, base_url: str) -> str:
        """Use linuxrc's option."""
        return f'autoyast={base_url}{primary}'
