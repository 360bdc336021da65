# SPDX-License-Identifier: Apache-2.0

"""Resources as rows of the tables, and back."""

import base64
import binascii
import datetime
import json
import typing

import sqlalchemy

from ironic_ext.catalog.database import LABEL
from ironic_ext.catalog.database import RESOURCE
from ironic_ext.catalog import errors
from ironic_ext.catalog import resources
from ironic_ext.catalog import selector

#: Columns of a resource without what may be secret and large.
SHORT = [column for column in RESOURCE.c
         if column.name not in ('spec', 'shown')
         ] + [RESOURCE.c.shown.label('spec')]


def resource(row: typing.Any) -> resources.Resource:
    """Read a row of the table of resources."""
    spec = {**json.loads(row.spec), 'project': row.project,
            'shared': bool(row.shared)}
    if row.kind == resources.BootConfig.kind:
        # What an older release wrote fits any, as it did there.
        spec.setdefault('anyISO', True)
    created = datetime.datetime.fromtimestamp(row.created_at, datetime.UTC)
    return resources.load({
        'kind': row.kind, 'spec': spec, 'metadata': {
            'name': row.name, 'uid': row.uid,
            'labels': json.loads(row.labels),
            'resourceVersion': str(row.revision),
            'creationTimestamp': created.strftime('%Y-%m-%dT%H:%M:%SZ')},
        'status': json.loads(row.status)})


def specs(resource: resources.Resource) -> dict[str, str | bool]:
    """Return the columns that a spec is in: with and without secrets."""
    return {'project': resource.spec.project,
            'shared': resource.spec.shared,
            'spec': text(resources.spec_document(resource)),
            'shown': text(resources.spec_document(
                resources.redacted(resource)))}


def source(spec: str) -> tuple[typing.Any, ...]:
    """Return what says where an ISO comes from; alike for all configs."""
    values = json.loads(spec)
    return tuple(values.get(key) for key in ('isoFile', 'url', 'checksum'))


def text(value: object) -> str:
    """Return JSON, equal for equal values.

    Escaped, so that no character set of a database matters.
    """
    return json.dumps(value, sort_keys=True, separators=(',', ':'))


#: Status of a new ISO.
PENDING = text(resources.status_document(resources.ISCSICdromStatus()))


def condition(term: selector.Term) -> sqlalchemy.ColumnElement[bool]:
    """Return what a row of the table of resources must meet."""
    query = sqlalchemy.select(LABEL.c.name).where(
        LABEL.c.kind == RESOURCE.c.kind, LABEL.c.name == RESOURCE.c.name,
        LABEL.c.label == term.label)
    if term.value is not None:
        query = query.where(LABEL.c.value == term.value)
    return query.exists() if term.wanted else ~query.exists()


def visible(project: str) -> list[sqlalchemy.ColumnElement[bool]]:
    """Return what a row must meet to be there for a project.

    As view.may_use() has it.
    """
    return [sqlalchemy.or_(RESOURCE.c.shared, RESOURCE.c.project == project)
            ] if project else []


def following(revision: int, name: str) -> str:
    """Return the token for the page after the one that ends with a name."""
    return base64.urlsafe_b64encode(text([revision, name]).encode()).decode()


def parse_following(token: str) -> tuple[int, str]:
    """Read the token of a next page.

    :raises: InvalidError
    """
    try:
        revision, name = json.loads(base64.b64decode(
            token, altchars=b'-_', validate=True))
        if isinstance(revision, int) and resources.is_name(name):
            return revision, name
    except (binascii.Error, ValueError, TypeError, RecursionError):
        pass
    raise errors.InvalidError(errors.Problem(
        'continue', 'is no token of a list: begin without it'))
