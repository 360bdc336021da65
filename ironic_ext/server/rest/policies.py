# SPDX-License-Identifier: Apache-2.0

"""Who may do what in the boot server, for oslo.policy.

It acts on all nodes with its own login to Ironic, so that what an operator
may do is decided here, and not by a node's owner or lessee.
"""

import collections.abc

from oslo_policy import policy

READER, ADMIN = 'ext_server:reader', 'ext_server:admin'
HOSTS_READ, HOSTS_WRITE = 'ext_server:hosts:get', 'ext_server:hosts:update'
POWER = 'ext_server:hosts:set_power'
TOKENS = 'ext_server:hosts:create_token'
CATALOG_READ = 'ext_server:catalog:get'
CATALOG_WRITE = 'ext_server:catalog:update'
CATALOG_ALL = 'ext_server:catalog:all_projects'
SECRETS = 'ext_server:catalog:get_data'

_HOSTS = '/api/v1/namespaces/{namespace}/baremetalhosts'
_HOST = _HOSTS + '/{name}'
_ISO = '/api/v1/iscsi-cdroms/{name}'
_CATALOG = ('/api/v1/iscsi-cdroms', '/api/v1/bootconfigs', _ISO,
            '/api/v1/bootconfigs/{name}')


def _operations(*paths: str) -> list[policy.Operation]:
    """Return operations of texts like ``GET /path``."""
    return [{'method': method, 'path': path}
            for method, path in map(str.split, paths)]


_RULES = [
    policy.RuleDefault(
        ADMIN, 'role:admin', 'An administrator of the cloud.'),
    policy.RuleDefault(
        READER, f'rule:{ADMIN} or role:service or '
                '(role:reader and system_scope:all)',
        'Who may look at everything.'),
    policy.DocumentedRuleDefault(
        HOSTS_READ, f'rule:{READER}', 'List, show and watch hosts.',
        _operations('GET /api/v1/baremetalhosts', f'GET {_HOSTS}',
                    f'GET {_HOST}')),
    policy.DocumentedRuleDefault(
        HOSTS_WRITE, f'rule:{ADMIN}',
        'Choose what a host boots and which config it gets.',
        _operations(f'PATCH {_HOST}', f'PUT {_HOST}')),
    policy.DocumentedRuleDefault(
        POWER, f'rule:{ADMIN}', 'Switch hosts on and off.',
        _operations(f'POST {_HOST}/power')),
    policy.DocumentedRuleDefault(
        TOKENS, f'rule:{ADMIN}', 'Make the token of a machine.',
        _operations(f'POST {_HOST}/token')),
    policy.DocumentedRuleDefault(
        CATALOG_READ, f'rule:{READER}',
        'List, show and watch ISOs and configs, without the configs\' data.',
        _operations(*(f'GET {path}' for path in _CATALOG),
                    f'GET {_ISO}/upload', 'GET /api/v1/formats')),
    policy.DocumentedRuleDefault(
        CATALOG_WRITE, f'rule:{ADMIN}',
        'Create, change, upload and delete ISOs and configs.',
        _operations(*(f'POST {path}' for path in _CATALOG[:2]),
                    *(f'{method} {path}' for path in _CATALOG[2:]
                      for method in ('PUT', 'PATCH', 'DELETE')),
                    f'PUT {_ISO}/upload', f'PATCH {_ISO}/status',
                    'POST /api/v1/preview')),
    policy.DocumentedRuleDefault(
        CATALOG_ALL, f'rule:{ADMIN} or role:service or system_scope:all',
        'Have the ISOs and configs of all projects in the catalog, share '
        'them, and let the servers fetch ISOs by URL. Others have those of '
        'the project that they are logged in to, and see what is shared.',
        _operations(*(f'GET {path}' for path in _CATALOG),
                    *(f'POST {path}' for path in _CATALOG[:2]),
                    *(f'{method} {path}' for path in _CATALOG[2:]
                      for method in ('PUT', 'PATCH', 'DELETE')))),
    policy.DocumentedRuleDefault(
        SECRETS, f'rule:{ADMIN}',
        'See the data of configs, which may be secret, and previews.',
        _operations('GET /api/v1/bootconfigs/{name}',
                    'GET /api/v1/bootconfigs/{name}/preview',
                    'POST /api/v1/preview')),
]


def list_rules() -> collections.abc.Sequence[policy.RuleDefault]:
    """Return the rules, for oslopolicy-policy-generator."""
    return list(_RULES)
