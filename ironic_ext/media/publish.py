# SPDX-License-Identifier: Apache-2.0

"""Customised images as files below the root of Ironic's own web server.

A published file is named ``<id>-<secret>.iso``. The id is kept with the node
and may be logged; the secret is known to the file system and the BMC alone,
since whoever has it can read the config drive in the image. The file is a
copy (blocks shared where the file system can), never a hard link: nobody's
image changes with another's.
"""

import contextlib
import dataclasses
import errno
import grp
import os
import re
import secrets
import stat
import typing
import uuid

#: 16 bytes from the system's random source, 22 characters.
_SECRET_BYTES = 16
_ID = re.compile(r'[0-9a-f]{32}')
#: A web server reaches a file whose name it is asked for; nobody else on
#: the host can list the names.
_DIRECTORY_MODE = 0o711
#: Before that everybody could.
_OLD_MODE = 0o755
_GROUP_MODE = 0o640
#: Extended attribute of a file: the site and the node that it is for.
_OWNER = 'user.ironic_ext.owner'
#: What file systems say that have none.
_NO_ATTRIBUTES = frozenset((errno.ENOTSUP, errno.EPERM, errno.ENOSPC,
                            errno.ENODATA, errno.ENOENT))


class Image(typing.Protocol):
    """What is published: the part of iso.SegmentMap that is needed."""

    def write(self, path: str, *, mode: int = 0o644) -> object:
        """Write the image to a new file that takes ``path`` when whole."""


@dataclasses.dataclass(frozen=True)
class MediaName:
    """The name of one published image.

    :param id: 32 hexadecimal digits, not secret.
    :param secret: what makes the URL unguessable.
    """

    id: str
    secret: str = dataclasses.field(repr=False)

    @classmethod
    def new(cls, media_id: str | None = None) -> 'MediaName':
        """Make up a name that nobody can guess, for an id if one is given."""
        return cls(media_id or uuid.uuid4().hex,
                   secrets.token_urlsafe(_SECRET_BYTES))

    @property
    def file_name(self) -> str:
        """The name of the file; some BMCs insist on ``.iso``."""
        return f'{self.id}-{self.secret}.iso'


@dataclasses.dataclass(frozen=True)
class MediaStore:
    """A directory of published images.

    :param http_root: the root directory of the web server.
    :param subdir: the directory below it.
    :param mode: permission bits of the files.
    :param group: who may read the files beside the conductor, whatever
        ``mode`` says; None for whom ``mode`` lets.
    :param site: a word that tells one Ironic from another that has the same
        directory; see owners().
    """

    http_root: str
    subdir: str
    mode: int = 0o644
    group: str | None = None
    site: str = ''

    def url(self, name: MediaName, http_url: str) -> str:
        """Return the URL of an image under the server's ``http_url``."""
        return f'{http_url.rstrip("/")}/{self.subdir}/{name.file_name}'

    def path(self, name: MediaName) -> str:
        """Return the path of an image."""
        return os.path.join(self.http_root, self.subdir, name.file_name)

    def publish(self, image: Image, name: MediaName, node: str = '') -> str:
        """Write an image to its place and return its path.

        On failure nothing is left.

        :param node: whose it is, a UUID; see owners().
        :raises: OSError, and what ``image.write`` raises
        """
        group = None if self.group is None else _group(self.group)
        self._make_directory()
        path = self.path(name)
        try:
            image.write(path, mode=self.mode if group is None
                        else _GROUP_MODE)
            if group is not None:
                self._give(path, group)
            if node:
                self._note_owner(path, node)
        except BaseException:
            self.unpublish(name.id)
            raise
        return path

    def _make_directory(self) -> None:
        directory = os.path.join(self.http_root, self.subdir)
        try:
            known = stat.S_IMODE(os.stat(directory).st_mode)
        except FileNotFoundError:
            os.makedirs(directory, exist_ok=True)
            # Whatever the umask: the web server has to get in.
            os.chmod(directory, _DIRECTORY_MODE)
            return
        if known == _OLD_MODE:
            # An operator who chose another mode keeps it, and one who owns
            # the directory its mode.
            with contextlib.suppress(PermissionError):
                os.chmod(directory, _DIRECTORY_MODE)

    def _give(self, path: str, group: int) -> None:
        try:
            os.chown(path, -1, group)
        except PermissionError as exc:
            raise PermissionError(
                exc.errno, 'the conductor may not give a published image to '
                f'the group "{self.group}" of [ext_media]publish_group: '
                'make its user a member of that group') from exc

    def _note_owner(self, path: str, node: str) -> None:
        try:
            os.setxattr(path, _OWNER, f'{self.site} {node}'.encode())
        except OSError as exc:
            if exc.errno not in _NO_ATTRIBUTES:
                raise

    def owners(self) -> dict[str, str]:
        """Return the ids of this site's images here, and their nodes.

        Images are left out that other releases have published, or that are
        on a file system without extended attributes.

        :raises: OSError
        """
        directory = os.path.join(self.http_root, self.subdir)
        found = {}
        try:
            names = os.listdir(directory)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        for file_name in names:
            media_id = file_name.partition('-')[0]
            if not (_ID.fullmatch(media_id) and file_name.endswith('.iso')):
                continue
            try:
                text = os.getxattr(os.path.join(directory, file_name), _OWNER)
            except OSError as exc:
                if exc.errno not in _NO_ATTRIBUTES:
                    raise
                continue
            site, _, node = text.decode(errors='replace').partition(' ')
            if node and site == self.site:
                found[media_id] = node
        return found

    def name_removable(self, name: MediaName) -> None:
        """Have an image under a name that ends in ``.img``, too.

        It is the same file, and goes with it.

        :raises: OSError
        """
        path = self.path(name)
        with contextlib.suppress(FileExistsError):
            os.link(path, f'{path.removesuffix(".iso")}.img')

    def find(self, media_id: str) -> MediaName | None:
        """Return the name of a published image, None when it is not here."""
        for file_name in self._files(media_id):
            if not file_name.startswith('.') and file_name.endswith('.iso'):
                secret = file_name[len(media_id) + 1:-len('.iso')]
                return MediaName(media_id, secret)
        return None

    def unpublish(self, media_id: str) -> bool:
        """Remove the image of that id, half-written files included.

        :returns: whether there was something to remove.
        :raises: OSError when a file is there and stays there.
        """
        found = False
        for file_name in self._files(media_id):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.http_root, self.subdir,
                                       file_name))
                found = True
        return found

    def _files(self, media_id: str) -> list[str]:
        if not _ID.fullmatch(media_id):
            raise ValueError(f'"{media_id}" is no id of a published image')
        try:
            names = os.listdir(os.path.join(self.http_root, self.subdir))
        except (FileNotFoundError, NotADirectoryError):
            return []
        # ".<name>.<random>.part" is what a killed writer leaves behind.
        return [name for name in names
                if name.startswith((f'{media_id}-', f'.{media_id}-'))]


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise OSError(
            errno.EINVAL, f'there is no group "{name}", which '
            '[ext_media]publish_group names') from None
