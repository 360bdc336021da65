# SPDX-License-Identifier: Apache-2.0

"""``openstack baremetal boot config``: the configs of the catalog.

And ``openstack baremetal boot apply``, for files of resources.
"""

import argparse
import collections.abc
import pathlib

from osc_lib.command import command
from osc_lib import exceptions
import yaml

from ironic_ext.cli.osc import boot_api
from ironic_ext.cli.osc import fields
from ironic_ext.cli.osc import shown

_SUFFIXES = ('.yaml', '.yml', '.json')


_FIELDS = (
    fields.Field('name', 'metadata.name'),
    fields.Field('format', 'spec.format'),
    fields.Field('template', 'spec.template'),
    fields.Field('primary', 'spec.primary'),
    fields.Field('files', 'files', fields.names),
    fields.Field('project', 'spec.project'),
    fields.Field('shared', 'spec.shared'),
    fields.Field('any_iso', 'spec.anyISO'),
    fields.Field('labels', 'metadata.labels', fields.labels))


def _seen(resource: fields.Resource) -> fields.Resource:
    """Add the names of the files, for what is in them is not shown."""
    return {**resource, 'files': sorted(resource['spec']['data'])}


class ListBootConfigs(shown.List):
    """List the boot configs of the catalog"""

    all_fields = _FIELDS
    listed = ('name', 'format', 'template', 'primary', 'files', 'project',
              'shared')

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the selector."""
        return boot_api.add_selector(super().get_parser(prog_name))

    def resources(self, parsed_args: argparse.Namespace
                  ) -> collections.abc.Iterable[fields.Resource]:
        """Ask the boot server.

        :raises: CommandError
        """
        return map(_seen, boot_api.BootApi.of(self, parsed_args).list(
            boot_api.CONFIGS, labelSelector=parsed_args.selector))


class _OneConfig(shown.Show):
    all_fields = _FIELDS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the name."""
        return boot_api.add_name(super().get_parser(prog_name), 'config')


class ShowBootConfig(_OneConfig):
    """Show a boot config, without its content"""

    def resource(self, parsed_args: argparse.Namespace) -> fields.Resource:
        """Ask the boot server.

        :raises: CommandError
        """
        return _seen(boot_api.BootApi.of(self, parsed_args).call(
            'GET', boot_api.item(boot_api.CONFIGS, parsed_args.name)))


class CreateBootConfig(_OneConfig):
    """Add a boot config to the catalog, or replace one"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add its files."""
        parser = super().get_parser(prog_name)
        # cliff has --format for itself.
        parser.add_argument('--config-format', metavar='<format>',
                            required=True,
                            help='ignition, kickstart, cloud-init, '
                                 'autoinstall, autoyast, esxi, preseed, '
                                 'plain ...')
        parser.add_argument('--file', metavar='[<path>=]<file>',
                            action='append', required=True,
                            help='File of the config; repeatable')
        parser.add_argument('--primary', metavar='<path>', default='',
                            help='Which of several files is the config')
        parser.add_argument('--template', action='store_true',
                            help='The files are Jinja2 templates')
        boot_api.add_owner(parser)
        parser.add_argument('--any-iso', action='store_true',
                            help='It may be put into ISOs that owners of '
                                 'nodes give by URL, too')
        parser.add_argument('--replace', action='store_true',
                            help='Replace the one of that name')
        return parser

    def resource(self, parsed_args: argparse.Namespace) -> fields.Resource:
        """Create it.

        :raises: CommandError
        """
        document = {
            'metadata': {'name': parsed_args.name}, 'spec': {
                'format': parsed_args.config_format,
                'data': dict(map(_file, parsed_args.file)),
                'primary': parsed_args.primary,
                'template': parsed_args.template,
                **({'anyISO': True} if parsed_args.any_iso else {}),
                **boot_api.owner(parsed_args)}}
        api = boot_api.BootApi.of(self, parsed_args)
        if parsed_args.replace:
            return _seen(api.call('PUT', boot_api.item(
                boot_api.CONFIGS, parsed_args.name), document))
        return _seen(api.call('POST', boot_api.CONFIGS, document))


class DeleteBootConfig(command.Command):
    """Delete boot configs from the catalog"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the names."""
        return boot_api.add_name(super().get_parser(prog_name), 'config',
                                 nargs='+')

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Delete the configs in their order.

        :raises: CommandError when one is left
        """
        boot_api.BootApi.of(self, parsed_args).delete(
            boot_api.CONFIGS, parsed_args.name)


class PreviewBootConfig(command.Command):
    """Print a boot config as a host would get it"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the host and the file."""
        parser = boot_api.add_name(super().get_parser(prog_name), 'config')
        parser.add_argument('--host', metavar='<host>', default='',
                            help='Whose facts fill the templates')
        parser.add_argument('--path', metavar='<path>', default='',
                            help='File to print; by default the primary one')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Print it.

        :raises: CommandError
        """
        found = boot_api.BootApi.of(self, parsed_args).call(
            'GET', boot_api.item(boot_api.CONFIGS, parsed_args.name)
            + '/preview', params={'host': parsed_args.host})
        path = parsed_args.path or found['primary']
        if path not in found['files']:
            raise exceptions.CommandError(
                'give --path, one of ' + ', '.join(sorted(found['files'])))
        self.app.stdout.write(found['files'][path])


class Apply(command.Lister):
    """Create or change resources as files say.

    A file holds ISCSICdroms, BootConfigs and BareMetalHosts, in YAML or
    JSON, several of them parted by "---". Of a directory, all such files
    are applied: configs first, then ISOs, then hosts. Of a host its spec is
    merged; the others are replaced. Nothing is deleted. What is refused
    keeps nothing else from being applied. With --dry-run the boot server
    judges each change and makes none.
    """

    _refused: collections.abc.Sequence[str] = ()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the files."""
        parser = boot_api.add_url(super().get_parser(prog_name))
        parser.add_argument('-F', '--filename', metavar='<file>',
                            action='append', required=True,
                            help='File or directory; repeatable')
        parser.add_argument('--dry-run', action='store_true',
                            help='Show what would be done, or refused')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            shown.Names, list[tuple[str, str, str]]]:
        """Apply them.

        :raises: CommandError for files that cannot be read, and for a boot
            server that does not answer
        """
        documents = [found for name in parsed_args.filename
                     for found in _documents(pathlib.Path(name))]
        documents.sort(key=lambda found: _ORDER.index(found[1]['kind']))
        api = boot_api.BootApi.of(self, parsed_args)
        rows, refused = [], []
        results = (_judged if parsed_args.dry_run else _applied)(
            api, documents)
        try:
            for (file, document), result in zip(documents, results):
                kind, name = document['kind'], document['metadata']['name']
                rows.append((kind, name, result))
                if result.startswith(_REFUSED):
                    refused.append(
                        f'{file}: {kind} {name}: {result[len(_REFUSED):]}')
        except exceptions.CommandError as exc:
            if not rows:
                raise
            # What was done is shown in any case.
            refused.append(f'{exc}: of {len(documents)} resources, those '
                           f'after the first {len(rows)} are left')
        self._refused = refused
        return ('kind', 'name', 'result'), rows

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Apply them, show what became of each, and name what is left.

        :raises: CommandError when one was refused or is left
        """
        code: int = super().run(parsed_args)
        if self._refused:
            raise exceptions.CommandError('\n'.join(self._refused))
        return code


_ORDER = ('BootConfig', 'ISCSICdrom', 'BareMetalHost')
_REFUSED = 'refused: '


def _request(document: fields.Resource) -> tuple[str, str, fields.Resource]:
    """Return path, method and body of the request that applies it."""
    kind, metadata = document['kind'], document['metadata']
    name = metadata['name']
    if kind == 'BareMetalHost':
        return (boot_api.host_path(
            f'{metadata.get("namespace", "default")}/{name}'), 'PATCH',
            {'spec': document.get('spec', {})})
    return (boot_api.item(boot_api.PATHS[kind], name), 'PUT',
            {key: value for key, value in document.items()
             if key != 'status'})


def _judged(api: boot_api.BootApi, documents: collections.abc.Iterable[
        tuple[str, fields.Resource]]) -> collections.abc.Iterator[str]:
    """Yield what would become of each."""
    coming: set[str] = set()
    for _file_name, document in documents:
        path, method, body = _request(document)
        before = api.send('GET', path)
        answer = api.send(method, path, body, params={'dryRun': 'All'})
        if answer.status_code >= 400:
            said = boot_api.said(answer)
            # What it refers to is not there before this is done in earnest.
            waits = coming & set(_strings(body))
            yield (
                f'not known before {", ".join(sorted(waits))} is there'
                if waits and answer.status_code in (400, 409, 422)
                else _REFUSED + said)
        elif answer.status_code == 201:
            coming.add(document['metadata']['name'])
            yield 'would be created'
        else:
            paths = _differences(before.json(), answer.json())
            yield ('would change ' + ', '.join(paths) if paths
                   else 'unchanged')


def _strings(value: object) -> collections.abc.Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _differences(before: fields.Resource, after: fields.Resource
                 ) -> list[str]:
    """Return the fields of labels and spec that differ."""
    found = []
    for group, (old, new) in {
            'metadata.labels': tuple(
                each['metadata'].get('labels', {})
                for each in (before, after)),
            'spec': (before['spec'], after['spec'])}.items():
        found += [f'{group}.{key}' for key in sorted({*old, *new})
                  if old.get(key) != new.get(key)]
    return found


def _applied(api: boot_api.BootApi, documents: collections.abc.Iterable[
        tuple[str, fields.Resource]]) -> collections.abc.Iterator[str]:
    """Apply one after the other, and yield what became of it."""
    for _file_name, document in documents:
        path, method, body = _request(document)
        before = api.send('GET', path)
        answer = api.send(method, path, body)
        if answer.status_code >= 400:
            yield _REFUSED + boot_api.said(answer)
        elif answer.status_code == 201:
            yield 'created'
        else:
            same = (before.status_code == 200 and before.headers.get('ETag')
                    == answer.headers.get('ETag'))
            yield 'unchanged' if same else 'changed'


def _documents(path: pathlib.Path) -> collections.abc.Iterator[
        tuple[str, fields.Resource]]:
    try:
        files = (sorted(item for item in path.iterdir()
                        if item.suffix in _SUFFIXES)
                 if path.is_dir() else [path])
        for file in files:
            for document in yaml.safe_load_all(file.read_text()):
                if document is None:
                    continue
                if not (isinstance(document, dict)
                        and document.get('kind') in _ORDER
                        and isinstance(document.get('metadata'), dict)
                        and isinstance(document['metadata'].get('name'),
                                       str)):
                    raise exceptions.CommandError(
                        f'{file}: a document needs kind (one of '
                        f'{", ".join(_ORDER)}) and metadata.name')
                yield str(file), document
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise _unreadable(path, exc) from exc


def _file(text: str) -> tuple[str, str]:
    path, equals, file = text.partition('=')
    if not equals:
        path, file = pathlib.Path(text).name, text
    try:
        return path, pathlib.Path(file).read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise _unreadable(file, exc) from exc


def _unreadable(file: object, exc: Exception) -> exceptions.CommandError:
    """Return what is said of a file; of a directory the file has its name."""
    if isinstance(exc, OSError):
        return exceptions.CommandError(
            f'{exc.filename or file}: {exc.strerror}')
    if isinstance(exc, UnicodeDecodeError):
        return exceptions.CommandError(f'{file}: it is no text in UTF-8')
    return exceptions.CommandError(f'{file}: {exc}')
