#!/bin/bash
# Installs Ubuntu Server on a machine by autoinstall, from its live ISO. Run it
# in a directory with id.pub, the SSH key that is to be let in.
set -euo pipefail

# [node]
openstack baremetal node create --name server-6 --driver redfish-ext \
    --boot-interface redfish-iso --deploy-interface ramdisk \
    --management-interface redfish-ext --vendor-interface redfish-ext \
    --no-automated-clean \
    --driver-info redfish_address="$BMC" \
    --driver-info redfish_system_id="$SYSTEM" \
    --driver-info redfish_username="$BMC_USER" \
    --driver-info redfish_password="$BMC_PASSWORD"
openstack baremetal node manage server-6 --wait 600
openstack baremetal node provide server-6 --wait 600
# [config]
cat > user-data <<END
#cloud-config
autoinstall:
  version: 1
  identity:
    hostname: "{{ name }}"
    username: ops
    # Of a password that nobody knows.
    password: "$(openssl rand -hex 16 | openssl passwd -6 -stdin)"
  ssh:
    install-server: true
    allow-pw: false
    authorized-keys: ["$(cat id.pub)"]
  storage:
    layout: {name: lvm}
  packages: [curl]
  late-commands:
  - curtin in-target -- curl -fsS -X POST '{{ boot.complete_url }}'
END
printf 'instance-id: "{{ uuid }}"\n' > meta-data
openstack baremetal boot config create ubuntu-server \
    --config-format autoinstall --template \
    --file user-data --file meta-data
openstack baremetal iso create ubuntu --url "$ISO_URL" \
    --config ubuntu-server --wait 1800
# [host]
openstack baremetal boot config preview ubuntu-server --host server-6
# [deploy]
openstack baremetal host boot set server-6 \
    --iso ubuntu --config ubuntu-server --deploy --wait 1800
openstack baremetal node boot show server-6
# [end]
