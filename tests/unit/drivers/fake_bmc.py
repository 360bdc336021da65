# SPDX-License-Identifier: Apache-2.0

"""A BMC as sushy shows it, with the faults real ones have."""

import types
import unittest.mock

import sushy


def http_error(status, message='it hurts'):
    """Make the error sushy raises for an HTTP status."""
    answer = unittest.mock.Mock(status_code=status)
    answer.json.return_value = {'error': {
        'code': 'Base.1.0.GeneralError', 'message': message}}
    kind = {400: sushy.exceptions.BadRequestError,
            401: sushy.exceptions.AccessError,
            403: sushy.exceptions.AccessError}.get(
                status, sushy.exceptions.HTTPError)
    if status >= 500:
        kind = sushy.exceptions.ServerSideError
    return kind('POST', 'https://bmc/redfish/v1/insert', answer)


class Slot:
    """A virtual drive.

    :ivar failures: what the next insertions raise, None for success.
    :ivar deaf: accepts every request and does nothing.
    :ivar stuck: accepts an ejection and keeps the medium.
    :ivar nameless: does not show what is in it.
    :ivar name_shown: what it calls whatever is in it.
    :ivar broken: cannot be read.
    :ivar slow: how often it is looked at before a medium shows.
    """

    def __init__(self, identity='Cd', media_types=(sushy.VIRTUAL_MEDIA_CD,)):
        self.identity = self.name = identity
        self.path = f'/redfish/v1/Systems/1/VirtualMedia/{identity}'
        self.media_types = list(media_types)
        self.failures = []
        self.deaf = self.stuck = self.nameless = self.broken = False
        self.name_shown = None
        self.json = {'Actions': {'#VirtualMedia.InsertMedia': {}}}
        self.works_but_fails = False
        self.connected_via = None
        self.verify_certificate = None
        self.slow = 0
        self.medium = None
        self.calls = []
        self._show()

    def _show(self):
        self.inserted = self.medium is not None
        self.image = None if self.nameless else self.medium
        self.image_name = self.name_shown if self.medium else None

    def insert_media(self, url, **options):
        self.calls.append(('insert', url))
        failure = self.failures.pop(0) if self.failures else None
        if failure is None or self.works_but_fails:
            self.medium = self.medium if self.deaf else url
        if failure:
            raise failure

    def eject_media(self):
        self.calls.append(('eject', self.medium))
        if not self.deaf and not self.stuck:
            self.medium = None

    def set_verify_certificate(self, verify):
        self.verify_certificate = verify

    def refresh(self, force=True):
        if self.slow:
            self.slow -= 1
        else:
            self._show()

    def put(self, url):
        """Insert a medium as an operator does by hand."""
        self.medium = url
        self._show()


class Bmc:
    """A machine with virtual drives."""

    def __init__(self, *slots):
        self.slots = list(slots) or [Slot()]
        self.managers = []
        #: As Redfish's Boot; what it lost is not in it.
        self.boot = {}
        self.manager = types.SimpleNamespace(
            virtual_media=self.virtual_media, model='14G', managers=[],
            manager_type=sushy.MANAGER_TYPE_BMC, firmware_version='6.1')

    @property
    def virtual_media(self):
        slots = {slot.path: slot for slot in self.slots}

        def get_member(identity):
            if getattr(slots[identity], 'broken', False):
                raise http_error(500)
            return slots[identity]

        return types.SimpleNamespace(
            get_members=lambda: list(self.slots),
            members_identities=tuple(slots), get_member=get_member)

    @property
    def calls(self):
        return [call for slot in self.slots for call in slot.calls]

    @property
    def inserted(self):
        return [slot.medium for slot in self.slots if slot.medium]
