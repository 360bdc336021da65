# SPDX-License-Identifier: Apache-2.0

"""The API of operators: resources, access, policies, watches, OpenAPI."""
