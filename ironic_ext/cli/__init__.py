# SPDX-License-Identifier: Apache-2.0

"""Commands for people: `ironic-iso`, which needs no Ironic."""
