# SPDX-License-Identifier: Apache-2.0

import random

import testtools

from ironic_ext.iso import errors
from ironic_ext.iso import kernel_args


class ParseTestCase(testtools.TestCase):

    def test_blanks_separate_and_double_quotes_group(self):
        self.assertEqual(
            ('a=1', '"b c"', 'd="e\u00a7 f"g', '---', "it's"),
            kernel_args.parse(' a=1\t"b c"  d="e\u00a7 f"g --- it\'s '))

    def test_an_empty_text_has_no_words(self):
        self.assertEqual((), kernel_args.parse(' '))

    def test_control_characters_are_refused_by_name(self):
        for text, said in (('a\nb', 'newline at character 2'),
                           ('a\rb', 'carriage return'),
                           ('a\0', 'NUL'), ('\x1b[0m', '0x1b'),
                           ('a\x85b', '0x85')):
            exc = self.assertRaises(errors.KernelArgumentError,
                                    kernel_args.parse, text)
            self.assertIn(said, str(exc))

    def test_an_unbalanced_double_quote_is_refused(self):
        exc = self.assertRaises(errors.KernelArgumentError,
                                kernel_args.parse, 'a="b c')
        self.assertIn('unbalanced', str(exc))

    def test_a_lone_surrogate_is_refused(self):
        self.assertRaises(errors.KernelArgumentError,
                          kernel_args.parse, 'a=\udc80')

    def test_the_limit_is_in_bytes_and_inclusive(self):
        kernel_args.parse('a' * 4096)
        self.assertRaises(errors.KernelArgumentError,
                          kernel_args.parse, 'a' * 4097)
        self.assertRaises(errors.KernelArgumentError,
                          kernel_args.parse, '\u00a7' * 2049)


class EditTestCase(testtools.TestCase):

    def edit(self, words, append='', delete=''):
        return ' '.join(kernel_args.edit(words.split(), append.split(),
                                         delete.split()))

    def test_arguments_are_appended_at_the_end(self):
        self.assertEqual('quiet a=1 b', self.edit('quiet', 'a=1 b'))

    def test_arguments_go_before_the_first_separator(self):
        self.assertEqual('x a --- y --- z', self.edit('x --- y --- z', 'a'))
        self.assertEqual('a -- init', self.edit('-- init', 'a'))

    def test_own_words_behind_a_separator_persist_too(self):
        self.assertEqual('x a --- y b', self.edit('x --- y', 'a --- b'))
        self.assertEqual('x a --- b', self.edit('x', 'a --- b'))

    def test_a_bare_name_deletes_the_word_and_its_values(self):
        self.assertEqual('xquiet quietx=1',
                         self.edit('quiet xquiet quiet=1 quietx=1',
                                   delete='quiet'))

    def test_a_name_with_value_deletes_exactly_that_word(self):
        self.assertEqual('console=tty0 console=ttyS0,115200',
                         self.edit('console=tty0 console=ttyS0 '
                                   'console=ttyS0,115200',
                                   delete='console=ttyS0'))

    def test_quotes_do_not_hide_a_word_from_deletion(self):
        self.assertEqual(('c',), kernel_args.edit(
            ['a="b c"', '"q"', 'c'], [], ['"a=b c"', 'q']))

    def test_a_deleted_word_can_be_appended_anew(self):
        self.assertEqual('b console=ttyS1',
                         self.edit('console=tty0 b', 'console=ttyS1',
                                   'console'))


class EditTextTestCase(testtools.TestCase):

    def check(self, text, append, delete, wanted):
        self.assertEqual(wanted, kernel_args.edit_text(
            text, append.split(), delete.split()))

    def test_other_bytes_stay(self):
        self.check('a   b\t c  ', 'd', '', 'a   b\t c d  ')
        self.check('a   b\t c  ', '', 'b', 'a\t c  ')
        self.check(' a  b  c', '', 'a', ' b  c')
        self.check('a  b  --- c', 'd', 'b', 'a  d --- c')

    def test_an_emptied_line_leaves_no_blank_in_front(self):
        self.check('a b', 'c', 'a b', 'c')
        self.check('a b', '', 'a b', '')
        self.check('a --- b', 'c', 'a', 'c --- b')
        self.check('', 'c', '', 'c')

    def test_text_and_words_agree_for_random_input(self):
        rng = random.Random(5)
        pool = ['a', 'a=1', '"a b"', 'b', 'c=2', '---', '--', 'x"y z"']
        for _turn in range(3000):
            words = [rng.choice(pool) for _ in range(rng.randrange(7))]
            text = ''.join(rng.choice([' ', '  ', '\t']) + w for w in words)
            append = [rng.choice(pool) for _ in range(rng.randrange(3))]
            delete = [rng.choice(pool) for _ in range(rng.randrange(3))]
            self.assertEqual(
                kernel_args.edit(words, append, delete),
                kernel_args.parse(
                    kernel_args.edit_text(text, append, delete)))
