# SPDX-License-Identifier: Apache-2.0

"""Options of ``[ext_catalog]``: the catalog of ISOs and boot configs."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'ext_catalog', title='The catalog of ISOs and boot configs')

OPTS = [
    cfg.StrOpt('connection',
               default='sqlite:///${ext_state.dir}/catalog.sqlite',
               secret=True,
               help='SQLAlchemy URL of the database of the catalog, which '
                    'conductors and boot servers share. SQLite does where '
                    'all of them are on one host and the same user; else '
                    'use PostgreSQL or MariaDB.'),
    cfg.IntOpt('history',
               default=10000, min=100,
               help='Changes of the catalog that are kept at least, so '
                    'that a watch that was interrupted can resume.'),
    cfg.StrOpt('iso_dir',
               default='${ext_state.dir}/isos',
               help='Directory of ISOs that are uploaded or put there by '
                    'hand. ISOs that are given by URL are in the cache of '
                    'base images instead, see [ext_images].'),
    cfg.IntOpt('max_iso_size',
               default=20480, min=1,
               help='Largest ISO that can be uploaded, in MiB.'),
    cfg.IntOpt('upload_lifetime',
               default=86400, min=60,
               help='Seconds after which an upload that was broken off can '
                    'no longer be resumed.'),
    cfg.ListOpt('trusted_owners',
                default=[],
                help='IDs of projects that own nodes and lease them to those '
                     'only who know of it; "*" stands for all. By default '
                     'Ironic lets an owner set any project as the lessee. '
                     'Nodes that such an owner leases have what the catalog '
                     'has of the lessee, and count for the lessee\'s share '
                     'of the image store. Those of other owners have what is '
                     'shared, and count for their owner. A node without '
                     'owner is leased by the operator. Conductors and boot '
                     'servers read it.'),
]
