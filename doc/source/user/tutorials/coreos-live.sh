#!/bin/bash
# Boots CoreOS from its live ISO, with an Ignition config, each time anew. Run
# it in a directory with coreos.iso, which is at $ISO_URL as well.
set -euo pipefail

# [config]
cat > config.ign <<'END'
{"ignition": {"version": "3.4.0"},
 "storage": {"files": [
   {"path": "/etc/hostname", "mode": 420,
    "contents": {"source": "data:,worker-1"}}]}}
END
ironic-iso inject coreos.iso --config ignition=config.ign -o try.iso
ironic-iso show try.iso --base coreos.iso
# [node]
openstack baremetal node create --name worker-1 --driver redfish-ext \
    --boot-interface redfish-iso --deploy-interface ramdisk \
    --vendor-interface redfish-ext \
    --no-automated-clean \
    --driver-info redfish_address="$BMC" \
    --driver-info redfish_system_id="$SYSTEM" \
    --driver-info redfish_username="$BMC_USER" \
    --driver-info redfish_password="$BMC_PASSWORD"
openstack baremetal node manage worker-1 --wait 600
openstack baremetal node provide worker-1 --wait 600
# [deploy]
cat > boot-config.json <<END
{"format": "ignition", "data": {"config.ign": $(
    python3 -c 'import json; print(json.dumps(open("config.ign").read()))')}}
END
openstack baremetal node set worker-1 \
    --instance-info boot_iso="$ISO_URL" \
    --instance-info boot_config="$(cat boot-config.json)"
openstack baremetal node deploy worker-1 --wait 1800
openstack baremetal node boot show worker-1
# [end]
