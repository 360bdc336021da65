# SPDX-License-Identifier: Apache-2.0

"""Options of ``[ext_data_image]``: data images and their reconciler."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'ext_data_image', title='Data images of running machines')

OPTS = [
    cfg.IntOpt('reconcile_interval',
               default=60, min=0,
               help='Seconds between two looks at the data images of this '
                    'conductor\'s nodes, and at the media that active nodes '
                    'of the boot interface redfish-iso boot from: what was '
                    'ejected is put in again. 0 never looks.'),
    cfg.IntOpt('workers',
               default=16, min=1,
               help='How many BMCs are worked with at the same time. Those '
                    'that failed before share a quarter of that, so that '
                    'they do not hold up the others. With SQLite more do '
                    'not help: they wait for one another to write.'),
    cfg.IntOpt('backoff_base',
               default=30, min=1,
               help='Seconds until a failed attachment is tried again; the '
                    'time doubles with every further failure.'),
    cfg.IntOpt('backoff_ceiling',
               default=3600, min=1,
               help='Longest time between two such tries, in seconds.'),
    cfg.IntOpt('max_files_size',
               default=16, min=1,
               help='Largest sum of the files that a data image is made of, '
                    'in MiB. They are kept with the node in the database, '
                    'so that every conductor can make the image again; give '
                    'what is larger as a URL.'),
]
