# SPDX-License-Identifier: Apache-2.0

"""Makes of BMCs, as far as their virtual media differ from the emulator's.

What is known of each is from sushy's and Ironic's own workarounds, from the
vendors' Redfish guides and from bug reports; firmware differs, and a class
here is one that was seen, not all there are.
"""

import dataclasses
import json
import re
import threading

from lab.bmc import fault_proxy

_MEDIA = re.compile(r'/redfish/v1/(?:Systems|Managers)/([^/]+)/VirtualMedia'
                    r'(?:/([^/]+)(/.*)?)?')
_INSERT = '/Actions/VirtualMedia.InsertMedia'
_EJECT = '/Actions/VirtualMedia.EjectMedia'
_REGISTRY = 'Base.1.8'


def error(message_id: str, message: str, **details: object) -> dict:
    """Return the body of a Redfish error (DSP0266, section 8.6)."""
    return {'error': {
        'code': f'{_REGISTRY}.GeneralError', 'message': message,
        '@Message.ExtendedInfo': [
            {'MessageId': message_id, 'Message': message, **details}]}}


class VendorBmc(fault_proxy.Manners):
    """What they share: names of slots, and where they are found.

    :ivar slots: names of this make -> the emulator's.
    :ivar types: name -> MediaTypes.
    :ivar in_manager: whether virtual media are the manager's.
    """

    slots: dict[str, str] = {'Cd': 'Cd', 'Usb': 'Usb'}
    types: dict[str, list[str]] = {}
    in_manager = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: Of the last action.
        self.target = ''
        #: Of the emulator: what each slot holds, '' for nothing.
        self.holds: dict[str, str] = {}

    def refuse(self, request: fault_proxy.Request
               ) -> tuple[int, object] | None:
        found = _MEDIA.fullmatch(request.path)
        if not found:
            return None
        is_manager = '/Managers/' in request.path
        if is_manager != self.in_manager or (
                found[2] and found[2] not in self.slots):
            return 404, error(f'{_REGISTRY}.ResourceMissingAtURI',
                              'no such resource')
        slot, action = found[2], found[3] or ''
        if request.method == 'POST' and action in (_INSERT, _EJECT):
            body = json.loads(request.body or b'null')
            self.target = request.path
            if action == _INSERT:
                return self.refuse_insertion(slot, body or {})
            return self.refuse_ejection(slot, request.body)
        return None

    def refuse_insertion(self, slot: str, body: dict
                         ) -> tuple[int, object] | None:
        """Return why an image is not inserted, None when it is."""
        return None

    def refuse_ejection(self, slot: str, body: bytes
                        ) -> tuple[int, object] | None:
        """Return why a medium is not ejected, None when it is."""
        return None

    def translate(self, request: fault_proxy.Request) -> fault_proxy.Request:
        found = _MEDIA.fullmatch(request.path)
        if not found:
            return request
        action = found[3] or ''
        if request.method == 'POST' and found[2]:
            image = json.loads(request.body or b'{}').get('Image', '')
            with self._lock:
                self.holds[found[2]] = image if action == _INSERT else ''
            if action == _EJECT:
                request = dataclasses.replace(request, body=b'{}')
        slot = f'/{self.slots[found[2]]}' if found[2] else ''
        return dataclasses.replace(
            request, path=f'/redfish/v1/Systems/{found[1]}/VirtualMedia'
                          f'{slot}{action}')

    def show(self, request: fault_proxy.Request, answer: dict) -> dict:
        kind, _dot, _rest = answer.get('@odata.type', '').lstrip(
            '#').partition('.')
        if kind == 'ComputerSystem' and self.in_manager:
            del answer['VirtualMedia']
        elif kind == 'Manager' and self.in_manager:
            answer['VirtualMedia'] = {
                '@odata.id': f'{answer["@odata.id"]}/VirtualMedia'}
        elif kind == 'VirtualMediaCollection':
            where = request.path.rstrip('/')
            answer.update({'@odata.id': where, 'Members': [
                {'@odata.id': f'{where}/{name}'} for name in self.slots]})
        elif kind == 'VirtualMedia':
            return self.show_slot(request.path.rpartition('/')[2],
                                  request.path, answer)
        return answer

    def show_slot(self, slot: str, path: str, answer: dict) -> dict:
        """Return how a slot is shown."""
        answer.update({
            '@odata.id': path, 'Id': slot, 'Name': f'Virtual {slot}',
            'MediaTypes': self.types.get(slot, answer['MediaTypes']),
            'Actions': {
                '#VirtualMedia.InsertMedia': {'target': path + _INSERT},
                '#VirtualMedia.EjectMedia': {'target': path + _EJECT}}})
        if not answer['Inserted']:
            answer.update(self.empty(slot))
        return answer

    def empty(self, slot: str) -> dict:
        """Return the properties of an empty slot."""
        return {'Image': None, 'ImageName': None,
                'ConnectedVia': 'NotConnected'}


class Idrac9(VendorBmc):
    """Dell: media are the manager's; a slot in use takes nothing more.

    The stock driver of Ironic never ejects blindly either: an ejection of
    nothing is an error.
    """

    slots = {'CD': 'Cd', 'RemovableDisk': 'Usb'}
    types = {'CD': ['CD', 'DVD'], 'RemovableDisk': ['USBStick']}
    in_manager = True

    def refuse_insertion(self, slot, body):
        if self.holds.get(slot):
            return 500, error(
                'IDRAC.2.8.VRM0012',
                'The Virtual Media image server is already connected.')
        if slot == 'RemovableDisk' and not body['Image'].endswith('.img'):
            return 400, error(
                'IDRAC.2.8.VRM0021',
                'Images of removable disks have the suffix .img.')
        return None

    def refuse_ejection(self, slot, body):
        if not self.holds.get(slot):
            return 500, error('IDRAC.2.8.VRM0009',
                              'No Virtual Media devices are currently '
                              'connected.')
        return None


class Idrac10(VendorBmc):
    """Dell, 17th generation: slots 1 and 2 of the system, 1 alone boots."""

    slots = {'1': 'Cd', '2': 'Cd2'}

    def show(self, request, answer):
        answer = super().show(request, answer)
        if answer.get('@odata.type', '').startswith('#Manager.'):
            answer.update(Model='17G Monolithic', ManagerType='BMC')
        return answer


class Ilo5(VendorBmc):
    """HPE: an ejection wants a body, TransferProtocolType is unknown."""

    slots = {'1': 'Usb', '2': 'Cd'}
    types = {'1': ['Floppy', 'USBStick'], '2': ['CD', 'DVD']}
    in_manager = True

    def refuse_insertion(self, slot, body):
        if self.holds.get(slot):
            return 400, error(
                'iLO.2.14.MaxVirtualMediaConnectionEstablished',
                'iLO.2.14.MaxVirtualMediaConnectionEstablished')
        if 'TransferProtocolType' in body:
            return 400, error('Base.1.4.ActionParameterUnknown',
                              'TransferProtocolType is unknown')
        return None

    def refuse_ejection(self, slot, body):
        if not body:
            return 400, error('Base.1.4.MalformedJSON', 'malformed JSON')
        if not self.holds.get(slot):
            return 400, error('iLO.2.14.NoVirtualMediaConnectionAvailable',
                              'no virtual media connection')
        return None

    def empty(self, slot):
        return {'Image': '', 'ImageName': '',
                'ConnectedVia': 'NotConnected'}


class SupermicroX11(VendorBmc):
    """Supermicro: wants TransferProtocolType, remembers what was in it.

    What it takes, it does in its own time, and it shows no Inserted.
    """

    slots = {'CD1': 'Cd'}
    in_manager = True
    #: How often a slot is looked at before a change shows.
    LOOKS = 2

    def __init__(self):
        super().__init__()
        self._last = {}
        self._looks = 0

    def refuse_insertion(self, slot, body):
        for known in ('Inserted', 'WriteProtected'):
            if known in body:
                return 400, error('Base.1.4.ActionParameterNotSupported',
                                  f'{known} is not supported')
        if 'TransferProtocolType' not in body:
            shown = error('Base.1.4.ActionParameterMissing',
                          'TransferProtocolType is missing',
                          RelatedProperties=['#/TransferProtocolType'])
            shown['error']['code'] = 'Base.1.4.ActionParameterMissing'
            return 400, shown
        return None

    def translate(self, request):
        if request.method == 'POST':
            self._looks = self.LOOKS
        return super().translate(request)

    def show_slot(self, slot, path, answer):
        answer = super().show_slot(slot, path, answer)
        if self._looks:
            self._looks -= 1
            before = self._last.get(slot, self.empty(slot))
        else:
            before = {key: answer[key]
                      for key in ('Image', 'ImageName', 'ConnectedVia')}
            if not answer['Inserted']:
                before = {**self._last.get(slot, before),
                          'ConnectedVia': 'NotConnected'}
            self._last[slot] = before
        del answer['Inserted']
        return {**answer, **before}


class LenovoXcc(VendorBmc):
    """Lenovo: no actions, but PATCH; RDOC slots are for its own files."""

    slots = {'RDOC1': 'Cd2', 'EXT1': 'Cd'}
    types = dict.fromkeys(slots, ['CD', 'DVD', 'Floppy', 'USBStick'])
    in_manager = True
    headers = (('Allow', 'GET, PATCH'),)

    def refuse(self, request):
        refusal = super().refuse(request)
        if refusal or request.method != 'PATCH':
            return refusal
        body = json.loads(request.body)
        if 'RDOC' in request.path and body.get('Image'):
            return 400, error('Base.1.5.PropertyNotWritable',
                              'Image cannot be written')
        if body.get('Image') and body.get('Inserted') is not True:
            return 400, error('Base.1.5.PropertyMissing',
                              'Inserted is missing')
        return None

    def translate(self, request):
        found = _MEDIA.fullmatch(request.path)
        if found and request.method == 'PATCH' and not found[3]:
            body = json.loads(request.body)
            if 'Image' in body:
                action = _INSERT if body['Image'] else _EJECT
                request = dataclasses.replace(
                    request, method='POST', path=request.path + action,
                    body=(json.dumps({'Image': body['Image']}).encode()
                          if body['Image'] else b'{}'))
        return super().translate(request)

    def show_slot(self, slot, path, answer):
        answer = super().show_slot(slot, path, answer)
        answer['Actions'] = {}
        return answer


class MegaRac(VendorBmc):
    """AMI: shows that there is a medium, but not which one."""

    slots = {'CD1': 'Cd'}
    in_manager = True

    def show_slot(self, slot, path, answer):
        return {**super().show_slot(slot, path, answer), 'Image': None,
                'ImageName': None}


class CiscoUcs(VendorBmc):
    """Cisco: DVD slots only, the first of them for its console (KVM)."""

    slots = {'KVMDVD': 'Cd2', 'CIMCDVD': 'Cd'}
    types = dict.fromkeys(slots, ['DVD'])
    in_manager = True

    def refuse_insertion(self, slot, body):
        if slot == 'KVMDVD':
            return 400, error('Base.1.4.ActionNotSupported',
                              'the action is not supported')
        return None


class TaskBmc(VendorBmc):
    """Takes an insertion with 202, and fails in a task (DSP0266, 12.2).

    :ivar other: whether the task is about another slot.
    """

    slots = {'Cd': 'Cd'}
    other = False

    def __init__(self) -> None:
        super().__init__()
        self._tasks: list[dict] = []

    def begin(self, target: str, message: str) -> None:
        """Run a task that ends with an error."""
        number = len(self._tasks) + 1
        self._tasks.append({
            '@odata.id': f'/redfish/v1/TaskService/Tasks/{number}',
            '@odata.type': '#Task.v1_4_3.Task', 'Id': str(number),
            'Name': f'Task {number}', 'TaskState': 'Exception',
            'TaskStatus': 'Critical',
            'Payload': {'HttpOperation': 'POST', 'TargetUri': target},
            'Messages': [{'MessageId': f'{_REGISTRY}.GeneralError',
                          'Message': message}]})

    def refuse(self, request: fault_proxy.Request
               ) -> tuple[int, object] | None:
        where = '/redfish/v1/TaskService'
        path = request.path.rstrip('/')
        if path == where:
            return 200, {'@odata.id': where, 'Id': 'TaskService',
                         'Name': 'Tasks', 'ServiceEnabled': True,
                         'Tasks': {'@odata.id': f'{where}/Tasks'}}
        if path == f'{where}/Tasks':
            return 200, {'@odata.id': path, 'Name': 'Tasks',
                         'Members@odata.count': len(self._tasks),
                         'Members': [{'@odata.id': task['@odata.id']}
                                     for task in self._tasks]}
        for task in self._tasks:
            if path == task['@odata.id']:
                return 200, task
        return super().refuse(request)

    def refuse_insertion(self, slot: str, body: dict
                         ) -> tuple[int, object] | None:
        self.begin('/redfish/v1/Systems/1/VirtualMedia/Other' if self.other
                   else self.target, 'The certificate of the image server is '
                                     'not trusted by this BMC.')
        return 202, self._tasks[-1]

    def show(self, request: fault_proxy.Request, answer: dict) -> dict:
        if answer.get('@odata.type', '').startswith('#ServiceRoot.'):
            answer['Tasks'] = {'@odata.id': '/redfish/v1/TaskService'}
        return super().show(request, answer)


class TwoDrives(VendorBmc):
    """Has boot options by which one of its drives can be told.

    :ivar targets: values of BootSourceOverrideTarget that it offers.
    """

    slots = {'Cd': 'Cd', 'Cd2': 'Cd2'}
    targets: tuple[str, ...] = ('Hdd', 'Cd', 'UefiTarget')

    def __init__(self) -> None:
        super().__init__()
        #: What was written of Boot, but not passed on.
        self.boot: dict[str, str] = {}

    def refuse(self, request: fault_proxy.Request
               ) -> tuple[int, object] | None:
        system, _slash, rest = request.path.partition('/BootOptions')
        if _slash:
            return 200, self._options(system, rest.strip('/'))
        if request.method == 'PATCH' and '/Systems/' in request.path:
            boot = json.loads(request.body).get('Boot', {})
            if boot.get('BootSourceOverrideTarget') == 'UefiTarget':
                if boot['BootSourceOverrideEnabled'] == 'Continuous':
                    return 400, error(f'{_REGISTRY}.PropertyValueConflict',
                                      'Continuous is not supported for '
                                      'UefiTarget')
                self.boot = boot
                return 204, None
            self.boot = {}
        return super().refuse(request)

    def _options(self, system: str, name: str) -> dict:
        where = f'{system}/BootOptions'
        if not name:
            return {'@odata.id': where, 'Name': 'Boot options', 'Members': [
                {'@odata.id': f'{where}/Boot{slot}'} for slot in self.slots]}
        slot = name.removeprefix('Boot')
        return {'@odata.id': f'{where}/{name}', 'Id': name, 'Name': name,
                'BootOptionReference': name,
                'DisplayName': f'UEFI: Virtual {slot}',
                'UefiDevicePath': f'PciRoot(0x0)/Usb({slot})',
                'RelatedItem': [
                    {'@odata.id': f'{system}/VirtualMedia/{slot}'}]}

    def show(self, request: fault_proxy.Request, answer: dict) -> dict:
        answer = super().show(request, answer)
        if answer.get('@odata.type', '').startswith('#ComputerSystem.'):
            answer['Boot'].update({
                'BootOptions': {
                    '@odata.id': f'{answer["@odata.id"]}/BootOptions'},
                'BootSourceOverrideTarget@Redfish.AllowableValues': [
                    *self.targets], **self.boot})
        return answer
