# SPDX-License-Identifier: Apache-2.0

"""Hosts' records in memory, in place of those in a database."""

import dataclasses

from ironic_ext import host_records
from ironic_ext.node import tokens


class Known:
    """Records by UUID."""

    def __init__(self):
        self.found = {}

    def of(self, node):
        return self.found.get(node, host_records.Record(node))

    def script(self, node):
        return self.of(node).script

    def generation(self, host):
        return tokens.Generation(host.token_generation,
                                 self.of(host.uuid).generation)

    def end(self, node, *, generation, above=0):
        known = self.of(node)
        if known.generation == generation:
            self.found[node] = dataclasses.replace(
                known, ended=generation,
                generation=max(generation, above) + 1)
        return self.of(node)
