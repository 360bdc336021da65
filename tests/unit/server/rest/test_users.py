# SPDX-License-Identifier: Apache-2.0

"""Users of http_basic."""

import base64
import os
import unittest.mock

import bcrypt
import fixtures
import testtools

from ironic_ext.server.rest import users


class UsersTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.path = os.path.join(
            self.useFixture(fixtures.TempDir()).path, 'users')
        self.good = ''.join(
            name + ':' + bcrypt.hashpw(
                name.encode(), bcrypt.gensalt(4)).decode() + '\n'
            for name in ('admin', 'other'))
        self.write(self.good)
        self.users = users.Users(self.path)

    def write(self, text):
        with open(self.path, 'w') as file:
            file.write(text)

    def name(self, name, password):
        login = base64.b64encode(f'{name}:{password}'.encode()).decode()
        return self.users.name({'HTTP_AUTHORIZATION': f'Basic {login}'})

    def test_who_knows_the_password_is_known(self):
        self.assertEqual('admin', self.name('admin', 'admin'))
        self.assertEqual('other', self.name('other', 'other'))
        for name, password in (('admin', 'other'), ('nobody', 'admin'),
                               ('', 'admin'), ('admin:', 'admin'),
                               ('adm', 'admin'), ('admin', 'x' * 100),
                               ('nobody', 'x' * 100)):
            self.assertEqual('', self.name(name, password))
        for header in ({}, {'HTTP_AUTHORIZATION': 'Basic'},
                       {'HTTP_AUTHORIZATION': 'Basic !'},
                       {'HTTP_AUTHORIZATION': 'Bearer x'}):
            self.assertEqual('', self.users.name(header))

    def test_one_password_is_verified_whoever_is_asked_for(self):
        really = bcrypt.checkpw
        for name in ('admin', 'other', 'nobody', ''):
            with unittest.mock.patch(
                    'oslo_middleware.basic_auth.bcrypt.checkpw',
                    side_effect=really) as verified:
                self.name(name, 'wrong')
            self.assertEqual(1, verified.call_count, name)
            # As costly for all of them.
            self.assertEqual(b'$2b$04', verified.call_args.args[1][:6])

    def test_a_file_that_does_not_serve_is_refused_in_a_line(self):
        for text, said in (
                ('u:$apr1$x$y', 'line 3: the password of u is no bcrypt'),
                ('u:' + self.good[6:40], 'line 3: the password of u is no'),
                ('u:$2y$99$' + 'x' * 53, 'line 3: the password of u is no'),
                ('secret', 'line 3 is not USER:HASH'),
                (':' + self.good[6:66], 'line 3 is not USER:HASH')):
            self.write(f'{self.good}{text}\n')
            exc = self.assertRaises(ValueError, users.Users, self.path)
            self.assertTrue(str(exc).startswith(
                '[ext_server]http_basic_auth_user_file: '
                f'{self.path}: line 3'), exc)
            self.assertIn(said, str(exc))
            self.assertIn('htpasswd -B', str(exc))
            self.assertNotIn('secret', str(exc))
            self.assertNotIn('\n', str(exc))
        self.write('\n# nobody\n')
        self.assertIn('has no users', str(self.assertRaises(
            ValueError, users.Users, self.path)))
        os.unlink(self.path)
        exc = self.assertRaises(ValueError, users.Users, self.path)
        self.assertIn(f'{self.path}: No such file or directory: make it by '
                      f'"htpasswd -cB {self.path} USER"', str(exc))

    def test_comments_and_empty_lines_are_none_of_it(self):
        self.write(f'# of operators\n\n{self.good}')
        self.users = users.Users(self.path)
        self.assertEqual('admin', self.name('admin', 'admin'))

    def test_a_file_that_breaks_is_logged_once_and_when_it_is_well(self):
        log = self.useFixture(fixtures.FakeLogger('ironic_ext'))
        os.unlink(self.path)
        for _ in range(3):
            self.assertEqual('', self.name('admin', 'admin'))
        self.assertEqual(1, log.output.count('No such file'), log.output)
        self.write(f'admin\n{self.good}')
        for _ in range(3):
            # One bad line is not the end of the others.
            self.assertEqual('admin', self.name('admin', 'admin'))
        self.assertEqual(1, log.output.count('line 1'), log.output)
        self.assertNotIn('well again', log.output)
        self.write(self.good)
        for _ in range(3):
            self.assertEqual('admin', self.name('admin', 'admin'))
        self.assertEqual(1, log.output.count('well again'), log.output)
