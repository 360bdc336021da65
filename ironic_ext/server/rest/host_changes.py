# SPDX-License-Identifier: Apache-2.0

"""What a change of a host's spec means for its node. Pure.

Nothing here makes a machine reboot.
"""

import typing

from ironic_ext import catalog
from ironic_ext.catalog import fields
from ironic_ext.catalog import merge
from ironic_ext.catalog import resources
from ironic_ext.catalog import rules
from ironic_ext.catalog import view
from ironic_ext import config_formats
from ironic_ext.config_formats import registry
from ironic_ext.node import config_fit
from ironic_ext.node import data_image as host_data_images
from ironic_ext.node import host as hosts
from ironic_ext.server import errors

POWER_TARGETS = ('power on', 'power off', 'rebooting', 'soft power off',
                 'soft rebooting')


def planned(host: hosts.Host, spec: object, patch: object | None, *,
            lookup: view.Lookup) -> dict[str, typing.Any]:
    """Return the keys of instance_info to change; None removes one.

    :param spec: the whole spec that is wanted.
    :param lookup: the catalog.
    :param patch: the merge patch of the spec that led there, None when the
        whole was given.
    :raises: InvalidError, ConflictError
    """
    image, config, mode, _ip = _parse(spec)
    before = hosts.spec(host)
    changes: dict[str, typing.Any] = {}
    # What its machine could not use is not assigned either.
    seen = view.View(lookup, host.project)
    if image != before['image']:
        _change(changes, hosts.ISO_KEY, host.image or None,
                None if image == resources.LOCAL_BOOT else image)
    found = None
    if image != resources.LOCAL_BOOT:
        found = seen.iso(image) if resources.is_name(image) else None
        if image != before['image']:
            if found is None:
                raise catalog.InvalidError(catalog.Problem(
                    'spec.image', f'"{image[:80]}" is no ISO of the '
                    f'catalog: add it there first, or have the host boot '
                    f'from its disk ("{resources.LOCAL_BOOT}")'
                    f'{view.hint(host.project)}'))
            rules.require_bootable(found)
    if config != host.config_name:
        # An inline config goes when it is replaced, or removed by name.
        _change(changes, hosts.CONFIG_KEY, host.config, config or None)
    elif (isinstance(patch, dict) and 'bootConfigRef' in patch
            and isinstance(host.config, dict)):
        changes[hosts.CONFIG_KEY] = None
    if config and (hosts.CONFIG_KEY in changes or hosts.ISO_KEY in changes):
        try:
            named = seen.config(config)
            rules.require_fit(found, config, config=named,
                              project=host.project, field='bootConfigRef')
            if found is not None and named is not None and (
                    not host.config_forced):
                _require_read(found, named)
        except catalog.InvalidError as exc:
            if (isinstance(patch, dict) and 'bootConfigRef' not in patch):
                raise errors.ConflictError(
                    f'{exc}; choose a config together with the ISO, or none '
                    '("bootConfigRef": null; --no-config)') from exc
            raise
    if mode != host.boot_mode:
        changes[hosts.MODE_KEY] = mode
    if changes and host.completed:
        # What is assigned anew was not booted yet.
        changes[hosts.COMPLETED_KEY] = None
    return changes


def _require_read(iso: resources.ISCSICdrom, config: resources.BootConfig
                  ) -> None:
    """Refuse a config that the system of an ISO does not read.

    :raises: InvalidError
    """
    try:
        config_fit.require_read(
            registry.format_for(config.spec.format),
            config_formats.ImageFacts(system=iso.status.system))
    except config_formats.ConfigError as exc:
        raise catalog.InvalidError(catalog.Problem(
            '', f'bootConfigRef "{config.metadata.name}" does not fit ISO '
                f'"{iso.metadata.name}": {exc}')) from exc


def address(spec: object) -> str:
    """Return the address that a spec declares, '' for none.

    :param spec: see planned(), which has accepted it.
    """
    return _parse(spec)[3]


def data_image(host: hosts.Host, spec: object, patch: object | None
               ) -> host_data_images.Change | None:
    """Return the change of a host's data image, None for none.

    :param spec: see planned(), which has accepted it.
    :param patch: see planned().
    :raises: InvalidError
    """
    assert isinstance(spec, dict)
    wanted = spec.get('dataImage')
    return host_data_images.planned(
        host.data_image, wanted, patch.get('dataImage')
        if isinstance(patch, dict) else wanted)


def patched(host: hosts.Host, patch: object) -> tuple[object, object]:
    """Return the spec of a host with a merge patch, and the spec's patch.

    :param patch: of the whole resource.
    :raises: InvalidError
    """
    if not isinstance(patch, dict):
        raise catalog.InvalidError(catalog.Problem(
            '', 'the patch must be an object'))
    _require_identity(host, patch)
    own = patch.get('spec', {})
    if not isinstance(own, dict):
        raise catalog.InvalidError(catalog.Problem(
            'spec', 'must be an object'))
    return merge.patched(hosts.spec(host), own), own


def replaced(host: hosts.Host, document: object) -> object:
    """Return the spec of a whole resource.

    :raises: InvalidError
    """
    if not isinstance(document, dict):
        raise catalog.InvalidError(catalog.Problem(
            '', 'must be an object'))
    _require_identity(host, document)
    return document.get('spec', {})


def _require_identity(host: hosts.Host, body: dict[str, typing.Any]) -> None:
    """Refuse to change what is Ironic's, or another host."""
    problems: list[catalog.Problem] = []
    top = fields.Fields(body, '', problems)
    for name, own in (('apiVersion', resources.API_VERSION),
                      ('kind', hosts.KIND)):
        if top.text(name, own) != own:
            top.complain(name, f'must be "{own}"')
    metadata = top.nested('metadata')
    for name, own in (('name', host.name), ('namespace', host.namespace),
                      ('uid', host.uuid)):
        if metadata.text(name, own) != own:
            metadata.complain(name, 'cannot be changed here, it is '
                                    'Ironic\'s')
    for name in ('resourceVersion', 'creationTimestamp'):
        metadata.text(name)
    metadata.finish()
    for name in ('spec', 'status'):
        # What a client sends back of the status is not looked at.
        top.mapping(name)
    top.finish()
    if problems:
        raise catalog.InvalidError(*problems)


def _parse(spec: object) -> tuple[str, str, str, str]:
    problems: list[catalog.Problem] = []
    data = fields.Fields(spec, 'spec', problems)
    image = data.text('image', longest=4096) or resources.LOCAL_BOOT
    config = data.text('bootConfigRef', longest=253)
    mode = data.text('bootMode', hosts.FOREVER)
    if mode not in (hosts.ONCE, hosts.FOREVER):
        data.complain('bootMode',
                      f'must be "{hosts.ONCE}" or "{hosts.FOREVER}"')
    if config and not resources.is_name(config):
        data.complain('bootConfigRef', 'is no name of a BootConfig')
    said = data.text('ip', longest=45)
    ip = hosts.address(said)
    if said and (not ip or '/' in said):
        data.complain('ip', 'must be the address of one machine, such as '
                            '192.0.2.7')
    # Conductors judge it.
    data.mapping('dataImage')
    data.finish()
    if problems:
        raise catalog.InvalidError(*problems)
    return image, config, mode, ip


def _change(changes: dict[str, typing.Any], key: str, before: object,
            after: object) -> None:
    # Removing a key that is not there is an error for Ironic.
    if before != after:
        changes[key] = after
