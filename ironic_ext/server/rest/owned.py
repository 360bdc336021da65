# SPDX-License-Identifier: Apache-2.0

"""Whose the catalog's resources are, for those who ask by REST.

Who may not have the resources of all projects has those of their own, and
looks at what is shared. What is another project's does not exist.
"""

import collections.abc
import dataclasses
import typing

import falcon

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext.catalog import view
from ironic_ext.server import errors
from ironic_ext.server.rest import access
from ironic_ext.server.rest import policies

R = typing.TypeVar('R', resources.ISCSICdrom, resources.BootConfig)

#: Fields of a spec that stay where a document does not say.
_KEPT = {'project': 'project', 'shared': 'shared', 'anyISO': 'any_iso'}

_Documents = collections.abc.Callable[[dict[str, typing.Any]], bool]


class Owned:
    """Judges resources by the project of who asks.

    :param is_file: tells whether the directory of ISOs has a file.
    """

    def __init__(self, guard: access.Access,
                 is_file: collections.abc.Callable[[str], bool]) -> None:
        self._guard = guard
        self._is_file = is_file

    def project(self, req: falcon.Request) -> str:
        """Return whose resources who asks has, '' for all.

        :raises: UnauthorizedError, ForbiddenError
        """
        return self._guard.project(req)

    def is_own(self, req: falcon.Request, resource: resources.Resource
               ) -> bool:
        """Tell whether somebody may change a resource."""
        return self.project(req) in ('', resource.spec.project)

    def require_seen(self, req: falcon.Request,
                     resource: resources.Resource) -> None:
        """Refuse what is not there for who asks, as what is not there.

        :raises: NotFoundError
        """
        if not view.may_use(resource, self.project(req)):
            raise catalog.NotFoundError(
                f'{resource.kind} "{resource.metadata.name}" does not exist')

    def require_own(self, req: falcon.Request, resource: resources.Resource
                    ) -> None:
        """Refuse to change what is another's.

        :raises: ForbiddenError, AlreadyExistsError
        """
        if self.is_own(req, resource):
            return
        if resource.spec.shared:
            raise errors.ForbiddenError(
                f'{resource.kind} "{resource.metadata.name}" is shared, and '
                'belongs to another project')
        # As whoever adds one of that name is told.
        raise catalog.AlreadyExistsError(
            f'{resource.kind} "{resource.metadata.name}" already exists')

    def sees(self, req: falcon.Request) -> _Documents | None:
        """Return what tells the documents that are there for who asks.

        :returns: None where all are.
        """
        project = self.project(req)
        if not project:
            return None

        def sees(document: dict[str, typing.Any]) -> bool:
            spec = document.get('spec') or {}
            return bool(spec.get('shared')) or (
                spec.get('project') == project)
        return sees

    def added(self, req: falcon.Request, wanted: R, document: object) -> R:
        """Return a new resource, as who adds it may have it.

        It belongs to their project and is nobody else's, unless they say.
        Without Keystone there are no projects, and all is shared.

        :param document: that it was read from.
        :raises: ForbiddenError
        """
        home = self._guard.home(req)
        spec = _spec(document)
        return self._judged(req, wanted, None, dataclasses.replace(
            wanted.spec,
            project=wanted.spec.project if 'project' in spec
            else home or '',
            shared=wanted.spec.shared if 'shared' in spec
            else home is None))

    def kept(self, req: falcon.Request, wanted: R, document: object,
             current: R) -> R:
        """Return a changed resource, as who changes it may have it.

        Whose it is, and where it may go, stays unless they say.

        :raises: ForbiddenError
        """
        spec = _spec(document)
        stays = [attribute for field, attribute in _KEPT.items()
                 if field not in spec and hasattr(wanted.spec, attribute)]
        return self._judged(req, wanted, current, dataclasses.replace(
            wanted.spec, **{name: getattr(current.spec, name)
                            for name in stays}))

    def _judged(self, req: falcon.Request, wanted: R, current: R | None,
                spec: typing.Any) -> R:
        made = dataclasses.replace(wanted, spec=spec)
        project = self.project(req)
        if not project:
            return made
        for is_allowed, what in (
                (spec.project == project, 'give a resource to another '
                                          'project'),
                (not spec.shared or (current is not None
                                     and current.spec.shared),
                 'share a resource with all projects')):
            if not is_allowed:
                raise errors.ForbiddenError(
                    f'the policy {policies.CATALOG_ALL} forbids to {what}')
        if isinstance(made, resources.ISCSICdrom):
            self._require_upload(
                made.spec, typing.cast(typing.Any, current))
        return made

    def _require_upload(self, spec: resources.ISCSICdromSpec,
                        current: resources.ISCSICdrom | None) -> None:
        """Refuse to have what others put into the directory, or fetched.

        :raises: ForbiddenError
        """
        if current is not None:
            if (spec.iso_file, spec.url) == (current.spec.iso_file,
                                             current.spec.url):
                return
            raise errors.ForbiddenError(
                'where an ISO comes from stays as it is, by the policy '
                f'{policies.CATALOG_ALL}: create another one')
        if spec.url:
            raise errors.ForbiddenError(
                'the servers fetch ISOs by URL as the operator does, which '
                f'the policy {policies.CATALOG_ALL} forbids: upload the ISO')
        if self._is_file(spec.iso_file):
            raise errors.ForbiddenError(
                'spec.isoFile is taken: give another name of a file')


def _spec(document: object) -> dict[str, typing.Any]:
    spec = document.get('spec') if isinstance(document, dict) else None
    return spec if isinstance(spec, dict) else {}
