# SPDX-License-Identifier: Apache-2.0

"""A stand-in for Ironic's API: as much of it as the boot server asks for.

For what a real one is too slow to set up: ten thousand nodes, a fault at a
moment of choice. ``python -m tests.ironic_stand_in PORT [NODES]`` serves it.
"""

import contextlib
import datetime
import http.server
import json
import sys
import threading
import urllib.parse
import uuid

import fixtures

from ironic_ext.data_image import record as records
from ironic_ext.data_image import spec as data_image
from ironic_ext.data_image import status as statuses


class Nodes:
    """Nodes and ports in memory."""

    def __init__(self):
        self.lock = threading.RLock()
        self.nodes = {}
        self.ports = {}
        self.inventories = {}
        #: Nodes that are in lists still, and nowhere else any more.
        self.going = set()
        #: What is said of consoles that are enabled, by node.
        self.consoles = {}
        #: Nodes whose consoles were asked for.
        self.consoles_asked = []
        #: What was asked for last, by node.
        self.data_images = {}
        #: Requests that were answered, and bytes of the answers.
        self.answers = self.answered_bytes = 0

    def add(self, name, *macs, **fields):
        """Add a node with ports; return its UUID."""
        node = {'uuid': str(uuid.uuid4()), 'name': name,
                'driver': 'fake-hardware', 'power_state': 'power off',
                'target_power_state': None, 'provision_state': 'active',
                'target_provision_state': None, 'maintenance': False,
                'last_error': None, 'instance_info': {}, 'properties': {},
                'driver_info': {'redfish_password': '******'}, 'extra': {},
                'driver_internal_info': {},
                'network_data': {}, 'inspection_finished_at': None,
                'created_at': _now(), 'updated_at': None, **fields}
        with self.lock:
            self.nodes[node['uuid']] = node
            for mac in macs:
                port = {'uuid': str(uuid.uuid4()), 'address': mac,
                        'node_uuid': node['uuid'], 'created_at': _now(),
                        'updated_at': None}
                self.ports[port['uuid']] = port
        return node['uuid']

    def fill(self, count):
        """Add many."""
        for number in range(count):
            high, low = divmod(number, 256)
            self.add(f'server{number:05}',
                     f'52:54:00:00:{high:02x}:{low:02x}',
                     extra={'boot_ips': [f'10.0.{high}.{low}']},
                     instance_info={'boot_iso': f'iso{number % 10}',
                                    'boot_config':
                                    f'config{number % 1000:04}'})

    def change(self, node, **fields):
        """Change a node."""
        with self.lock:
            self.nodes[node].update(fields, updated_at=_now())

    def has(self, node):
        """Tell whether a node is there for those who name it."""
        return node in self.nodes and node not in self.going

    def remove(self, node):
        """Delete a node and its ports."""
        with self.lock:
            del self.nodes[node]
            self.ports = {key: port for key, port in self.ports.items()
                          if port['node_uuid'] != node}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        path = url.path.strip('/').split('/')[1:]
        known = self.server.known
        with known.lock:
            if path in (['nodes', 'detail'], ['nodes']):
                self._list('nodes', known.nodes, query)
            elif path == ['ports'] and 'address' in query:
                self._answer(200, {'ports': [
                    port for port in known.ports.values()
                    if port['address'] == query['address']]})
            elif path == ['ports']:
                self._list('ports', known.ports, query)
            elif path[0] == 'nodes' and known.has(path[1]):
                if path[2:] == ['inventory']:
                    found = known.inventories.get(path[1])
                    self._answer(200 if found else 404, found or {})
                elif path[2:] == ['states', 'console']:
                    known.consoles_asked.append(path[1])
                    found = known.consoles.get(path[1])
                    self._answer(200, {'console_enabled': found is not None,
                                       'console_info': found})
                else:
                    self._answer(200, {
                        **known.nodes[path[1]],
                        'console_enabled': path[1] in known.consoles})
            else:
                self._refuse(404, 'Node could not be found.')

    def do_PATCH(self):
        changes = self._body()
        uuid = self.path.split('/')[3]
        known = self.server.known
        with known.lock:
            if not known.has(uuid):
                self._refuse(404, 'Node could not be found.')
                return
            info = dict(known.nodes[uuid]['instance_info'])
            for change in changes:
                key = change['path'].split('/')[2]
                if change['op'] == 'add':
                    info[key] = change['value']
                elif key in info:
                    del info[key]
                else:
                    self._refuse(400, f'{key} is not there')
                    return
            known.change(uuid, instance_info=info)
            self._answer(200, known.nodes[uuid])

    def do_PUT(self):
        uuid = self.path.split('/')[3]
        if not self.server.known.has(uuid):
            self._body()
            self._refuse(404, f'Node {uuid} could not be found.')
            return
        if 'method=data_image' in self.path:
            self._set_data_image(uuid, self._body())
            return
        target = self._body()['target']
        self.server.known.change(uuid, **(
            {'target_provision_state': target}
            if self.path.endswith('/provision')
            else {'target_power_state': target}))
        self._answer(202, {})

    def do_DELETE(self):
        self._set_data_image(self.path.split('/')[3], None)

    def _set_data_image(self, uuid, wanted):
        """Put it on record as conductors do."""
        known = self.server.known
        if not known.has(uuid):
            self._refuse(404, f'Node {uuid} could not be found.')
            return
        if known.nodes[uuid].get('vendor_interface') == 'no-vendor':
            # As Ironic has it.
            self._refuse(400, 'No handler for method data_image')
            return
        try:
            spec = wanted and data_image.parse(
                wanted, data_image.Limits(1 << 20, 1 << 20))
        except data_image.SpecError as exc:
            self._refuse(400, str(exc))
            return
        known.data_images[uuid] = wanted
        info = known.nodes[uuid]['driver_internal_info']
        made = records.first(spec, True)
        known.change(uuid, driver_internal_info={
            **info, 'ext_data_image': {**made.to_json(),
                                       'secret': '******'}})
        self._answer(200, statuses.show(made))

    def _list(self, kind, items, query):
        found = list(items.values())
        key = query.get('sort_key')
        if key:
            found.sort(key=lambda item: item[key] or '', reverse=True)
        marker = query.get('marker')
        start = 1 + next(index for index, item in enumerate(found)
                         if item['uuid'] == marker) if marker else 0
        limit = int(query.get('limit', 1000))
        page = found[start:start + limit]
        if 'fields' in query:
            page = [_part(kind, item, query['fields'].split(','))
                    for item in page]
        body = {kind: page}
        if len(found) > start + limit:
            body['next'] = 'there is more'
        self._answer(200, body)

    def _body(self):
        return json.loads(self.rfile.read(
            int(self.headers['Content-Length'])))

    def _refuse(self, code, text):
        self._answer(code, {'error_message': json.dumps(
            {'faultstring': text})})

    def _answer(self, code, body):
        data = json.dumps(body).encode()
        with self.server.known.lock:
            self.server.known.answers += 1
            self.server.known.answered_bytes += len(data)
        self.send_response(code)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


class IronicStandIn(fixtures.Fixture):
    """The stand-in in threads of the test."""

    def _setUp(self):
        self.known = Nodes()
        self._server = serve(self.known, 0)
        self.addCleanup(self._server.server_close)
        self.addCleanup(self._server.shutdown)
        self.url = f'http://127.0.0.1:{self._server.server_address[1]}'
        threading.Thread(target=self._server.serve_forever,
                         daemon=True).start()


def serve(known, port):
    """Return a server that is bound, not yet serving."""
    server = http.server.ThreadingHTTPServer(('127.0.0.1', port), _Handler)
    server.daemon_threads = True
    server.known = known
    return server


def _part(kind, item, names):
    """Return what was asked for, and the links that are always there."""
    return {**{name: item[name] for name in names}, 'links': [
        {'href': f'http://127.0.0.1:6385{prefix}/{kind}/{item["uuid"]}',
         'rel': rel} for rel, prefix in (('self', '/v1'), ('bookmark', ''))]}


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat()


def main():
    """Serve until interrupted."""
    known = Nodes()
    known.fill(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    with contextlib.suppress(KeyboardInterrupt):
        serve(known, int(sys.argv[1])).serve_forever()


if __name__ == '__main__':
    main()
