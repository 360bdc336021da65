#!/bin/bash
# Installs Debian on a machine by preseed, from its network installation ISO.
set -euo pipefail

# [node]
openstack baremetal node create --name server-5 --driver redfish-ext \
    --boot-interface redfish-iso --deploy-interface ramdisk \
    --management-interface redfish-ext --vendor-interface redfish-ext \
    --no-automated-clean \
    --driver-info redfish_address="$BMC" \
    --driver-info redfish_system_id="$SYSTEM" \
    --driver-info redfish_username="$BMC_USER" \
    --driver-info redfish_password="$BMC_PASSWORD"
openstack baremetal node manage server-5 --wait 600
openstack baremetal node provide server-5 --wait 600
# [config]
cat > preseed.cfg <<'END'
d-i debian-installer/locale string en_US.UTF-8
d-i keyboard-configuration/xkb-keymap select us
d-i netcfg/choose_interface select auto
d-i netcfg/get_hostname string {{ name }}
d-i mirror/country string manual
d-i mirror/http/hostname string deb.debian.org
d-i mirror/http/directory string /debian
d-i mirror/http/proxy string
d-i passwd/root-login boolean false
d-i passwd/user-fullname string Operator
d-i passwd/username string ops
d-i passwd/user-password-crypted password !
d-i clock-setup/utc boolean true
d-i time/zone string UTC
d-i partman-auto/disk string /dev/sda
d-i partman-auto/method string regular
d-i partman-auto/choose_recipe select atomic
d-i partman-partitioning/confirm_write_new_label boolean true
d-i partman/choose_partition select finish
d-i partman/confirm boolean true
d-i partman/confirm_nooverwrite boolean true
d-i grub-installer/bootdev string default
tasksel tasksel/first multiselect standard, ssh-server
d-i pkgsel/include string curl
d-i finish-install/reboot_in_progress note
d-i preseed/late_command string \
    in-target curl -fsS -X POST '{{ boot.complete_url }}'
END
openstack baremetal boot config create debian-server \
    --config-format preseed --file preseed.cfg --template
openstack baremetal iso create debian --url "$ISO_URL" \
    --config debian-server --wait 1800
openstack baremetal iso show debian
# [host]
openstack baremetal host boot set server-5 --iso debian --config debian-server
openstack baremetal boot config preview debian-server --host server-5
# [deploy]
openstack baremetal node deploy server-5 --wait 1800
openstack baremetal node boot show server-5
# [end]
