# SPDX-License-Identifier: Apache-2.0

"""The media server: images over HTTP, straight from their bases."""
