# SPDX-License-Identifier: Apache-2.0

"""Targets of the Linux SCSI target framework, tgt (tgtd(8), tgtadm(8))."""
