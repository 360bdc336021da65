#!/bin/bash
# Gives a machine that runs a disk with a cloud-init seed.
set -euo pipefail

# [node]
openstack baremetal node create --name server-7 --driver redfish-ext \
    --management-interface redfish-ext --vendor-interface redfish-ext \
    --driver-info redfish_address="$BMC" \
    --driver-info redfish_system_id="$SYSTEM" \
    --driver-info redfish_username="$BMC_USER" \
    --driver-info redfish_password="$BMC_PASSWORD"
openstack baremetal node manage server-7 --wait 600
# [seed]
cat > user-data <<'END'
#cloud-config
write_files:
- path: /etc/motd
  content: |
    Rack 7, unit 12
END
cat > meta-data <<'END'
instance-id: server-7-2
local-hostname: server-7
END
# [attach]
openstack baremetal node data image attach server-7 --label cidata \
    --file /user-data=user-data --file /meta-data=meta-data --wait
openstack baremetal node data image show server-7
# [detach]
openstack baremetal node data image detach server-7 --wait
# [end]
