# SPDX-License-Identifier: Apache-2.0

"""Fields of a resource: text for people, values for programs."""

import collections.abc
import dataclasses
import datetime
import typing

from cliff import columns

Resource = dict[str, typing.Any]
Row = tuple['Value', ...]


class Value(columns.FormattableColumn[typing.Any]):
    """A value as a field writes it.

    Programs (``-f json``) get it as it is, None for what is not there.
    """

    def __init__(self, value: typing.Any,
                 form: collections.abc.Callable[[typing.Any], str] = str,
                 absent: str = '-') -> None:
        super().__init__(value)
        self._form = form
        self._absent = absent

    def human_readable(self) -> str:
        """Return the text, or what stands for nothing."""
        value = self.machine_readable()
        return ('' if value is None else self._form(value)) or self._absent

    def __lt__(self, other: object) -> bool:
        """Tell what comes first when a list is sorted: nothing is last."""
        if not isinstance(other, Value):
            return NotImplemented
        mine, its = self.machine_readable(), other.machine_readable()
        return mine is not None and (its is None or bool(mine < its))


@dataclasses.dataclass(frozen=True)
class Field:
    """A field: its name, and where its value is in a resource.

    :ivar path: keys from the resource to the value, joined by dots.
    :ivar form: writes a value for people.
    :ivar absent: what people see for a value that is null. A value of which
        not even the group is there is a dash.
    """

    name: str
    path: str
    form: collections.abc.Callable[[typing.Any], str] = str
    absent: str = '-'

    def of(self, resource: Resource) -> Value:
        """Return the field's value of a resource."""
        *groups, key = self.path.split('.')
        for group in groups:
            resource = resource.get(group) or {}
            if not resource:
                return Value(None)
        value = resource.get(key)
        return Value(None if value == '' else value, self.form, self.absent)


def size(value: float) -> str:
    """Return bytes with a binary unit."""
    value = float(value)
    for unit in ('B', 'KiB', 'MiB', 'GiB'):
        if value < 1024 or unit == 'GiB':
            break
        value /= 1024
    digits = 0 if unit == 'B' or value >= 100 else 1
    return f'{value:.{digits}f} {unit}'


def rate(value: float) -> str:
    """Return bytes per second with a binary unit."""
    return f'{size(value)}/s'


def percent(value: float) -> str:
    """Return a share with its sign."""
    return f'{value:g} %'


def names(values: collections.abc.Iterable[str]) -> str:
    """Return several names in one line."""
    return ', '.join(values)


def labels(values: collections.abc.Mapping[str, str]) -> str:
    """Return labels as a selector writes them."""
    return names(f'{key}={value}' for key, value in sorted(values.items()))


def moment(value: str) -> str:
    """Return a time in UTC, and its distance from now.

    :param value: as in ``2026-11-21T12:00:00Z``.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    then = datetime.datetime.strptime(value, '%Y-%m-%dT%H:%M:%SZ').replace(
        tzinfo=datetime.timezone.utc)
    seconds = round((now - then).total_seconds())
    distance = _duration(abs(seconds))
    return (f'{value} ({distance} ago)' if seconds >= 0
            else f'{value} (in {distance})')


def _duration(seconds: int) -> str:
    for unit, length in (('d', 86400), ('h', 3600), ('min', 60)):
        if seconds >= 2 * length:
            return f'{seconds // length} {unit}'
    return f'{seconds} s'
