# SPDX-License-Identifier: Apache-2.0

"""HTTP of the media server (RFC 9110, 9112); it knows nothing of media."""
