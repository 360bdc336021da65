# SPDX-License-Identifier: Apache-2.0

"""The cause in what Ironic writes."""

import testtools

from ironic_ext.node import failure

_UUID = '6b8f3e0c-0a3a-4f2e-9a44-6c8d4b2a7c11'
_STEP = ("{'step': 'deploy', 'priority': 100, 'argsinfo': None, "
         "'interface': 'deploy'}")


class CauseTestCase(testtools.TestCase):
    """Errors as Ironic writes them."""

    def test_frames_go_however_many_there_are(self):
        for error in (
                'Deploy step deploy.deploy failed with ImageNotFound: {}',
                'Deploy step deploy.deploy failed: {}',
                f'Node {_UUID} failed deploy step {_STEP} with ValueError: '
                '{}',
                f'Node {_UUID} failed step {_STEP}: {{}}',
                'Failed to prepare to deploy: {}',
                'Failed to prepare to deploy. Exception: {}',
                'Failed to tear down: {}',
                f'Failed to tear down: the boot image of node {_UUID} could '
                'not be withdrawn: {}',
                f'Failed to tear down from cleaning for node {_UUID}, '
                'reason: {}',
                'Failed to rescue: {}',
                'Failed to unrescue. Exception: {}',
                f'Error while attempting to adopt node {_UUID}: {{}}',
                f'Failed to validate deploy or power info for node {_UUID}: '
                '{}',
                f'Failed to prepare node {_UUID} for cleaning: {{}}',
                f'Agent returned error for deploy step {_STEP} on node '
                f'{_UUID} : Error performing deploy_step write_image: {{}}',
                f'While executing deploy step {_STEP} on node {_UUID}: '
                'Deploy step deploy.deploy failed: {}'):
            wanted = 'http://x/a.iso: HTTP 404: check boot_iso.'
            # The step is a dict of Python, not a format.
            self.assertEqual(
                wanted, failure.cause(error.replace('{}', wanted)), error)

    def test_what_has_no_frame_stays_on_one_line(self):
        self.assertEqual('a: b\u2026 c', failure.cause('a:  b\u2026\n  c'))

    def test_nothing_is_left_out_that_says_nothing_after_it(self):
        error = 'Deploy step deploy.deploy failed: '
        self.assertEqual(error.strip(), failure.cause(error))
