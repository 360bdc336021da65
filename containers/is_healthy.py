# SPDX-License-Identifier: Apache-2.0

"""Health check of a container: is the server at this port well?

``HEALTH_URL`` names another place, as for a server that speaks HTTPS: whose
certificate it is does not matter here.
"""

import os
import ssl
import sys
import urllib.request

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
url = os.environ.get('HEALTH_URL') or (
    f'http://127.0.0.1:{sys.argv[1]}/healthz')
try:
    with urllib.request.urlopen(url, timeout=4, context=context) as answer:
        answer.read(100)
except OSError as exc:
    sys.exit(f'{url}: {exc}')
