# SPDX-License-Identifier: Apache-2.0

"""Tests for how something is changed, on a library of their own."""

import logging
import sys
import types

import fixtures
from ironic.common import image_service
import testtools

from ironic_ext.drivers import patching


class Library(types.ModuleType):
    """What is changed here, so that Ironic stays as it is."""

    def __init__(self):
        super().__init__('tests_library')
        self.double = lambda number: number * 2
        self.Kind = type('Kind', (), {'method': lambda self, a, b=0: (a, b)})
        self.table = {'oci': image_service.BaseImageService}


class PatchTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.module = Library()
        self.useFixture(fixtures.MonkeyPatch(
            'sys.modules', {**sys.modules, 'tests_library': self.module}))
        self.log = self.useFixture(fixtures.FakeLogger(
            patching.__name__, level=logging.WARNING))

    def install(self, *targets, wanted=True):
        patching.Patch('Test', targets, reason='A bug.', releases='0',
                       loss='All is lost.',
                       wanted=lambda: wanted).install()

    def wrap(self, name, takes, body):
        return patching.Wrapped(f'tests_library:{name}', takes, body)

    def test_a_method_is_called_through_the_new_one(self):
        def body(stock, this, a, *args, **kwargs):
            return ('new', *stock(this, a + 1, *args, **kwargs))

        self.install(self.wrap('Kind.method', ('self', 'a'), body))
        self.assertEqual(('new', 3, 4), self.module.Kind().method(2, b=4))
        self.assertEqual('', self.log.output)

    def test_what_does_not_fit_is_left_as_it_is(self):
        for name, takes, said in (
                ('Kind.method', ('self', 'b'),
                 'Kind.method does not take self, b any more'),
                ('Kind.other', ('self',), 'Kind.other is gone'),
                ('Other.method', ('self',), 'Other.method is gone'),
                ('table', ('self',), 'table does not take self any more')):
            before = dict(vars(self.module)), self.module.Kind.method
            self.install(self.wrap(name, takes, lambda stock: None))
            self.assertEqual(before, (vars(self.module),
                                      self.module.Kind.method))
            self.assertIn(f'tests_library:{said}. All is lost.',
                          self.log.output)

    def test_a_patch_is_made_whole_or_not_at_all(self):
        stock = self.module.double
        self.install(self.wrap('double', ('number',), lambda stock, n: 0),
                     self.wrap('triple', ('number',), lambda stock, n: 0))
        self.assertIs(stock, self.module.double)

    def test_what_is_not_wanted_is_neither_made_nor_missed(self):
        self.install(self.wrap('triple', (), lambda stock: 0), wanted=False)
        self.assertEqual('', self.log.output)

    def test_a_log_is_filtered_without_its_module_being_loaded(self):
        class Silence(logging.Filter):
            def filter(self, record):
                return False

        logger = logging.getLogger('this')
        silence = Silence()
        self.addCleanup(logger.removeFilter, silence)
        self.useFixture(fixtures.MonkeyPatch('sys.modules', {
            name: module for name, module in sys.modules.items()
            if name != 'this'}))
        self.install(patching.Filtered('this', silence))
        self.assertNotIn('this', sys.modules)
        self.assertFalse(logger.filter(logging.LogRecord(
            'this', logging.INFO, 'x.py', 1, 'said', (), None)))
