# SPDX-License-Identifier: Apache-2.0

"""Images for a task: bases as Ironic is configured, customised, delivered."""
