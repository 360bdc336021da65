# SPDX-License-Identifier: Apache-2.0

"""Merge patches, by the examples of RFC 7386's appendix."""

import json

import testtools

from ironic_ext.catalog import merge

EXAMPLES = '''
{"a":"b"}            {"a":"c"}                {"a":"c"}
{"a":"b"}            {"b":"c"}                {"a":"b","b":"c"}
{"a":"b"}            {"a":null}               {}
{"a":"b","b":"c"}    {"a":null}               {"b":"c"}
{"a":["b"]}          {"a":"c"}                {"a":"c"}
{"a":"c"}            {"a":["b"]}              {"a":["b"]}
{"a":{"b":"c"}}      {"a":{"b":"d","c":null}} {"a":{"b":"d"}}
{"a":[{"b":"c"}]}    {"a":[1]}                {"a":[1]}
["a","b"]            ["c","d"]                ["c","d"]
{"a":"b"}            ["c"]                    ["c"]
{"a":"foo"}          null                     null
{"a":"foo"}          "bar"                    "bar"
{"e":null}           {"a":1}                  {"e":null,"a":1}
[1,2]                {"a":"b","c":null}       {"a":"b"}
{}                   {"a":{"bb":{"ccc":null}}} {"a":{"bb":{}}}
'''


class MergeTestCase(testtools.TestCase):

    def test_the_examples_of_the_rfc_come_out(self):
        for line in EXAMPLES.strip().splitlines():
            target, patch, result = map(json.loads, line.split())
            self.assertEqual(result, merge.patched(target, patch), line)

    def test_neither_document_is_changed(self):
        target, patch = {'a': {'b': 1}}, {'a': {'b': None, 'c': 2}}
        merge.patched(target, patch)
        self.assertEqual(({'a': {'b': 1}}, {'a': {'b': None, 'c': 2}}),
                         (target, patch))
