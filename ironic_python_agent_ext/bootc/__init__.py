# SPDX-License-Identifier: Apache-2.0

"""Deploying bootable containers: what conductor and deploy agent share.

The modules options, request, reference, registry, credentials, sealing and
errors need neither Ironic nor its agent, so that both can import them.
"""
