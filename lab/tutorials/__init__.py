# SPDX-License-Identifier: Apache-2.0

"""What the tutorials of the docs take as given, in a lab."""
