# SPDX-License-Identifier: Apache-2.0

"""Ironic's own contract of an image service, on top of ours."""
