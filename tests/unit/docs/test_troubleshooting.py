# SPDX-License-Identifier: Apache-2.0

"""Tests that sentences which the troubleshooting page quotes are ours."""

import re

import testtools

from tests.unit.docs import pages

_QUOTED = re.compile(r'^``(.+)``\n    \S', re.MULTILINE)
_DOCSTRING = re.compile(r'"""(?:.|\n)*?"""')
_SEAM = re.compile(r'\'\n *[fr]?\'')
_VALUE = re.compile(r'\{[^{}]*\}|%(?:\(\w+\))?(?:\.\d)?[sdrf]')


def _said():
    """Return the code as the sentences in it, with ANY for values.

    Parts of a text that stand below each other are one. Docstrings are not
    told to anybody.
    """
    found = []
    for package in ('ironic_ext', 'ironic_python_agent_ext'):
        for path in sorted((pages.ROOT / package).rglob('*.py')):
            text = _DOCSTRING.sub('', path.read_text())
            text = _SEAM.sub('', text).replace('\\', '')
            found.append(_VALUE.sub(pages.ANY, text))
    return '\n'.join(found)


class TroubleshootingPageTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.quoted = _QUOTED.findall(pages.read('admin/troubleshooting'))

    def test_every_sentence_that_it_quotes_is_said_somewhere(self):
        self.assertTrue(self.quoted)
        said = _said()
        self.assertEqual([], [quote for quote in self.quoted
                              if pages.template(quote) not in said])

    def test_none_is_there_twice(self):
        self.assertEqual(len(self.quoted), len(set(self.quoted)))

    def test_a_sentence_is_long_enough_to_be_found(self):
        self.assertEqual([], [quote for quote in self.quoted
                              if len(quote.split()) < 4])
