# SPDX-License-Identifier: Apache-2.0

"""The real Glance for tests: SQLite, a folder of files, no authentication.

Glance's WSGI application is served by the standard library's server, in a
process of its own.
"""

from collections.abc import Mapping, Sequence
import os
import pathlib
import subprocess
import sys

from lab import process

_CONFIG = """\
[DEFAULT]
log_file = {folder}/glance.log
enabled_backends = files:file
node_staging_uri = file://{folder}/staging
[database]
connection = sqlite:///{folder}/glance.sqlite
[glance_store]
default_backend = files
[files]
filesystem_store_datadir = {folder}/files
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {folder}/tasks
[oslo_policy]
policy_file = {folder}/policy.yaml
[paste_deploy]
config_file = {folder}/paste.ini
"""

_PASTE = """\
[pipeline:glance-api]
pipeline = versionnegotiation unauthenticated-context rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:versionnegotiation]
paste.filter_factory = \
glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory
[filter:unauthenticated-context]
paste.filter_factory = \
glance.api.middleware.context:UnauthenticatedContextMiddleware.factory
"""

#: What the tests do: a request without a token has no role.
ACTIONS = (
    'add_image', 'deactivate', 'delete_image', 'download_image', 'get_image',
    'get_images', 'modify_image', 'publicize_image', 'upload_image')

_SERVE = """\
import socketserver, sys
from wsgiref import simple_server
from glance.wsgi.api import application

class Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True

simple_server.make_server('127.0.0.1', int(sys.argv[1]), application,
                          Server).serve_forever()
"""


class Glance(process.Service):
    """A Glance with an empty catalog.

    :param directory: for everything it writes.
    """

    start_timeout = 120.0

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__('glance-api', directory)
        self.port = process.free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        for name in ('files', 'staging', 'tasks'):
            (directory / name).mkdir(exist_ok=True)
        (directory / 'glance-api.conf').write_text(
            _CONFIG.format(folder=directory))
        (directory / 'paste.ini').write_text(_PASTE)
        self.permit(*ACTIONS)

    def permit(self, *actions: str, deny: str = 'reactivate') -> None:
        """Permit these actions, and deny one even to an administrator."""
        (self.directory / 'policy.yaml').write_text(
            ''.join(f'{action}: "@"\n' for action in actions)
            + f'{deny}: "!"\n')

    def environment(self) -> Mapping[str, str]:
        return {**os.environ, 'OS_GLANCE_CONFIG_DIR': str(self.directory)}

    def command(self) -> Sequence[str]:
        subprocess.run(
            [sys.executable, '-m', 'glance.cmd.manage', '--config-file',
             str(self.directory / 'glance-api.conf'), 'db', 'sync'],
            check=True, stdin=subprocess.DEVNULL, capture_output=True)
        return [sys.executable, '-c', _SERVE, str(self.port)]

    def is_ready(self) -> bool:
        return process.http_answers(f'{self.url}/v2/images')
