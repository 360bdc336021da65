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
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'users')
        with open(path, 'w') as file:
            for name in ('admin', 'other'):
                hashed = bcrypt.hashpw(name.encode(), bcrypt.gensalt(4))
                file.write(f'{name}:{hashed.decode()}\n')
        self.users = users.Users(path)

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
