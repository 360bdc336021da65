# SPDX-License-Identifier: Apache-2.0

"""What may happen to a site besides kills, one function for each.

Each makes its trouble while nodes are deployed, and ends it; the judge looks
when the site is at rest.
"""

import collections.abc
import contextlib
import pathlib
import shutil
import subprocess
import threading
import time
import typing

from lab import process
from tests.cluster import trial as trials
from tests.cluster import upgrade
from tests.cluster import work

#: Seconds that what is away stays away.
_AWAY = 30.0
#: Seconds in which a host has put right what others ended in its absence.
_PUT_RIGHT = 150.0
#: Seconds in which trouble is seen.
_SEEN = 240.0
#: Bytes of the disk that becomes full, beside those for media.
_ROOM = 32 << 20
_SCENARIOS: dict[str, collections.abc.Callable[[trials.Trial], None]] = {}

Scenario = collections.abc.Callable[[trials.Trial], None]


def _scenario(function: Scenario) -> Scenario:
    _SCENARIOS[function.__name__.replace('_', '-')] = function
    return function


def all_of_them() -> collections.abc.Mapping[str, Scenario]:
    """Return name -> what to call with a trial that has begun."""
    return _SCENARIOS


@contextlib.contextmanager
def _deploying(trial: trials.Trial,
               machines: collections.abc.Sequence[work.Machine] = ()
               ) -> collections.abc.Iterator[None]:
    """Have nodes deployed and undeployed in the context, and to its end.

    :param machines: whose nodes, by default all.
    """
    stop = threading.Event()
    worker = threading.Thread(target=trial.together, daemon=True, args=(
        work.cycle_until(stop, trial.site.seed), machines))
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()


def _await_deploys(trial: trials.Trial, more: int) -> None:
    """Wait until some more deploys have ended well."""
    deploys = trial.journal.seconds['deploy']
    before = len(deploys)
    process.await_condition(lambda: len(deploys) >= before + more,
                            f'{more} deploys', timeout=600)


def _away(trial: trials.Trial, name: str) -> None:
    with _deploying(trial):
        _await_deploys(trial, 1)
        trial.site.kill(name)
        time.sleep(_AWAY)
        trial.site.start(name)
        _await_deploys(trial, 1)


@_scenario
def database_away(trial: trials.Trial) -> None:
    """The database ends amid deploys, and is there again after 30 s."""
    _away(trial, 'mariadb')


@_scenario
def messages_away(trial: trials.Trial) -> None:
    """RabbitMQ ends amid deploys, and is there again after 30 s."""
    if not trial.site.size.rabbitmq:
        trial.leave_out('messages go by JSON-RPC')
        return
    _away(trial, 'rabbitmq')


@_scenario
def bmcs_out_of_reach(trial: trials.Trial) -> None:
    """Half of the BMCs hear nothing for 30 s; those of the rest do."""
    with _deploying(trial):
        _await_deploys(trial, 1)
        with trial.site.bmcs.half_cut_off():
            time.sleep(_AWAY)
        _await_deploys(trial, 1)


@_scenario
def rolling_restart(trial: trials.Trial) -> None:
    """Each host ends as operators end it, and starts: no machine notices.

    Power, drives and what is in them stay as they are, and media can be read
    all the time.
    """
    half = trial.machines[::2]
    trial.together(work.Machine.deploy, half)
    before = _shown(trial, trial.machines)
    for name in ('api', *trial.site.named('c'), *trial.site.named('m'),
                 *trial.site.named('b')):
        trial.tell(f'restarting {name}')
        trial.site.restart(name)
        trial.together(work.Machine.read, half)
    _require_same(trial, before, trial.machines)


@_scenario
def rolling_upgrade(trial: trials.Trial) -> None:
    """Ironic is upgraded from the oldest release: no machine notices.

    Others are deployed meanwhile, by conductors of both releases.
    """
    trial.together(work.Machine.undeploy)
    ironic = upgrade.Ironic(trial.site)
    ironic.begin_with_oldest()
    old = ironic.version()
    trial.together(work.Machine.enroll)
    stay, change = trial.machines[::2], trial.machines[1::2]
    trial.together(work.Machine.deploy, stay)
    before = _shown(trial, stay)
    with _deploying(trial, change):
        for name in ironic.upgrade():
            trial.tell(f'{name} is upgraded')
            trial.together(work.Machine.read, stay)
            _await_deploys(trial, 1)
    _require_same(trial, before, stay)
    trial.tell(f'API {old} became {ironic.version()}')
    if ironic.version() == old:
        raise process.LabError(f'API {old} is not that of another release')


def _shown(trial: trials.Trial,
           machines: collections.abc.Iterable[work.Machine]
           ) -> dict[str, typing.Any]:
    """Return what each BMC shows."""
    return {machine.name: trial.site.bmcs.look(machine.number)
            for machine in machines}


def _require_same(trial: trials.Trial,
                  before: collections.abc.Mapping[str, typing.Any],
                  machines: collections.abc.Iterable[work.Machine]) -> None:
    """Note each machine that has noticed something."""
    after = _shown(trial, machines)
    trial.report.findings += [
        f'{name} had {before[name]}, and has {after[name]}'
        for name in before if after[name] != before[name]]


@_scenario
def host_away(trial: trials.Trial) -> None:
    """Boots end while the host is away that has published their files.

    It removes those when it is back.
    """
    site = trial.site
    away, servers = site.named('c')[0], site.named('m')
    folder = site.directory / away / 'http'
    # Conductors publish files where no media server is.
    for name in servers:
        site.kill(name)
    try:
        trial.together(work.Machine.deploy)
        site.services[away].stop()
        trial.together(work.Machine.undeploy)
        left = _files_in(folder)
        trial.tell(f'{away} has {len(left)} files that others have ended')
    finally:
        for name in (*servers, away):
            site.start(name)
    if not left:
        raise process.LabError(f'{away} has published nothing that stays')
    process.await_condition(
        lambda: not left & _files_in(folder),
        f'{away} to remove files that others have ended', timeout=_PUT_RIGHT)


def _files_in(folder: pathlib.Path) -> set[pathlib.Path]:
    return {path for path in folder.rglob('*') if path.is_file()}


@_scenario
def full_disk(trial: trials.Trial) -> None:
    """The disk of one conductor is full: what fails says so, and ends.

    It publishes files, for which it needs room.
    """
    site = trial.site
    host = site.directory / site.named('c')[0]
    site.services[host.name].stop()
    try:
        _mount(host, _ROOM + site.base.stat().st_size * site.size.nodes)
    except (OSError, subprocess.CalledProcessError) as exc:
        trial.leave_out(f'no file system can be mounted here: {exc}')
        site.start(host.name)
        return
    settings = host / 'own.conf'
    text = settings.read_text()
    try:
        settings.write_text(f'{text}[ext_media]\ndelivery = file\n')
        site.start(host.name)
        with _deploying(trial):
            _await_deploys(trial, 1)
            _await_want_of_room(trial, host)
            _await_deploys(trial, 1)
    finally:
        # Its log is there, too.
        site.services[host.name].stop()
        _unmount(host)
        settings.write_text(text)
        site.start(host.name)


def _await_want_of_room(trial: trials.Trial, host: pathlib.Path) -> None:
    """Fill the disk of a host until a deploy has failed for that."""
    filler = host / 'filler'

    def failed() -> bool:
        # What ends makes room anew.
        _fill(filler)
        return any('No space left' in what
                   for what in list(trial.journal.failures))

    trial.tell(f'{host.name} has no room any more')
    try:
        process.await_condition(
            failed, 'a deploy to fail for want of room', timeout=_SEEN)
    finally:
        filler.unlink()


def _mount(folder: pathlib.Path, size: int) -> None:
    """Have a disk where a folder is, with what is in that.

    :param size: bytes.
    """
    kept = folder.with_name(f'{folder.name}.kept')
    folder.rename(kept)
    folder.mkdir()
    try:
        subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}',
                        'cluster', str(folder)], check=True,
                       capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        folder.rmdir()
        kept.rename(folder)
        raise
    subprocess.run(['cp', '-a', f'{kept}/.', str(folder)], check=True)


def _unmount(folder: pathlib.Path) -> None:
    kept = folder.with_name(f'{folder.name}.kept')
    # What has been removed from the disk is not to be there again.
    shutil.rmtree(kept)
    subprocess.run(['cp', '-a', f'{folder}/.', str(kept)], check=True)
    subprocess.run(['umount', str(folder)], check=True)
    folder.rmdir()
    kept.rename(folder)


def _fill(path: pathlib.Path) -> None:
    with contextlib.suppress(OSError), open(path, 'ab', 0) as file:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
