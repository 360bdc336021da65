# SPDX-License-Identifier: Apache-2.0

"""What a plan costs, counted in calls: no other load changes that."""

import pathlib
import sys

import testtools

from ironic_ext import iso
from tests import isos

#: Of one plan for a machine whose firmware is known, and for all paths,
#: when the base is known; a tenth above what they take.
_KNOWN, _ALL = 10400, 11200


def _plan(base: pathlib.Path, node: int, **how: object) -> None:
    injection = iso.Injection(
        append_args=f'ironic.node=n-{node} console=ttyS0',
        files={'/openstack/latest/meta_data.json': b'{"uuid": "n"}\n'})
    with iso.IsoImage.open(base) as image:
        iso.inject(image, injection, **how).close()  # type: ignore[arg-type]


def _calls(base: pathlib.Path, node: int, **how: object) -> int:
    count = 0

    def note(frame: object, event: str, arg: object) -> None:
        nonlocal count
        if event in ('call', 'c_call'):
            count += 1
    # Coverage and debuggers are put back.
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        _plan(base, node, **how)
    finally:
        sys.setprofile(before)
    return count


class PlanCostTest(testtools.TestCase):

    def test_a_known_base_is_not_worked_out_again(self) -> None:
        base = isos.shared('lorax_like')
        wanted = ('uefi from cd',)
        for how, most in (({'for_': wanted, 'about': wanted}, _KNOWN),
                          ({}, _ALL)):
            for node in range(2):
                _plan(base, node, **how)
            calls = _calls(base, 2, **how)
            self.assertLess(calls, most)
            # Nor does it grow from node to node.
            self.assertLess(abs(_calls(base, 3, **how) - calls), 200)
