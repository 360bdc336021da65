# SPDX-License-Identifier: Apache-2.0

"""The application as a whole, without a network."""

import json
import unittest.mock

import falcon.inspect
import falcon.testing
import jsonschema
from oslo_config import cfg
import testtools

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext import conf as options
from ironic_ext.node import host as hosts
from ironic_ext.server import app
from ironic_ext.server.mirror import host_index
from ironic_ext.server.rest import openapi
from ironic_ext.server.rest import policies
from tests.unit.node import test_host as test_hosts

#: What people open, and programs only load.
_NOT_DESCRIBED = {'/', '/page/{name}', '/openapi.json', '/t/{token}'}


def make(answers=unittest.mock.Mock(), **given):
    """Return an application, and its index.

    :param answers: makes machine_answers.Answers of the index.
    """
    conf = cfg.ConfigOpts()
    options.register_opts(conf)
    conf([])
    for name, value in {'auth_strategy': 'noauth', **given}.items():
        conf.set_override(name, value, group='ext_server')
    index = host_index.HostIndex()
    parts = [unittest.mock.Mock() for _number in range(9)]
    parts[2], parts[8] = index, answers(index)
    return app.make(conf, app.Parts(*parts)), index


class AppTestCase(testtools.TestCase):
    """Paths, and what is said of them."""

    def test_every_path_is_described(self):
        application, _index = make()
        found = {route.path.replace(':path}', '}')
                 for route in falcon.inspect.inspect_routes(application)}
        # One resource answers with and without its last slash.
        described = {'/t/{token}' if path == '/t/{token}/' else path
                     for path in openapi.description()['paths']}
        self.assertEqual(found - _NOT_DESCRIBED,
                         described - _NOT_DESCRIBED)

    def test_documents_are_as_described(self):
        cdrom = resources.parse({
            'kind': 'ISCSICdrom', 'metadata': {
                'name': 'a', 'labels': {'b': 'c'}, 'uid': 'd',
                'resourceVersion': '1', 'creationTimestamp': 'e'},
            'spec': {'url': 'http://example.com/a', 'description': 'f',
                     'bootConfigs': ['g'], 'readOnly': False},
            'status': {'phase': 'Ready', 'isoSize': 1, 'volumeId': 'h',
                       'bootLoaders': ['i'], 'targetIQN': 'j',
                       'portalIP': 'k', 'portalPort': 3260, 'lun': 1,
                       'error': 'l'}})
        config = catalog.BootConfig(
            catalog.Metadata('a'), catalog.BootConfigSpec(
                'plain', {'b': 'c'}, 'b', True))
        host = test_hosts.host(last_error='x', instance_info={
            'boot_config': {'format': 'plain'},
            'ext_boot_completed_at': 'y'})
        for document in (resources.document(cdrom),
                         resources.document(config),
                         hosts.document(host, 'z')):
            jsonschema.validate(document, {
                **openapi.description(),
                '$ref': f'#/components/schemas/{document["kind"]}'})

    def test_a_policy_names_paths_that_there_are(self):
        described = openapi.description()['paths']
        for rule in policies.list_rules():
            for operation in getattr(rule, 'operations', ()):
                self.assertIn(operation['method'].lower(),
                              described[operation['path']])

    def test_before_ironic_answered_nothing_is_concluded(self):
        application, index = make()
        client = falcon.testing.TestClient(application)
        path = '/api/v1/baremetalhosts'
        self.assertEqual(503, client.simulate_get(path).status_code)
        index.loaded.set()
        self.assertEqual([], client.simulate_get(path).json['items'])

    def test_an_error_of_ours_tells_nothing_of_itself(self):
        application, index = make()
        index.loaded.set()
        with unittest.mock.patch.object(index, 'page',
                                        side_effect=KeyError('secret')):
            found = falcon.testing.TestClient(application).simulate_get(
                '/api/v1/baremetalhosts')
        self.assertEqual(500, found.status_code)
        self.assertEqual('Status', found.json['kind'])
        self.assertNotIn('secret', json.dumps(found.json))

    def test_the_page_has_a_strict_policy_and_a_tag(self):
        application, _index = make()
        client = falcon.testing.TestClient(application)
        found = client.simulate_get('/')
        self.assertEqual(200, found.status_code)
        self.assertIn("default-src 'self'",
                      found.headers['Content-Security-Policy'])
        again = client.simulate_get('/', headers={
            'If-None-Match': found.headers['ETag']})
        self.assertEqual(304, again.status_code)
