# SPDX-License-Identifier: Apache-2.0

"""The boot server's HTTP: connections, the event loop, answers at hand."""
