# SPDX-License-Identifier: Apache-2.0

"""Data images in a conductor: asked for, brought about, ended."""
