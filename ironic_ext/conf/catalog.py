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

"""Options of ``[ext_catalog]``: the catalogue of ISOs and boot configs."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'ext_catalog', title='The catalogue of ISOs and boot configs')

OPTS = [
    cfg.StrOpt('connection',
               default='sqlite:////var/lib/ironic/ext-catalog.sqlite',
               secret=True,
               help='SQLAlchemy URL of the database of the catalogue, which '
                    'conductors and boot servers share. SQLite does where '
                    'all of them are on one host and the same user; else '
                    'use PostgreSQL or MariaDB.'),
    cfg.IntOpt('history',
               default=10000, min=100,
               help='Changes of the catalogue that are kept at least, so '
                    'that a watch that was interrupted can resume.'),
    cfg.StrOpt('iso_dir',
               default='/var/lib/ironic/ext-isos',
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
]
