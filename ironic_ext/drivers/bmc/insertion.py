# SPDX-License-Identifier: Apache-2.0

"""Put images into virtual drives over Redfish (DSP0266, VirtualMedia).

What the BMC shows is believed, not what it answered: every insertion is read
back. Media that this node's plan did not insert stay where they are, unless
the only slot has to be freed for the boot image.
"""

import collections.abc
import dataclasses
import typing

from ironic.common import states
from ironic.conf import CONF
from oslo_log import log
import sushy
import tenacity

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import ejection
from ironic_ext.drivers.bmc import quirks
from ironic_ext.drivers.bmc import slots as redfish_slots
from ironic_ext.drivers.bmc import tasks
from ironic_ext.drivers.records import data_image as data_image_record
from ironic_ext.drivers.records import media as node_media
from ironic_ext.drivers.walls import certificates
from ironic_ext.media import medium as media

LOG = log.getLogger(__name__)

#: [ext_boot]verify_media_server -> Source.verify
_VERIFY = {'keep': None, 'yes': True, 'true': True, 'no': False,
           'false': False}


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a BMC gets an image from, and how.

    :param url: secret; never part of a message.
    :param username: for the URL, with ``password``.
    :param verify: whether the BMC must verify the server's certificate;
        None leaves it as it is.
    :param ca: PEM certificates to verify it by.
    :param removable: makes a URL of the same image that ends in ".img":
        iDRAC takes no other in a drive of removable disks, and stock Ironic
        calls images for one so. None where there is none.
    """

    url: str = dataclasses.field(repr=False)
    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    verify: bool | None = None
    ca: str | None = dataclasses.field(default=None, repr=False)
    removable: collections.abc.Callable[[], str] | None = (
        dataclasses.field(default=None, repr=False))

    def url_for(self, slot: typing.Any) -> str:
        """Return the URL for a virtual drive."""
        if self.removable is None or drives.is_disc(slot):
            return self.url
        return self.removable()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may repeat."""
        return (self.password,) if self.password else ()


def of_conductor(
        task: typing.Any, url: str,
        removable: collections.abc.Callable[[], str] | None = None) -> Source:
    """Return where a BMC gets an image that a conductor delivers.

    :param removable: see Source.
    :raises: MediaError
    """
    chosen = (task.node.driver_info.get('verify_media_server')
              or CONF.ext_boot.verify_media_server)
    text = str(chosen).lower()
    if text not in _VERIFY:
        raise drives.MediaError(
            f'driver_info/verify_media_server of node {task.node.uuid} is '
            f'"{text[:40]}": set "keep", "yes" or "no"')
    ca = None
    if _VERIFY[text] and CONF.ext_boot.media_server_ca:
        try:
            ca = certificates.of_file(CONF.ext_boot.media_server_ca)
        except certificates.NotCertificatesError as exc:
            raise drives.MediaError(
                f'[ext_boot]media_server_ca {exc}') from exc
    return Source(url, verify=_VERIFY[text], ca=ca, removable=removable)


class _TryAgain(Exception):
    """The BMC had a failure that may pass."""


def insert(task: typing.Any, url: str, medium: media.Medium) -> str:
    """Insert a boot image, and return the path of the slot it is in.

    Tried again, from the choice of the slot on, when the BMC answers with a
    server error or not at all ([ext_boot]insert_attempts). A slot that is
    needed is freed: of the node's data image first, which goes elsewhere
    or waits, then of what is not ours.

    :param url: secret; never part of a message.
    :param medium: its id or its mark is looked for afterwards.
    :raises: MediaError when no slot shows the image in the end.
    """
    return _persist(task, 'the boot image', medium.id,
                    lambda: _insert(task, of_conductor(task, url), medium))


def put(task: typing.Any, paths: collections.abc.Sequence[str],
        source: Source, medium: media.Medium, what: str = 'the data image'
        ) -> str:
    """Insert an image into one of these slots; return the one it is in.

    As :func:`insert`, but no slot is freed for it.

    :param paths: of the slots, best first.
    :param what: it is, for errors and the log.
    :raises: MediaError when none of them shows the image in the end.
    """
    return _persist(task, what, medium.id,
                    lambda: _put(task, paths, source, medium, what))


def _persist(task: typing.Any, what: str, media_id: str,
             insertion: collections.abc.Callable[[], str]) -> str:
    def report(state: tenacity.RetryCallState) -> None:
        assert state.outcome is not None
        LOG.warning('Inserting medium %(id)s into node %(node)s will be '
                    'tried again: %(error)s',
                    {'id': media_id, 'node': task.node.uuid,
                     'error': state.outcome.exception()})

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_TryAgain),
        stop=tenacity.stop_after_attempt(CONF.ext_boot.insert_attempts),
        wait=tenacity.wait_fixed(CONF.ext_boot.insert_retry_interval),
        before_sleep=report, reraise=True)
    try:
        return retrying(insertion)
    except _TryAgain as exc:
        raise drives.MediaError(
            f'the BMC of node {task.node.uuid} failed to insert {what} '
            f'in {CONF.ext_boot.insert_attempts} attempts: {exc}: '
            'check the BMC, reset it if need be') from exc


def _insert(task: typing.Any, source: Source, medium: media.Medium
            ) -> str:
    slots = drives.discs(task)
    need = _needs(task.node)
    if task.node.provision_state == states.ACTIVE:
        slots.sort(key=need)
    else:
        # "Cd" may mean any of the drives that has a medium; which one boots
        # is the first by all that is known. Its data image goes elsewhere.
        _clear(task, [slot for slot in slots if need(slot) == 2])
    return _into_one_of(task, slots, source, medium, 'the boot image',
                        may_empty=lambda slot: True)


def _needs(node: typing.Any) -> collections.abc.Callable[[typing.Any], int]:
    """Return what tells how much a slot is needed: 0 for not at all."""
    boot, data = node_media.load(node), data_image_record.media(node)

    def need(slot: typing.Any) -> int:
        if not quirks.is_inserted(slot) or redfish_slots.holds(slot, boot):
            return 0
        # A data image finds its way back; what is not ours does not.
        return 1 if redfish_slots.holds(slot, data) else 2

    return need


def foresee(task: typing.Any, slots: collections.abc.Iterable[typing.Any]
            ) -> None:
    """Refuse what insert() is going to refuse, as far as it shows now.

    :param slots: that an ISO can boot from, see drives.discs().
    :raises: MediaError
    """
    node = task.node
    if (CONF.ext_boot.foreign_media != 'refuse'
            or node.provision_state == states.ACTIVE):
        return
    need = _needs(node)
    for slot in slots:
        # Ironic's own names media by the node, and those are taken out.
        if need(slot) == 2 and node.uuid not in str(slot.image):
            raise _foreign(task, slot)


def _foreign(task: typing.Any, slot: typing.Any) -> drives.MediaError:
    return drives.MediaError(
        f'slot {slot.identity} of node {task.node.uuid} has '
        f'{redfish_slots.title(slot)}, which somebody else inserted and the '
        'machine might boot from: eject it, or set [ext_boot]foreign_media '
        'to "eject"')


def _clear(task: typing.Any, slots: list[typing.Any]) -> None:
    """Free drives of what is not ours: "Cd" may mean any of them.

    :raises: MediaError when it has to stay
    """
    for slot in slots:
        title = redfish_slots.title(slot)
        if CONF.ext_boot.foreign_media == 'refuse':
            raise _foreign(task, slot)
        LOG.warning('Ejecting %(what)s from slot %(slot)s of node %(node)s: '
                    'somebody else inserted it, and the machine might boot '
                    'from it', {'what': title, 'slot': slot.identity,
                                'node': task.node.uuid})
        try:
            ejection.empty(task, slot)
        except (sushy.exceptions.ServerSideError,
                sushy.exceptions.ConnectionError) as exc:
            raise _TryAgain(redfish_slots.reason(exc)) from exc
        except sushy.exceptions.SushyError as exc:
            raise drives.MediaError(
                f'{title} in slot {slot.identity} of node {task.node.uuid}, '
                'which the machine might boot from, cannot be ejected: '
                f'{redfish_slots.reason(exc)}') from exc


def _put(task: typing.Any, paths: collections.abc.Sequence[str],
         source: Source, medium: media.Medium, what: str) -> str:
    slots = [slot for slot in drives.drives(task) if slot.path in paths]
    slots.sort(key=lambda slot: paths.index(slot.path))
    # It may be in one of them by now: an answer got lost.
    slots.sort(key=lambda slot: not redfish_slots.holds(slot, [medium]))
    return _into_one_of(
        task, slots, source, medium, what,
        may_empty=lambda slot: redfish_slots.holds(slot, [medium]))


def _into_one_of(task: typing.Any, slots: list[typing.Any], source: Source,
                 medium: media.Medium, what: str,
                 may_empty: collections.abc.Callable[[typing.Any], bool]
                 ) -> str:
    refusals = []
    for slot in slots:
        if quirks.is_inserted(slot) and not may_empty(slot):
            refusals.append(f'slot {slot.identity}: it holds '
                            f'{redfish_slots.title(slot)} by now')
            continue
        refusal = _try(task, slot, source, medium, what)
        if refusal is None:
            LOG.info('Inserted medium %(id)s into slot %(slot)s of node '
                     '%(node)s', {'id': medium.id, 'slot': slot.identity,
                                  'node': task.node.uuid})
            return str(slot.path)
        refusals.append(f'slot {slot.identity}: {refusal}')
    raise drives.MediaError(
        f'the BMC of node {task.node.uuid} did not insert {what}: '
        + '; '.join(refusals))


def _try(task: typing.Any, slot: typing.Any, source: Source,
         medium: media.Medium, what: str) -> str | None:
    """Insert an image into a slot; return why that did not work."""
    try:
        if quirks.is_inserted(slot):
            LOG.warning('Ejecting %(was)s from slot %(slot)s of node '
                        '%(node)s, which %(what)s needs',
                        {'was': redfish_slots.title(slot), 'what': what,
                         'slot': slot.identity, 'node': task.node.uuid})
            ejection.empty(task, slot)
        _require_verification(slot, source)
        watch = tasks.Watch(slot)
        url = source.url_for(slot)
        options = quirks.transfer_protocol(task, url)
        if source.username is not None:
            options.update(username=source.username,
                           password=source.password or '')
        quirks.insert_media(slot, url, **options)
    except (sushy.exceptions.ServerSideError,
            sushy.exceptions.ConnectionError) as exc:
        # It may have worked all the same.
        if not redfish_slots.wait(
                slot, lambda: redfish_slots.holds(slot, [medium]), 0):
            raise _TryAgain(
                redfish_slots.reason(exc, source.secrets)) from exc
    except sushy.exceptions.AccessError as exc:
        raise drives.MediaError(
            f'the BMC of node {task.node.uuid} does not let the user in '
            'driver_info insert virtual media: give it the '
            'privilege') from exc
    except (sushy.exceptions.SushyError, drives.MediaError) as exc:
        if quirks.is_busy(exc):
            raise _TryAgain(
                redfish_slots.reason(exc, source.secrets)) from exc
        # Some slots are for the BMC's own console only (Cisco UCS, Lenovo's
        # RDOC, OpenBMC): the next one may do.
        return redfish_slots.reason(exc, source.secrets)
    failure: str | None = None

    def decided() -> bool:
        nonlocal failure
        if redfish_slots.holds(slot, [medium]) or quirks.hides_image(slot):
            return True
        failure = watch.failure()
        return failure is not None

    if redfish_slots.wait(slot, decided, CONF.ext_boot.media_timeout):
        return failure and ('its task failed: ' + redfish_slots.clean(
            failure, source.secrets))
    return (f'it accepted the request, but after '
            f'{CONF.ext_boot.media_timeout} s shows '
            f'{redfish_slots.title(slot)} (can it reach the web server?)')


def _require_verification(slot: typing.Any, source: Source) -> None:
    """Have the BMC verify the server's certificate, or have it not.

    :raises: MediaError, SushyError
    """
    if source.verify is None or not source.url.startswith('https:'):
        return
    if slot.verify_certificate is None:
        # Of VirtualMedia 1.4 (2020.1); a BMC without it verifies nothing.
        if source.verify:
            raise drives.MediaError(
                'this BMC cannot be told to verify certificates: let the '
                'conductor deliver the image, or say that the image is '
                'insecure, or the node (verify_media_server=no)')
        return
    if source.ca:
        quirks.trust(slot, source.ca)
    if slot.verify_certificate != source.verify:
        slot.set_verify_certificate(source.verify)
        slot.refresh(force=True)
        if slot.verify_certificate != source.verify:
            raise drives.MediaError(
                'the BMC was told to verify certificates of image servers '
                'or not to, and shows the contrary: set VerifyCertificate '
                'of the drive by hand')
