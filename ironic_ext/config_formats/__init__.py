# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Formats of boot configs, and how each reaches the machine.

Either the config is put into the ISO, or kernel arguments say by which URL
the machine fetches it.
"""

from ironic_ext.config_formats.assignment import plan_boot_config
from ironic_ext.config_formats.base import BootConfigFormat
from ironic_ext.config_formats.base import ImageFacts
from ironic_ext.config_formats.base import Placement
from ironic_ext.config_formats.configs import check
from ironic_ext.config_formats.configs import Config
from ironic_ext.config_formats.configs import resolve
from ironic_ext.config_formats.delivery import Delivery
from ironic_ext.config_formats.errors import ConfigError
from ironic_ext.config_formats.errors import Finding
from ironic_ext.config_formats.registry import names

__all__ = ('BootConfigFormat', 'Config', 'ConfigError', 'Delivery',
           'Finding', 'ImageFacts', 'Placement', 'check', 'names',
           'plan_boot_config', 'resolve')
