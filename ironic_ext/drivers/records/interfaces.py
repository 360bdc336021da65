# SPDX-License-Identifier: Apache-2.0

"""Which interface of this suite a node has, whatever name it has it by.

With [ext_boot]replace_stock nodes of Ironic's own hardware types have some of
this suite's classes by the names of Ironic's own.
"""

import dataclasses
import typing

from ironic.conf import CONF

#: Names of boot interfaces.
REDFISH_ISO, ISO_SANBOOT = 'redfish-iso', 'iso-sanboot'


@dataclasses.dataclass(frozen=True)
class _Stock:
    """What goes together in Ironic.

    :param driver: name of the hardware type.
    :param management: name of its management interface.
    :param ours: name of the one that takes its place.
    """

    driver: str
    management: str
    ours: str


#: By the name of the boot interface, which [ext_boot]replace_stock has.
_STOCK = {
    'redfish-virtual-media': _Stock('redfish', 'redfish', 'redfish-ext'),
    'idrac-redfish-virtual-media': _Stock('idrac', 'idrac-redfish',
                                          'idrac-redfish-ext')}


def wanted() -> list[tuple[str, str, str, str]]:
    """Return (hardware type, kind, stock name, name) of what is replaced.

    As far as ironic.conf asks for it; see enabled().
    """
    return [(stock.driver, kind, name, ours)
            for boot in CONF.ext_boot.replace_stock
            for stock in (_STOCK[boot],)
            for kind, name, ours in (
                ('boot', boot, REDFISH_ISO),
                ('management', stock.management, stock.ours))]


def enabled(kind: str, name: str) -> bool:
    """Tell whether ironic.conf enables an interface."""
    return name in (getattr(CONF, f'enabled_{kind}_interfaces') or ())


def replacement(driver: str, kind: str, name: str) -> str | None:
    """Return the name of what takes the place of a stock interface.

    :param driver: name of the hardware type.
    :param kind: "boot" or another kind of interface.
    """
    return next((ours for *stock, ours in wanted()
                 if stock == [driver, kind, name] and enabled(kind, ours)),
                None)


def of(row: typing.Any, kind: str) -> typing.Any:
    """Return the name of a node's interface, this suite's where replaced.

    An instance may have its own, as in Node.get_interface().

    :param row: a node, or what a periodic task has read of one: driver,
        instance_info and the field of the interface.
    """
    field = f'{kind}_interface'
    name = (row.instance_info or {}).get(field, getattr(row, field))
    return replacement(row.driver, kind, name) or name
