# SPDX-License-Identifier: Apache-2.0

"""A web server for what Ironic publishes, and for the lab's images."""

from collections.abc import Sequence
import pathlib

from lab import process

_CONFIG = """\
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
worker_processes 1;
{user}
events {{ worker_connections 64; }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/nginx-body;
    proxy_temp_path {directory}/nginx-proxy;
    fastcgi_temp_path {directory}/nginx-fastcgi;
    uwsgi_temp_path {directory}/nginx-uwsgi;
    scgi_temp_path {directory}/nginx-scgi;
    sendfile on;
    server {{
        listen 127.0.0.1:{port};
        root {root};
        location /lab-images/ {{ alias {images}/; }}
    }}
}}
"""


class Nginx(process.Service):
    """nginx in the foreground."""

    def __init__(self, directory: pathlib.Path, root: pathlib.Path,
                 images: pathlib.Path, *, user: str | None = None,
                 outlives: bool = False) -> None:
        super().__init__('nginx', directory, outlives=outlives)
        self.port = process.free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self.image_url = f'{self.url}/lab-images'
        self._config = directory / 'nginx.conf'
        self._config.write_text(_CONFIG.format(
            directory=directory, port=self.port, root=root, images=images,
            user=f'user {user};' if user else ''))

    def command(self) -> Sequence[str]:
        # -e: else it tries its compiled-in log first, which only root may.
        return ['/usr/sbin/nginx', '-e', 'stderr', '-p', str(self.directory),
                '-c', str(self._config)]

    def is_ready(self) -> bool:
        return process.http_answers(self.url)
