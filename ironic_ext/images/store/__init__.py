# SPDX-License-Identifier: Apache-2.0

"""A store of verified base images, shared by the processes of one host."""
