#!/bin/bash
# Installs a bootable container on a machine, straight from its registry.
set -euo pipefail

# [node]
openstack baremetal node create --name server-9 --driver redfish-ext \
    --boot-interface redfish-iso --deploy-interface bootc-ext \
    --no-automated-clean --property cpu_arch=x86_64 \
    --driver-info redfish_address="$BMC" \
    --driver-info redfish_system_id="$SYSTEM" \
    --driver-info redfish_username="$BMC_USER" \
    --driver-info redfish_password="$BMC_PASSWORD" \
    --driver-info deploy_iso="$DEPLOY_ISO_URL"
openstack baremetal port create "$MAC" --node "$(
    openstack baremetal node show server-9 -f value -c uuid)"
openstack baremetal node manage server-9 --wait 600
openstack baremetal node provide server-9 --wait 600
# [image]
openstack baremetal node set server-9 \
    --instance-info image_source="oci://$IMAGE" \
    --instance-info image_pull_secret="$PULL_SECRET" \
    --instance-info bootc='{"filesystem": "xfs", "kargs": "console=ttyS0"}'
openstack baremetal node validate server-9
# [deploy]
openstack baremetal node deploy server-9 \
    --config-drive '{"meta_data": {"hostname": "server-9"}}'
# [look]
openstack baremetal node show server-9 \
    -c provision_state -c target_provision_state -c last_error
# [end]
