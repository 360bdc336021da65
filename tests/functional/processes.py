# SPDX-License-Identifier: Apache-2.0

"""Processes that share nothing with the test that starts them."""

import multiprocessing

#: Children of a process that has imported what they need, and nothing else:
#: each would need seconds for it.
FRESH = multiprocessing.get_context('forkserver')
FRESH.set_forkserver_preload(['ironic_ext.catalog.store',
                              'ironic_ext.media.records'])
