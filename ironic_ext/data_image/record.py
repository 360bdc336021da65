# SPDX-License-Identifier: Apache-2.0

"""What a node says of its data image: asked for, done, and seen.

Kept as JSON in one key of the node. What may be secret is one text under a
key that is masked wherever the node is shown (oslo.utils masks mappings key
by key, and a text as a whole).
"""

import collections.abc
import dataclasses
import enum
import json
import typing

from ironic_ext.data_image import spec as specs
from ironic_ext.media import medium as media

_SECRET = 'secret'
# Read back what was written under any limits.
_NO_LIMITS = specs.Limits(file=1 << 62, total=1 << 62)


class Phase(enum.Enum):
    """How far things are."""

    PENDING = 'pending'
    ATTACHING = 'attaching'
    ATTACHED = 'attached'
    WAITING = 'waiting'
    FAILED = 'failed'
    DETACHING = 'detaching'
    DETACHED = 'detached'


@dataclasses.dataclass(frozen=True)
class Status:
    """What was seen last.

    :param reason: why the phase is what it is, '' when there is no need.
    :param inserted: whether the BMC showed the image; None when it was not
        asked yet.
    :param errors: tries that failed since the last that did not.
    :param error: why the last of them did.
    :param last_reconciled: seconds since the epoch, as is the next one.
    """

    phase: Phase = Phase.PENDING
    reason: str = ''
    inserted: bool | None = None
    errors: int = 0
    error: str = ''
    last_reconciled: float | None = None
    next_attempt: float = 0.0


@dataclasses.dataclass(frozen=True)
class Record:
    """Everything about the data image of one node.

    :param generation: counts what was asked for.
    :param spec: None when the image is to go.
    :param instance: whether the image belongs to the node's instance, and
        goes with it.
    :param medium: what is or may be in the machine.
    :param made_for: the generation that the medium was made for.
    """

    generation: int
    spec: specs.DataImageSpec | None
    instance: bool = False
    medium: media.Medium | None = None
    status: Status = Status()
    made_for: int = 0

    def ask(self, spec: specs.DataImageSpec | None, instance: bool
            ) -> 'Record':
        """Return the record with another wish, to be met at once.

        The same medium once more leaves what is there in place.
        """
        same = (spec is not None and self.spec is not None
                and spec.same_medium(self.spec))
        return dataclasses.replace(
            self, spec=spec, instance=instance,
            generation=self.generation + (not same),
            status=dataclasses.replace(self.status, errors=0, error='',
                                       reason='', next_attempt=0.0,
                                       phase=(Phase.DETACHING if spec is None
                                              else Phase.PENDING)))

    def to_json(self) -> dict[str, typing.Any]:
        """Return what from_json() takes."""
        data: dict[str, typing.Any] = {
            'generation': self.generation, 'instance': self.instance,
            'medium': self.medium and {
                key: value for key, value in (
                    *dataclasses.asdict(self.medium).items(),
                    ('kind', self.medium.kind.value),
                    ('generation', self.made_for)) if key != 'purpose'},
            'status': {**dataclasses.asdict(self.status),
                       'phase': self.status.phase.value}}
        if self.spec is not None:
            data['spec'] = self.spec.redacted()
            data[_SECRET] = json.dumps(self.spec.to_json())
        return data

    @classmethod
    def from_json(cls, data: collections.abc.Mapping[str, typing.Any]
                  ) -> 'Record':
        """Read what to_json() wrote."""
        status = data['status']
        return cls(
            generation=data['generation'], instance=data['instance'],
            spec=(specs.parse(json.loads(data[_SECRET]), _NO_LIMITS)
                  if _SECRET in data else None),
            medium=medium_of(data),
            status=Status(**{**status, 'phase': Phase(status['phase'])}),
            made_for=(data['medium'] or {}).get('generation', 0))

    @staticmethod
    def due(data: object, now: float) -> bool:
        """Tell from what to_json() wrote whether it is time for a look."""
        try:
            return data['status']['next_attempt'] <= now  # type: ignore
        except (KeyError, TypeError):
            return False


def medium_of(data: collections.abc.Mapping[str, typing.Any]
              ) -> media.Medium | None:
    """Read the medium alone of what to_json() wrote."""
    row = data.get('medium')
    if not row:
        return None
    known = {key: value for key, value in row.items()
             if key not in ('generation', 'kind')}
    return media.Medium(purpose=media.Purpose.DATA,
                        kind=media.Kind(row['kind']), **known)


def first(spec: specs.DataImageSpec, instance: bool) -> Record:
    """Return the record of a node that had no data image."""
    return Record(1, spec, instance)
