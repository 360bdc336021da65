# SPDX-License-Identifier: Apache-2.0

"""Who may do what in the boot server, for oslo.policy.

It acts on all nodes with its own login to Ironic, so that what somebody may
do with whose node is decided here. The defaults are those of Ironic's own
API (ironic/common/policy.py): the system, or the project that owns or leases
a node; [oslo_policy]enforce_new_defaults brings those of before back.
"""

import collections.abc

from oslo_policy import policy

READER, ADMIN = 'ext_server:reader', 'ext_server:admin'
HOSTS_READ, HOSTS_WRITE = 'ext_server:hosts:get', 'ext_server:hosts:update'
POWER = 'ext_server:hosts:set_power'
TOKENS = 'ext_server:hosts:create_token'
PROVISION = 'ext_server:hosts:set_provision_state'
HOSTS_LIST = 'ext_server:hosts:list'
ADDRESS = 'ext_server:hosts:set_address'
CONSOLE = 'ext_server:hosts:get_console'
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


#: As ironic/common/policy.py has them; "node" is that of the host.
_OWNER, _LESSEE = 'project_id:%(node.owner)s', 'project_id:%(node.lessee)s'
_SERVICE = f'(role:service and ({_OWNER} or system_scope:all))'
_SYSTEM_MEMBER = '(role:member and system_scope:all)'


def _formerly(name: str, check: str) -> policy.DeprecatedRule:
    """Return what a rule was before it knew of owners and lessees."""
    return policy.DeprecatedRule(
        name, check, deprecated_since='2026.2', deprecated_reason=(
            'administrators of any project were administrators of all '
            'hosts'))


_RULES = [
    policy.RuleDefault(
        ADMIN, 'role:admin and system_scope:all',
        'An administrator of the cloud.',
        deprecated_rule=_formerly(ADMIN, 'role:admin')),
    policy.RuleDefault(
        READER, f'rule:{ADMIN} or ((role:reader or role:service) and '
                'system_scope:all)',
        'Who may look at everything.',
        deprecated_rule=_formerly(
            READER, f'rule:{ADMIN} or role:service or '
                    '(role:reader and system_scope:all)')),
    policy.DocumentedRuleDefault(
        HOSTS_LIST, f'rule:{READER} or role:reader or role:service',
        'List and watch hosts: those that one may get.',
        _operations('GET /api/v1/baremetalhosts', f'GET {_HOSTS}')),
    policy.DocumentedRuleDefault(
        HOSTS_READ, f'rule:{READER} or {_SERVICE} or '
                    f'(role:reader and ({_OWNER} or {_LESSEE}))',
        'See a host; others are not there.', _operations(f'GET {_HOST}')),
    policy.DocumentedRuleDefault(
        HOSTS_WRITE, f'rule:{ADMIN} or {_SYSTEM_MEMBER} or {_SERVICE} or '
                     f'(role:member and {_OWNER}) or '
                     f'((role:admin or role:manager) and {_LESSEE})',
        'Choose what a host boots and which config it gets.',
        _operations(f'PATCH {_HOST}', f'PUT {_HOST}')),
    policy.DocumentedRuleDefault(
        ADDRESS, f'rule:{ADMIN}',
        'Declare the address by which a host\'s machine is known.',
        _operations(f'PATCH {_HOST}', f'PUT {_HOST}')),
    policy.DocumentedRuleDefault(
        POWER, f'rule:{ADMIN} or {_SYSTEM_MEMBER} or {_SERVICE} or '
               f'(role:member and ({_OWNER} or {_LESSEE}))',
        'Switch a host on and off.',
        _operations(f'POST {_HOST}/power')),
    policy.DocumentedRuleDefault(
        CONSOLE, f'rule:{ADMIN} or {_SYSTEM_MEMBER} or {_SERVICE} or '
                 f'(role:member and {_OWNER})',
        'See whether a host has a console, and where it is.',
        _operations(f'GET {_HOST}/links', f'GET {_HOST}/console')),
    policy.DocumentedRuleDefault(
        PROVISION, f'rule:{HOSTS_WRITE}',
        'Deploy or rebuild a host, so that it boots what is chosen for it.',
        _operations(f'POST {_HOST}/provision')),
    policy.DocumentedRuleDefault(
        TOKENS, f'rule:{HOSTS_WRITE}',
        'Make the token of a machine, which reads the config of its host.',
        _operations(f'POST {_HOST}/token')),
    policy.DocumentedRuleDefault(
        CATALOG_READ, f'rule:{READER} or role:reader or role:service',
        'List, show and watch ISOs and configs, without the configs\' data.',
        _operations(*(f'GET {path}' for path in _CATALOG),
                    f'GET {_ISO}/upload', 'GET /api/v1/formats')),
    policy.DocumentedRuleDefault(
        CATALOG_WRITE, 'role:admin',
        'Create, change, upload and delete ISOs and configs.',
        _operations(*(f'POST {path}' for path in _CATALOG[:2]),
                    *(f'{method} {path}' for path in _CATALOG[2:]
                      for method in ('PUT', 'PATCH', 'DELETE')),
                    f'PUT {_ISO}/upload', f'PATCH {_ISO}/status',
                    f'POST {_ISO}/fetch', f'DELETE {_ISO}/fetch',
                    'POST /api/v1/preview')),
    policy.DocumentedRuleDefault(
        CATALOG_ALL, f'rule:{ADMIN} or system_scope:all',
        'Have the ISOs and configs of all projects in the catalog, share '
        'them, and let the servers fetch ISOs by URL. Others have those of '
        'the project that they are logged in to, and see what is shared.',
        _operations(*(f'GET {path}' for path in _CATALOG),
                    *(f'POST {path}' for path in _CATALOG[:2]),
                    *(f'{method} {path}' for path in _CATALOG[2:]
                      for method in ('PUT', 'PATCH', 'DELETE')))),
    policy.DocumentedRuleDefault(
        SECRETS, 'role:admin',
        'See the data of configs, which may be secret, and previews.',
        _operations('GET /api/v1/bootconfigs/{name}',
                    'GET /api/v1/bootconfigs/{name}/preview',
                    'POST /api/v1/preview')),
]


def list_rules() -> collections.abc.Sequence[policy.RuleDefault]:
    """Return the rules, for oslopolicy-policy-generator."""
    return list(_RULES)
