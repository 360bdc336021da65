#!/bin/bash
# Installs the machines of machines.txt by kickstart, from one ISO. Run it in a
# directory with machines.txt and fedora.iso.
set -euo pipefail

# [nodes]
{
echo nodes:
while read -r name bmc system; do
    cat <<END
- name: $name
  driver: redfish-ext
  boot_interface: redfish-iso
  deploy_interface: ramdisk
  management_interface: redfish-ext
  vendor_interface: redfish-ext
  automated_clean: false
  driver_info:
    redfish_address: $bmc
    redfish_system_id: $system
    redfish_username: $BMC_USER
    redfish_password: $BMC_PASSWORD
END
done < machines.txt
} > nodes.yaml
names=$(cut -d ' ' -f 1 machines.txt)

openstack baremetal create nodes.yaml
openstack baremetal node manage $names --wait 600
openstack baremetal node provide $names --wait 600
# [catalog]
cat > ks.cfg <<'END'
text
network --bootproto=dhcp --hostname={{ name }}
rootpw --lock
clearpart --all --initlabel
autopart
reboot
%packages
@core
%end
%post
curl -fsS -X POST '{{ boot.complete_url }}'
%end
END
openstack baremetal boot config create server-install \
    --config-format kickstart --file ks.cfg --template
openstack baremetal iso create fedora --file fedora.iso \
    --config server-install --wait 600
# [hosts]
mkdir -p hosts
for name in $(cut -d ' ' -f 1 machines.txt); do
    cat > hosts/"$name".yaml <<END
kind: BareMetalHost
metadata: {name: $name}
spec: {image: fedora, bootConfigRef: server-install}
END
done
openstack baremetal boot apply -F hosts --dry-run
openstack baremetal boot apply -F hosts
openstack baremetal boot config preview server-install --host server1
# [deploy]
openstack baremetal node deploy $(cut -d ' ' -f 1 machines.txt) --wait 1800
# [progress]
openstack baremetal host boot list -c name -c state -c completed_at
openstack baremetal host boot history server1
openstack baremetal node boot media show server1
# [end]
