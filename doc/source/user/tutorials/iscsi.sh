#!/bin/bash
# Boots an ISO over iSCSI on a machine that has no virtual media.
set -euo pipefail

# [node]
openstack baremetal node create --name server-8 --driver redfish-ext \
    --boot-interface iso-sanboot --deploy-interface ramdisk \
    --no-automated-clean \
    --driver-info redfish_address="$BMC" \
    --driver-info redfish_system_id="$SYSTEM" \
    --driver-info redfish_username="$BMC_USER" \
    --driver-info redfish_password="$BMC_PASSWORD"
openstack baremetal port create "$MAC" --node "$(
    openstack baremetal node show server-8 -f value -c uuid)"
openstack baremetal node manage server-8 --wait 600
openstack baremetal node provide server-8 --wait 600
# [deploy]
openstack baremetal node set server-8 \
    --instance-info boot_iso="$ISO_URL" \
    --instance-info kernel_append_params="console=ttyS0 role=worker"
openstack baremetal node validate server-8
openstack baremetal node deploy server-8 --wait 1800
# [targets]
ironic-ext-targets --config-file "$IRONIC_CONF" list
# [undeploy]
openstack baremetal node undeploy server-8 --wait 600
ironic-ext-targets --config-file "$IRONIC_CONF" list
# [end]
