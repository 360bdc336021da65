# SPDX-License-Identifier: Apache-2.0

"""The directory of all state, and where older releases had it.

What an older release left is used where it is until it is moved; a setting
that names a place is what counts.
"""

import dataclasses
import logging
import os

from oslo_config import cfg

LOG = logging.getLogger(__name__)

GROUP = cfg.OptGroup('ext_state', title='State of the suite')

OPTS = [
    cfg.StrOpt('dir',
               default='/var/lib/ironic/ext',
               help='Directory of all that the suite keeps on this host: '
                    'images, overlays, exports, databases of SQLite, keys. '
                    'It is made with mode 0700. Nothing in it is an image '
                    'that a node may name by file://.'),
]

_OLD = '/var/lib/ironic'
_SQLITE = 'sqlite:///'
#: Files that SQLite keeps beside a database.
BESIDE = ('-journal', '-wal', '-shm')


@dataclasses.dataclass(frozen=True)
class Place:
    """State that one setting names.

    :param old: where older releases had it by default.
    """

    group: str
    option: str
    old: str

    @property
    def is_database(self) -> bool:
        """Whether the setting is a URL of SQLite."""
        return self.option == 'connection'

    def path(self, conf: cfg.ConfigOpts) -> str:
        """Return where it is."""
        value: str = conf[self.group][self.option]
        return value.removeprefix(_SQLITE)

    def is_default(self, conf: cfg.ConfigOpts) -> bool:
        """Tell whether no file says where it is."""
        found = conf.get_location(self.option, self.group)
        return found is None or found.location in (
            cfg.Locations.opt_default, cfg.Locations.set_default)

    def waits(self, conf: cfg.ConfigOpts) -> bool:
        """Tell whether an older release's is to be used as it is."""
        return (self.is_default(conf) and os.path.lexists(self.old)
                and not os.path.lexists(self.new(conf)))

    def new(self, conf: cfg.ConfigOpts) -> str:
        """Return where it belongs by default."""
        name = os.path.basename(self.old).removeprefix('ext-')
        return os.path.join(conf.ext_state.dir, name)


PLACES = (
    Place('ext_images', 'cache_dir', f'{_OLD}/ext-images'),
    Place('ext_media', 'connection', f'{_OLD}/ext-media.sqlite'),
    Place('ext_media', 'overlay_dir', f'{_OLD}/ext-overlays'),
    Place('ext_catalog', 'connection', f'{_OLD}/ext-catalog.sqlite'),
    Place('ext_catalog', 'iso_dir', f'{_OLD}/ext-isos'),
    Place('ext_san', 'export_dir', f'{_OLD}/ext-exports'),
    Place('ext_server', 'token_key_file', f'{_OLD}/ext-boot.key'),
)


def settle(conf: cfg.ConfigOpts) -> None:
    """Make the directory, and stay with what an older release left.

    Odd placement is a warning: what is there works.
    """
    waiting = [place for place in PLACES if place.waits(conf)]
    for place in waiting:
        conf.set_default(place.option,
                         f'{_SQLITE}{place.old}' if place.is_database
                         else place.old, group=place.group)
    if waiting:
        LOG.warning(
            '%(places)s: state of an older release, which is used where it '
            'is. Stop the conductor and the servers of this host, and run '
            '"ironic-ext-state move"',
            {'places': ', '.join(place.old for place in waiting)})
    if not any(place.is_default(conf) and place not in waiting
               for place in PLACES):
        return
    folder = conf.ext_state.dir
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        mode = os.stat(folder).st_mode & 0o777
    except OSError as exc:
        LOG.warning('[ext_state]dir, %(folder)s, cannot be made: %(error)s. '
                    'Make it with mode 0700, for the user that this runs as, '
                    'or set the option to a directory of that user',
                    {'folder': folder, 'error': exc.strerror})
        return
    if mode & 0o077:
        LOG.warning('[ext_state]dir, %(folder)s, has mode %(mode)04o: others '
                    'on this host may read what is in it. Give it 0700',
                    {'folder': folder, 'mode': mode})
