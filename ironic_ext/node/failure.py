# SPDX-License-Identifier: Apache-2.0

"""The cause in an error of a node, which Ironic wraps in what it was doing.

Pure. The frames are those of Ironic 35 to 39 (conductor/deployments.py,
cleaning.py, manager.py, servicing.py, steps.py; drivers/modules/
agent_base.py).
"""

import re

_STEP = r'(?:\{[^}]*\}|\S+)'
_KIND = r'(?:deploy|clean|service|verify)'
_NODE = r'(?: (?:on|for|to|of) (?:child )?node \S+)?'
_FRAME = re.compile(
    r'(?:'
    rf'{_KIND} step {_STEP} failed{_NODE}(?: with \w+)?'
    rf'|node \S+ failed (?:{_KIND} )?step {_STEP}(?: with \w+)?'
    rf'|agent returned error for {_KIND} step {_STEP}{_NODE}'
    rf'|error performing {_KIND}_step \w+'
    rf'|failed to (?:(?:prepare to )?deploy|tear down|(?:un)?rescue){_NODE}'
    r'(?:\. exception)?'
    rf'|failed to tear down (?:from )?\w+{_NODE}, reason'
    rf'|failed to validate deploy or power info{_NODE}(?:\. error)?'
    r'|error while attempting to adopt node \S+'
    r'|the boot image of node \S+ could not be withdrawn'
    rf'|failed to prepare node \S+ for \w+'
    rf'|validation of node \S+ for \w+ failed'
    rf'|while (?:executing|running) (?:{_KIND} )?step {_STEP}{_NODE},?'
    rf'|(?:\w+, )?(?:the )?following error(?: was encountered)?'
    r')\s*[:.]\s+', re.IGNORECASE)


def cause(error: str) -> str:
    """Return what an error says after all that leads there, on one line."""
    found = ' '.join(error.split())
    while True:
        frame = _FRAME.match(found)
        if frame is None or frame.end() == len(found):
            return found
        found = found[frame.end():]
