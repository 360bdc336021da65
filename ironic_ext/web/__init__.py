# SPDX-License-Identifier: Apache-2.0

"""What every client of other people's web servers needs: image services and
registries alike. Needs neither Ironic nor oslo nor anything else of here."""
