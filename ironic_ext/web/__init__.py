# SPDX-License-Identifier: Apache-2.0

"""What several of the suite's clients and servers of HTTP need alike: image
services and registries, boot server and media server. Needs neither Ironic
nor oslo nor anything else of here."""
