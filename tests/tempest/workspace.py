# SPDX-License-Identifier: Apache-2.0

"""A workspace of tempest: tempest.conf, accounts, and a run."""

import collections.abc
import configparser
import os
import pathlib
import subprocess
import sys
import typing

import yaml

from tests.functional import keystone

_SYSTEM = {'username': 'admin', 'system': 'all', 'roles': ['admin']}


class Workspace:
    """A directory that tempest runs in."""

    def __init__(self, directory: pathlib.Path,
                 identity: keystone.Process,
                 baremetal: collections.abc.Mapping[str, str],
                 **options: typing.Any) -> None:
        """Write the files.

        :param baremetal: options of ``[baremetal]``.
        :param options: of ``[ironic_ext]``.
        """
        self._directory = directory
        self._program = pathlib.Path(sys.executable).parent / 'tempest'
        self._run('init', str(directory), cwd=directory.parent)
        accounts = directory / 'etc/accounts.yaml'
        accounts.write_text(yaml.safe_dump([
            {'password': keystone.PASSWORD, 'user_domain_name': 'Default',
             **account} for account in _accounts(identity)]))
        config = configparser.ConfigParser(interpolation=None)
        config.read_dict({
            'DEFAULT': {'log_file': str(directory / 'tempest.log')},
            'oslo_concurrency': {'lock_path': str(directory / 'lock')},
            'auth': {'use_dynamic_credentials': 'false',
                     'test_accounts_file': str(accounts),
                     'admin_system': 'all',
                     'admin_username': 'admin',
                     'admin_password': keystone.PASSWORD,
                     'admin_user_domain_name': 'Default'},
            'identity': {'uri_v3': identity.url, 'auth_version': 'v3',
                         'region': 'RegionOne',
                         'v3_endpoint_type': 'publicURL'},
            'service_available': {
                'ironic': 'true', 'nova': 'false', 'neutron': 'false',
                'glance': 'false', 'cinder': 'false', 'swift': 'false'},
            'enforce_scope': {'ironic': 'true'},
            'baremetal': {'active_timeout': '600', 'power_timeout': '300',
                          'use_provision_network': 'false', **baremetal},
            'ironic_ext': {name: str(value)
                           for name, value in options.items()}})
        with (directory / 'etc/tempest.conf').open('w') as file:
            config.write(file)

    def run(self, tests: str, expression: str = '') -> int:
        """Run tests of a plugin, one after the other.

        :param tests: what the names of its tests begin with.
        :param expression: part of the names of those that are wanted.
        :returns: the exit code of tempest.
        """
        return subprocess.run(
            [self._program, 'run', '--serial', '--regex',
             f'^{tests}.*{expression}'], cwd=self._directory,
            env=self._environment(), stdin=subprocess.DEVNULL).returncode

    def _run(self, *arguments: str, cwd: pathlib.Path) -> None:
        subprocess.run([self._program, *arguments], cwd=cwd, check=True,
                       env=self._environment(), capture_output=True)

    def _environment(self) -> dict[str, str]:
        # What tempest keeps of workspaces belongs to this one, and its locks.
        return {**os.environ, 'HOME': str(self._directory.parent),
                'TMPDIR': str(self._directory.parent)}


def _accounts(identity: keystone.Process
              ) -> list[dict[str, typing.Any]]:
    """Make users, and return them as tempest wants them."""
    identity.add_user('tempest-reader', 'reader', system=True)
    identity.add_user('tempest-member', 'member')
    identity.add_user('tempest-project-reader', 'reader')
    return [_SYSTEM,
            {'username': 'tempest-reader', 'system': 'all',
             'roles': ['reader']},
            {'username': 'admin', 'project_name': 'admin',
             'project_domain_name': 'Default', 'roles': ['admin'],
             'types': ['admin']},
            {'username': 'tempest-member', 'project_name': 'admin',
             'project_domain_name': 'Default', 'roles': ['member']},
            {'username': 'tempest-project-reader', 'project_name': 'admin',
             'project_domain_name': 'Default', 'roles': ['reader']}]
