# SPDX-License-Identifier: Apache-2.0

"""Kills at every step that take minutes: by ``make test-kills``."""
