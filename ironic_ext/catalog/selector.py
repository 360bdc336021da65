# SPDX-License-Identifier: Apache-2.0

"""Label selectors of list requests, in Kubernetes' equality syntax.

``rack=b7``, ``rack!=b7``, ``rack`` (has it), ``!rack`` (has not), joined by
commas. Set-based selectors (``in``, ``notin``) are left out.
"""

import dataclasses
import re

from ironic_ext.catalog import errors

_TERM = re.compile(
    r'\s*(?P<bang>!)?\s*(?P<label>[A-Za-z0-9._/-]{1,317})\s*'
    r'(?:(?P<operator>==?|!=)\s*(?P<value>[A-Za-z0-9._-]{0,63})\s*)?')
_MOST = 20


@dataclasses.dataclass(frozen=True)
class Term:
    """A demand on one label.

    :ivar value: None for any.
    :ivar wanted: False to select what does not meet it.
    """

    label: str
    value: str | None
    wanted: bool

    def matches(self, labels: dict[str, str]) -> bool:
        """Tell whether a resource with those labels is selected."""
        met = self.label in labels and self.value in (
            None, labels[self.label])
        return met == self.wanted


def parse(text: str) -> tuple[Term, ...]:
    """Read a selector; '' selects everything.

    :raises: InvalidError
    """
    if not text.strip():
        return ()
    parts = text.split(',')
    if len(parts) > _MOST:
        raise _invalid(f'has {len(parts)} terms; {_MOST} are the most')
    found = []
    for part in parts:
        term = _TERM.fullmatch(part)
        if term is None or (term['bang'] and term['operator']):
            raise _invalid(f'"{part[:60]}" is no term: write label=value, '
                           'label!=value, label or !label')
        found.append(Term(term['label'], term['value'],
                          not term['bang'] and term['operator'] != '!='))
    return tuple(found)


def _invalid(reason: str) -> errors.InvalidError:
    return errors.InvalidError(errors.Problem('labelSelector', reason))
