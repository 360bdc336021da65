# SPDX-License-Identifier: Apache-2.0

"""What is told of an image: its facts, and where it differs from its base."""
