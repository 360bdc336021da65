# SPDX-License-Identifier: Apache-2.0

"""What Ironic says of a node, read once for conductor and boot server."""
