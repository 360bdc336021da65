# SPDX-License-Identifier: Apache-2.0

"""Vendor passthru, which the client of ironic-tempest-plugin has not."""

import json
import typing


def call(client: typing.Any, node: str, method: str, http_method: str = 'GET',
         body: object = None) -> typing.Any:
    """Call a method of a node's vendor interface.

    :param client: a BaremetalClient.
    :returns: what it answers, None for nothing.
    :raises: what tempest's RestClient raises
    """
    path = f'v1/nodes/{node}/vendor_passthru?method={method}'
    text = None if body is None else json.dumps(body)
    if http_method == 'GET':
        answer, data = client.get(path)
    elif http_method == 'DELETE':
        answer, data = client.delete(path)
    else:
        answer, data = client.put(path, text)
    client.expected_success([200, 202, 204], answer.status)
    return json.loads(data) if data else None
