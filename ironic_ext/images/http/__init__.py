# SPDX-License-Identifier: Apache-2.0

"""Images on web servers: the schemes http and https."""
