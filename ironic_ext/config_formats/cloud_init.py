# SPDX-License-Identifier: Apache-2.0

"""cloud-init's NoCloud data source, and Ubuntu's autoinstall on top of it.

File names and kernel arguments are those of cloud-init's documentation of
NoCloud and of Ubuntu's of autoinstall. What the keys mean is cloud-init's to
judge; here the files must parse.
"""

import hashlib
import re
import typing

from ironic_ext.config_formats import base
from ironic_ext.config_formats import errors
from ironic_ext.config_formats import yaml_outline

_USER_DATA, _META_DATA = 'user-data', 'meta-data'
_NETWORK, _VENDOR = 'network-config', 'vendor-data'
#: What Ubuntu's installer reads in the root of its medium.
_BARE = 'autoinstall.yaml'
_NAMES = (_USER_DATA, _META_DATA, _VENDOR, _NETWORK)
#: First lines of user data that is no YAML (cloud-init's "User-data
#: formats"). "## template: jinja" is rendered before it is judged.
_OTHER_KINDS = ('#!', '#include', '#cloud-boothook', '#part-handler',
                '## template:', '#upstart-job', '#cloud-config-jsonp')
_YAML_KINDS = ('#cloud-config', '#cloud-config-archive')
_MIME = re.compile(r'(?i)(content-type|mime-version):')
#: Label by which cloud-init finds a seed without being told.
_LABEL = 'cidata'
_DIRECTORY = '/nocloud/'
#: Where Debian and Ubuntu have the medium that they were booted from.
_MOUNT_POINT = '/cdrom'


class CloudInitFormat(base.BootConfigFormat):
    """User data, meta data and network configuration for NoCloud."""

    title = 'cloud-init'
    content_type = 'text/yaml; charset=utf-8'
    primaries: typing.ClassVar[tuple[str, ...]] = (_USER_DATA,)
    has_fixed_name = True
    #: What else the kernel has to be told.
    arguments = ''

    def primary(self, files: base.Files, declared: str) -> str:
        """Return ``user-data``, since cloud-init knows no other name."""
        if _USER_DATA not in files or declared not in ('', _USER_DATA):
            raise errors.refusal(
                f'{self.title} reads the file "{_USER_DATA}", which must be '
                f'in data and be the primary one')
        return _USER_DATA

    def completed(self, files: base.Files, primary: str) -> base.Files:
        """Add meta data, without which a seed is none.

        The instance id changes with the config, so that cloud-init takes a
        changed one as new.
        """
        if _META_DATA in files:
            return files
        digest = hashlib.sha256()
        for path in sorted(files):
            digest.update(f'{path}\0{files[path]}\0'.encode())
        return {**files, _META_DATA:
                f'instance-id: iid-{digest.hexdigest()[:16]}\n'}

    def validate(self, files: base.Files, primary: str
                 ) -> list[errors.Finding]:
        """Parse what is YAML."""
        findings = []
        for path in sorted(files):
            if path not in _NAMES:
                findings.append(errors.Finding(
                    path, None, f'is a file that {self.title} does not '
                    f'read; it reads {", ".join(_NAMES)}'))
        findings += self._judge_user_data(files[primary])
        if files.get(_VENDOR, '').strip():
            findings += _judge_user_data(_VENDOR, files[_VENDOR])[0]
        if _META_DATA in files:
            findings += _outline(_META_DATA, files[_META_DATA])[0]
        if _NETWORK in files:
            findings += _judge_network(files[_NETWORK])
        return findings

    def _judge_user_data(self, text: str) -> list[errors.Finding]:
        return _judge_user_data(_USER_DATA, text)[0]

    def place(self, files: base.Files, primary: str,
              image: base.ImageFacts) -> base.Placement:
        """Put the seed onto the ISO and say where it will be found."""
        if image.volume_id.lower() == _LABEL:
            return base.Placement(
                self._line('ds=nocloud'), base.encoded(files, '/'))
        notes: tuple[str, ...] = ()
        if not image.mount_point:
            notes = (f'where the system of this ISO has the ISO\'s files '
                     f'cannot be told; {_MOUNT_POINT} is assumed, as in '
                     f'Debian and Ubuntu',)
        seed = (image.mount_point or _MOUNT_POINT) + _DIRECTORY
        return base.Placement(self._line(f'ds=nocloud;s={seed}'),
                              base.encoded(files, _DIRECTORY),
                              notes=notes)

    def arguments_by_url(self, primary: str, base_url: str) -> str:
        """Name the seed's directory.

        ``nocloud-net`` is what every release of cloud-init understands;
        ``nocloud`` takes URLs since 24.1 only.
        """
        return self._line(f'ds=nocloud-net;s={base_url}')

    def _line(self, source: str) -> str:
        return f'{self.arguments} {source}'.strip()


class AutoinstallFormat(CloudInitFormat):
    """Answers for Ubuntu's installer: in user data, or a file of their own.

    The file ``autoinstall.yaml`` has the same answers without cloud-init's
    head; the installer reads it from the root of its medium.
    """

    title = 'autoinstall'
    systems = ('Ubuntu',)
    installs = True
    # Without it the installer asks before it erases disks.
    arguments = 'autoinstall'
    primaries = (_USER_DATA, _BARE)

    def primary(self, files: base.Files, declared: str) -> str:
        """Return ``user-data`` or, where it is alone, ``autoinstall.yaml``."""
        if set(files) == {_BARE} and declared in ('', _BARE):
            return _BARE
        return super().primary(files, declared)

    def completed(self, files: base.Files, primary: str) -> base.Files:
        """Add meta data to user data."""
        return files if primary == _BARE else super().completed(files,
                                                                primary)

    def validate(self, files: base.Files, primary: str
                 ) -> list[errors.Finding]:
        """Parse what is YAML."""
        if primary != _BARE:
            return super().validate(files, primary)
        findings, outline = _outline(_BARE, files[_BARE])
        if findings:
            return findings
        top = ('autoinstall',) if ('autoinstall',) in outline else ()
        version = outline.get((*top, 'version'))
        if version is None or version.value != '1':
            return [errors.Finding(
                _BARE, version.line if version else 1,
                'autoinstall needs "version: 1"')]
        return []

    def place(self, files: base.Files, primary: str,
              image: base.ImageFacts) -> base.Placement:
        """Put the answers where the installer or cloud-init reads them."""
        if primary == _BARE:
            return base.Placement(self.arguments, base.encoded(files, '/'))
        return super().place(files, primary, image)

    def arguments_by_url(self, primary: str, base_url: str) -> str:
        """Name the seed's directory, if it is one.

        :raises: ConfigError for answers without cloud-init's head.
        """
        if primary == _BARE:
            raise errors.refusal(
                f'{_BARE} is read from the installer\'s medium alone: put '
                f'its answers below "autoinstall:" in {_USER_DATA}, with '
                f'"#cloud-config" as the first line, to have them fetched')
        return super().arguments_by_url(primary, base_url)

    def _judge_user_data(self, text: str) -> list[errors.Finding]:
        findings, outline = _judge_user_data(_USER_DATA, text)
        if findings:
            return findings
        if outline is None:
            return [errors.Finding(_USER_DATA, 1, 'must be YAML, with '
                                   '"#cloud-config" as its first line')]
        top = outline.get(('autoinstall',))
        if top is None or top.kind != 'mapping':
            return [errors.Finding(
                _USER_DATA, top.line if top else None,
                'has no mapping "autoinstall:"; the installer\'s keys stand '
                'below it')]
        version = outline.get(('autoinstall', 'version'))
        if version is None or version.value != '1':
            return [errors.Finding(_USER_DATA, (version or top).line,
                                   'autoinstall needs "version: 1"')]
        return []


def _judge_user_data(path: str, text: str) -> tuple[
        list[errors.Finding], yaml_outline.Outline | None]:
    """Return what is wrong, and the outline of what is YAML."""
    # cloud-init's handlers look at the first line, blanks before it aside.
    first = text.lstrip().partition('\n')[0].rstrip()
    if first.startswith(_OTHER_KINDS) or _MIME.match(first):
        return [], None
    if first not in _YAML_KINDS:
        return [errors.Finding(
            path, 1, 'begins with nothing that cloud-init knows: '
            '"#cloud-config" for YAML, "#!" for a script')], None
    findings, outline = _outline(
        path, text, 'mapping' if first == '#cloud-config' else 'sequence')
    return findings, outline


def _judge_network(text: str) -> list[errors.Finding]:
    findings, outline = _outline(_NETWORK, text)
    if findings:
        return findings
    version = outline.get(('version',)) or outline.get(
        ('network', 'version'))
    if version is None or version.value not in ('1', '2'):
        return [errors.Finding(
            _NETWORK, version.line if version else None,
            'needs "version: 1" or "version: 2"')]
    return []


def _outline(path: str, text: str, kind: str = 'mapping'
             ) -> tuple[list[errors.Finding], yaml_outline.Outline]:
    try:
        outline = yaml_outline.read(text)
    except yaml_outline.OutlineError as exc:
        return [errors.Finding(path, exc.line, f'is not YAML: {exc}')], {}
    top = outline.get(())
    if top is not None and top.kind != kind and (
            top.kind, top.value) != ('scalar', ''):
        return [errors.Finding(
            path, top.line, f'must be a {kind}, not a {top.kind}')], {}
    return [], outline
