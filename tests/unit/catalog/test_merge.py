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
