# SPDX-License-Identifier: Apache-2.0

"""What uvicorn's HTTP leaves open: limits, deadlines, one way to read."""
