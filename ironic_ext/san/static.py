# SPDX-License-Identifier: Apache-2.0

"""Targets that somebody else has made, such as a storage appliance.

Nothing is created, removed or recorded here, and nothing is proven: that
the LUN is read-only is up to the appliance.
"""

from ironic_ext.san import contract
from ironic_ext.san import errors
from ironic_ext.san import location
from ironic_ext.san import settings as san_settings


class StaticTargets:
    """Hands on the locations that the operator has given.

    :param settings: not used, as there is nothing to decide.
    """

    def __init__(self, settings: san_settings.Settings) -> None:
        pass

    def require(self) -> None:
        """Do nothing: there is nothing to be made."""

    def export(self, owner: str, image: contract.Image, base: contract.Base,
               *, portal: location.Portal | None = None,
               given: location.Location | None = None) -> location.Location:
        """Return the location that is given.

        :raises: NotStaticError
        """
        if given is None:
            raise errors.NotStaticError(
                f'there is no target for {base.href}: give its IQN and '
                'portal, or let tgt make one')
        if not contract.is_base(image, base):
            raise errors.NotStaticError(
                f'target {given.iqn} serves {base.href} as it is, but this '
                'boot needs changes in it (config, files or kernel '
                'arguments): let tgt make a target for it, or boot the ISO '
                'by HTTP')
        return given

    def find(self, owner: str, *, portal: location.Portal | None = None
             ) -> list[location.Location]:
        """Return nothing: what is given is not kept."""
        return []

    def release(self, owner: str) -> None:
        """Do nothing: the target stays where it is."""

    def owners(self) -> set[str]:
        """Return no owners: nothing is on record."""
        return set()

    def rebuild(self) -> contract.Rebuilt:
        """Do nothing: the array keeps its targets itself."""
        return contract.Rebuilt()

    def status(self) -> list[contract.TargetStatus]:
        """Return no targets: the array alone knows of them."""
        return []
