# SPDX-License-Identifier: Apache-2.0

"""A small site whose processes are killed, in minutes.

The seed is one that kills each kind: what else may happen is for
``make test-cluster``.
"""

import testtools
from testtools import content

from tests.cluster import run
from tests.cluster import site as sites

_SEED = 12
#: Seconds of kills.
_KILLS = 45
_SIZE = sites.Size(nodes=8, conductors=2, moody=1, rabbitmq=False, skew=60)


class ClusterTestCase(testtools.TestCase):

    def test_nothing_is_left_or_false_when_it_is_at_rest(self):
        told = []
        self.addDetail('told', content.Content(
            content.ContentType('text', 'plain', {'charset': 'utf8'}),
            lambda: ['\n'.join(told).encode()]))
        report = run.run(_SIZE, _SEED, _KILLS, told.append)
        told.append(report.text())
        self.assertEqual([], report.findings)
        self.assertGreater(report.deploys, _SIZE.nodes)
        self.assertEqual({'mariadb', 'nginx', 'haproxy', 'api', 'c', 'm', 'b'},
                         set(report.kills))
