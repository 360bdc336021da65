# SPDX-License-Identifier: Apache-2.0

"""Data images: a non-bootable ISO in a running machine, as a resource.

Desired state, observed state and what to do about the difference; pure, and
without Ironic. The conductor's side is in drivers/data_image/worker.py.
"""
