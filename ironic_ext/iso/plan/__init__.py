# SPDX-License-Identifier: Apache-2.0

"""Planning a customised image: arguments, files, initrds, what arrives."""

from ironic_ext.iso.plan.planner import CustomisedImage
from ironic_ext.iso.plan.planner import inject

__all__ = ('CustomisedImage', 'inject')
