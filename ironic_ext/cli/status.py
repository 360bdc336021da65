# SPDX-License-Identifier: Apache-2.0

"""``ironic-ext-status upgrade check``: is this host ready for this version?

On oslo.upgradecheck, as Ironic's own ``ironic-status``: exit code 0 where all
is well, 1 with warnings, 2 where something has to be done first, 255 where
the command itself fails. Nothing is changed, and no database is made.
"""

import collections.abc
import importlib.metadata
import importlib.util
import os
import stat
import sys

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck
import sqlalchemy

from ironic_ext.catalog import database as catalog_database
from ironic_ext import conf as ext_conf
from ironic_ext.conf import state
from ironic_ext.host_records import database as hosts_database
from ironic_ext.images import configured
from ironic_ext.media import database as media_database
from ironic_ext import sql
from ironic_ext.walls import paths

PROG = 'ironic-ext-status'

#: The oldest release of Ironic that works, see setup.cfg.
_IRONIC = (35, 0)
_DISTRIBUTION = 'ironic-ext'
#: What Ironic has enabled, and what a conductor adds for machines with
#: Redfish.
_ENABLED = {'hardware_types': 'redfish-ext', 'boot_interfaces': 'redfish-iso',
            'management_interfaces': 'redfish-ext',
            'vendor_interfaces': 'redfish-ext',
            'deploy_interfaces': 'bootc-ext'}
#: Of Ironic, and of oslo.messaging, as they have them.
_IRONIC_OPTS = [
    cfg.StrOpt('notification_level'),
    cfg.StrOpt('default_management_interface'),
    cfg.StrOpt('default_vendor_interface'),
    cfg.ListOpt('versioned_notifications_topics',
                default=['ironic_versioned_notifications'])]
_MESSAGING_OPTS = [cfg.MultiStrOpt('driver', default=[])]
#: Groups of entry points in which others have theirs as well.
_SHARED_GROUPS = (
    'ironic.hardware.types', 'ironic.hardware.interfaces.boot',
    'ironic.hardware.interfaces.deploy',
    'ironic.hardware.interfaces.management',
    'ironic.hardware.interfaces.vendor', 'ironic_python_agent.extensions',
    'ironic_python_agent.hardware_managers', 'oslo.config.opts',
    'oslo.policy.policies', 'ironic_ext.image_services',
    'ironic_ext.boot_config_formats', 'ironic_ext.san_targets')
_TABLES = (('media', media_database.SCHEMA, 'ext_media',
            'ironic-media-server --upgrade'),
           ('catalog', catalog_database.SCHEMA, 'ext_catalog',
            'ironic-boot-server --upgrade'),
           ('hosts', hosts_database.SCHEMA, 'ext_catalog',
            'ironic-boot-server --upgrade'))
_STORES = (('ext_state', 'dir'), ('ext_images', 'cache_dir'),
           ('ext_media', 'overlay_dir'), ('ext_catalog', 'iso_dir'),
           ('ext_san', 'export_dir'))
#: What may be read by all of the host; the rest is for one user.
_PUBLIC = (('ext_catalog', 'iso_dir'),)

Code = upgradecheck.Code
Entry = tuple[str, str, str]


class Checks(upgradecheck.UpgradeCommands):
    """What is looked at, on this host."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        """Take options that are registered; they are read later."""
        self._conf = conf

    def ironic_release(self) -> upgradecheck.Result:
        """Look at the release of Ironic that is installed here."""
        try:
            found = importlib.metadata.version('ironic')
        except importlib.metadata.PackageNotFoundError:
            return _result(warnings=[
                'Ironic is not installed in this environment: nothing to do '
                'for a boot or media server; for a conductor, install '
                'ironic-ext into the environment of ironic-conductor'])
        release = tuple(int(part) for part in found.split('.')[:2]
                        if part.isdigit())
        return _result(failures=[] if release >= _IRONIC else [
            f'Ironic {found} is too old: ironic-ext needs '
            f'{".".join(map(str, _IRONIC))} or newer'])

    def entry_points(self) -> upgradecheck.Result:
        """Look for others that have names of this suite."""
        return _result(failures=clashes(
            (group, entry.name, entry.dist.name if entry.dist else '?')
            for group in _SHARED_GROUPS
            for entry in importlib.metadata.entry_points(group=group)))

    def configuration(self) -> upgradecheck.Result:
        """Look for what is not configured."""
        conf, missing = self._conf, []
        for name, own in _ENABLED.items():
            if not any(_is_own(value) for value in conf[f'enabled_{name}']):
                missing.append(f'[DEFAULT]enabled_{name} has none of this '
                               'suite: nothing to do for a boot or media '
                               f'server; for a conductor, add {own}')
        if len(missing) < len(_ENABLED):
            # Some sites need no deploy interface, or no vendor interface.
            missing = [word for word in missing if (
                'hardware_types' in word or 'boot_interfaces' in word)]
        if not conf.ext_media.server_url:
            missing.append('[ext_media]server_url is not set: images are '
                           'whole files below [deploy]http_root. Nothing to '
                           'do if that is meant; with ironic-media-server, '
                           'set it to its URL')
        if not conf.ext_server.public_url:
            missing.append('[ext_server]public_url is not set: machines '
                           'get no URLs with tokens. Nothing to do without '
                           'a boot server; with one, set it to its URL')
        return _result(warnings=missing, notes=self._stock_by_default())

    def _stock_by_default(self) -> list[str]:
        """Say which nodes of ours get interfaces of Ironic's own."""
        conf = self._conf
        if not any(_is_own(name) for name in conf.enabled_hardware_types):
            return []
        kinds = [kind for kind in ('management', 'vendor')
                 if not conf[f'default_{kind}_interface']
                 and {True, False} == {_is_own(name) for name in conf[
                     f'enabled_{kind}_interfaces']}]
        only = all(map(_is_own, conf.enabled_hardware_types))
        return [
            f'a node that names no {kind} interface gets one of Ironic\'s '
            f'own, without data images: name it '
            f'(--{kind}-interface redfish-ext)' + (
                f', or set [DEFAULT]default_{kind}_interface'
                if only else '') for kind in kinds]

    def notifications(self) -> upgradecheck.Result:
        """Look whether what boot servers listen to is there, and sent."""
        conf = self._conf
        topics = conf.ext_server.notification_topics
        if not topics:
            return _result()
        failures = [] if importlib.util.find_spec('oslo_messaging') else [
            '[ext_server]notification_topics is set, and oslo.messaging is '
            'not installed here: install the extra "notifications"']
        warnings = [] if conf.notification_level else [
            '[DEFAULT]notification_level is not set: Ironic tells of '
            'nothing. Set it to info for its API and conductors']
        if not any(conf.oslo_messaging_notifications.driver):
            warnings.append('[oslo_messaging_notifications]driver is not '
                            'set: set it to messagingv2 for Ironic')
        unsent = [topic for topic in topics
                  if topic not in conf.versioned_notifications_topics]
        if unsent:
            warnings.append(
                '[DEFAULT]versioned_notifications_topics of Ironic has not '
                f'{", ".join(unsent)}: nothing is sent there. Add them for '
                'Ironic\'s API and conductors')
        return _result(warnings, failures)

    def revisions(self) -> upgradecheck.Result:
        """Look at the tables in the databases."""
        notes, failures = [], []
        for name, schema, group, command in _TABLES:
            url = self._conf[group].connection
            try:
                found = _revision(url, schema)
            except (sqlalchemy.exc.SQLAlchemyError, ImportError,
                    ValueError) as exc:
                failures.append(f'{schema.option}: the tables of {name} '
                                f'cannot be looked at: {_first_line(exc)}')
                continue
            if found == schema.head:
                continue
            what = (f'{schema.option}: the tables of {name} have revision '
                    f'{found or "none"}, not {schema.head}')
            if found > schema.head:
                failures.append(f'{what}: they are of a newer ironic-ext')
            elif url.startswith('sqlite'):
                notes.append(f'{what}: nothing to do, whoever opens them '
                             'brings them up')
            else:
                failures.append(f'{what}: run "{command}"')
        return _result((), failures, notes)

    def stores(self) -> upgradecheck.Result:
        """Look whether directories can be used, and by whom."""
        warnings, failures, notes = [], [], []
        for group, name in _STORES:
            path = self._conf[group][name]
            option = f'[{group}]{name}'
            try:
                mode = os.stat(path).st_mode
            except FileNotFoundError:
                what = f'{option}: {path} is not there yet: '
                if above := _not_writable_above(path):
                    warnings.append(
                        f'{what}make it if this host needs it, for the user '
                        f'who runs this: that one may not write to {above}')
                else:
                    notes.append(f'{what}nothing to do, it is made when it '
                                 'is needed')
                continue
            except OSError as exc:
                failures.append(f'{option}: {path}: {exc.strerror}')
                continue
            if not stat.S_ISDIR(mode):
                failures.append(f'{option}: {path} is no directory')
            elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
                failures.append(f'{option}: {path} cannot be written by this '
                                'user: run this as the conductor\'s user, '
                                'or give it the directory')
            elif (group, name) not in _PUBLIC and mode & 0o077:
                warnings.append(f'{option}: {path} is open to other users '
                                'of this host: chmod 0700')
        return _result(warnings, failures, notes)

    def directories(self) -> upgradecheck.Result:
        """Look for state below what nodes may name, or a web server has."""
        conf, failures = self._conf, []
        tops = [('[conductor]file_url_allowed_paths', path)
                for path in conf.conductor.file_url_allowed_paths]
        tops += [('[ext_images]owner_file_paths', path)
                 for path in conf.ext_images.owner_file_paths or ()]
        tops += [('[deploy]http_root', conf.deploy.http_root),
                 ('[pxe]tftp_root', conf.pxe.tftp_root)]
        for group, name in _STORES:
            path = os.path.realpath(conf[group][name])
            for option, top in tops:
                if not top or not paths.below(path, os.path.realpath(top)):
                    continue
                if option.startswith('[conductor]') and paths.below(
                        path, os.path.realpath(conf.ext_state.dir)):
                    # Ironic's default is above it, and the wall is there.
                    continue
                failures.append(f'[{group}]{name}, {path}, is below {top} '
                                f'({option}): move it elsewhere')
        return _result(failures=failures)

    def old_state(self) -> upgradecheck.Result:
        """Look for what an older release left elsewhere."""
        return _result(warnings=[
            f'{place.old} is of an older release, and is used where it is: '
            'run "ironic-ext-state move"'
            for place in state.PLACES if place.waits(self._conf)])

    _upgrade_checks = (
        ('Ironic release', ironic_release), ('Entry points', entry_points),
        ('Configuration', configuration), ('Notifications', notifications),
        ('Database revisions', revisions),
        ('Stores', stores), ('Unsafe directories', directories),
        ('State of an older release', old_state))


def clashes(entries: collections.abc.Iterable[Entry]) -> list[str]:
    """Return a sentence for each name that is ours and another's.

    Which of the two is loaded, nobody knows.

    :param entries: group, name and distribution.
    """
    owners: dict[tuple[str, str], set[str]] = {}
    for group, name, distribution in entries:
        owners.setdefault((group, name), set()).add(distribution)
    return [f'"{name}" of {group} is in several distributions '
            f'({", ".join(sorted(found))}): remove those that are not '
            f'{_DISTRIBUTION}'
            for (group, name), found in sorted(owners.items())
            if _DISTRIBUTION in found and len(found) > 1]


def _revision(url: str, schema: sql.Schema) -> str:
    """Return the revision of tables, '' where there are none.

    :raises: sqlalchemy.exc.SQLAlchemyError, ImportError, ValueError
    """
    found = sqlalchemy.make_url(url)
    if found.get_backend_name() == 'sqlite' and not os.path.exists(
            found.database or ''):
        return ''
    engine = sqlalchemy.create_engine(found, hide_parameters=True)
    try:
        return sql.revision_of(engine, schema)
    finally:
        engine.dispose()


def _is_own(name: str) -> bool:
    return any(entry.dist is not None and entry.dist.name == _DISTRIBUTION
               for group in _SHARED_GROUPS
               for entry in importlib.metadata.entry_points(
                   group=group, name=name))


def _not_writable_above(path: str) -> str:
    """Return where a directory cannot be made by this user, '' if it can."""
    above = os.path.dirname(os.path.abspath(path))
    while not os.path.exists(above):
        above = os.path.dirname(above)
    return '' if os.access(above, os.W_OK | os.X_OK) else above


def _result(warnings: collections.abc.Sequence[str] = (),
            failures: collections.abc.Sequence[str] = (),
            notes: collections.abc.Sequence[str] = ()
            ) -> upgradecheck.Result:
    """Make a result; notes alone leave it a success."""
    code = (Code.FAILURE if failures else
            Code.WARNING if warnings else Code.SUCCESS)
    return upgradecheck.Result(code, '; '.join((
        *failures, *warnings, *notes)) or None)


def _first_line(exc: Exception) -> str:
    # Of a driver's error the rest is advice for programmers.
    return str(exc).partition('\n')[0]


def main(argv: collections.abc.Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    conf = cfg.ConfigOpts()
    ext_conf.register_opts(conf)
    configured.register_ironic_opts(conf)
    for name in _ENABLED:
        conf.register_opt(cfg.ListOpt(f'enabled_{name}', default=[]))
    conf.register_opts(_IRONIC_OPTS)
    conf.register_opts(_MESSAGING_OPTS, 'oslo_messaging_notifications')
    try:
        return int(upgradecheck.main(
            conf, 'ironic', Checks(conf),
            list(sys.argv[1:] if argv is None else argv)))
    except cfg.Error as exc:
        print(f'{PROG}: error: {exc}', file=sys.stderr)
        return 255
