# SPDX-License-Identifier: Apache-2.0

"""A boot config from what was stored to what a machine is given."""

import collections.abc
import dataclasses
import typing

from ironic_ext.config_formats import base
from ironic_ext.config_formats import errors
from ironic_ext.config_formats import registry

if typing.TYPE_CHECKING:
    from ironic_ext.config_formats import templates


@dataclasses.dataclass(frozen=True)
class Spec:
    """A config as its owner wrote it; a catalog's has the same fields.

    :ivar format: name of an entry point, such as ``ignition``.
    :ivar data: path of a file -> its content; may be secret.
    :ivar primary: the file that a machine is given when it asks for its
        config; '' where that is clear.
    :ivar template: whether the files are Jinja2 templates.
    """

    format: str
    data: base.Files = dataclasses.field(repr=False)
    primary: str = ''
    template: bool = False


class _Spec(typing.Protocol):
    @property
    def format(self) -> str:
        """See Spec."""

    @property
    def data(self) -> base.Files:
        """See Spec."""

    @property
    def primary(self) -> str:
        """See Spec."""

    @property
    def template(self) -> bool:
        """See Spec."""


@dataclasses.dataclass(frozen=True)
class Config:
    """A config for one machine: rendered, complete and valid.

    :ivar files: path -> content; may be secret.
    :ivar primary: the file that answers "what is my config?", or ''.
    """

    format: base.BootConfigFormat
    files: base.Files = dataclasses.field(repr=False)
    primary: str

    def place(self, image: base.ImageFacts) -> base.Placement:
        """Plan how the config goes into an image.

        :raises: ConfigError, iso.NoSpaceError
        """
        return self.format.place(self.files, self.primary, image)

    def arguments_by_url(self, base_url: str) -> str:
        """Return the kernel arguments that make a machine fetch it.

        :param base_url: where the files are served by their paths; ends in
            "/".
        :raises: ConfigError
        """
        base.require_url(base_url)
        return self.format.arguments_by_url(self.primary, base_url)

    def content_type(self, path: str) -> str:
        """Return the Content-Type of a file."""
        if path == self.primary:
            return self.format.content_type
        return 'text/plain; charset=utf-8'


def check(spec: _Spec) -> None:
    """Refuse a config that cannot work, when it is stored.

    Of templates only what is known without a machine is judged.

    :raises: ConfigError
    """
    kind = registry.format_for(spec.format)
    kind.primary(spec.data, spec.primary)
    if spec.template:
        from ironic_ext.config_formats import templates
        templates.check(spec.data)
    else:
        resolve(spec)


def resolve(spec: _Spec, facts: 'templates.Facts | None' = None) -> Config:
    """Return the config for a machine.

    :param facts: about the machine, for templates.
    :raises: ConfigError
    """
    kind = registry.format_for(spec.format)
    files: collections.abc.Mapping[str, str] = spec.data
    if spec.template:
        from ironic_ext.config_formats import templates
        files = templates.render(files, facts or {})
    primary = kind.primary(files, spec.primary)
    findings = kind.validate(files, primary)
    if findings:
        raise errors.ConfigError(*findings)
    return Config(kind, kind.completed(files, primary), primary)
