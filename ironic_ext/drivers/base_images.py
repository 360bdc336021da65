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

"""Base images as the conductor is configured to get them."""

import typing

from ironic.common import image_service
from ironic.conf import CONF
from oslo_utils import strutils
import requests

from ironic_ext import images
from ironic_ext.images import glance

_MIB = 1 << 20


def cache(context: typing.Any) -> images.ImageCache:
    """Return the conductor's cache of base images.

    :param context: request context, for Glance.
    """
    http = images.HttpService(
        _session, verify=_verify(), timeout=CONF.ext_images.connection_timeout,
        auth=image_service.HttpImageService.gen_auth_from_conf_user_pass)
    file = images.FileService(CONF.conductor.file_url_allowed_paths,
                              denied=[CONF.ext_images.cache_dir,
                                      *image_service.BLOCKED_FILE_URL_PATHS])
    service = glance.GlanceService(context)
    return images.ImageCache(
        CONF.ext_images.cache_dir,
        {'http': http, 'https': http, 'file': file, 'glance': service,
         '': service},
        max_size=CONF.ext_images.cache_size * _MIB,
        max_image_size=CONF.ext_images.max_image_size * _MIB,
        lock_timeout=CONF.ext_images.lock_timeout)


def _session() -> requests.Session:
    # Ironic 36 and later have TLS settings for image servers.
    build = getattr(image_service, '_build_webserver_session',
                    requests.Session)
    return build()


def _verify() -> bool | str:
    try:
        return strutils.bool_from_string(CONF.webserver_verify_ca,
                                         strict=True)
    except ValueError:
        return CONF.webserver_verify_ca
