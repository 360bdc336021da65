#!/bin/bash
# SPDX-License-Identifier: Apache-2.0

# A stand-in for bootc, for tests, where the real one cannot be had. It takes
# the command line of "bootc install to-disk" (bootc 1.16) and asks of its
# surroundings what bootc asks; it makes a disk that boots (GPT, ESP with
# systemd-boot, a root file system with the container's files). There is no
# ostree and no composefs in it, and no encryption.
set -euo pipefail
shopt -s nullglob

name='bootc (stand-in)'
config_dir=/usr/lib/bootc

fail() { echo "error: $*" >&2; exit 1; }
usage() {
    echo "error: $*" >&2
    printf '\nUsage: bootc install to-disk [OPTIONS] <DEVICE>\n' >&2
    exit 2
}
# bootc puts this before each error of an installation.
fail_install() { fail "Installing to disk: $*"; }
say() { echo "$name: $*"; }

one_of() {
    local option=$1 value=$2 word
    shift 2
    for word in "$@"; do [ "$word" = "$value" ] && return; done
    usage "invalid value '$value' for '$option': possible values: $*"
}

# --- what the command line says

wipe= block_setup=direct filesystem= root_size= source_imgref=
target_imgref= target_transport=registry authorized_keys= generic=
bound_images=stored stateroot=default bootloader=systemd composefs=
sigpolicy= device=
kargs=() karg_deletes=()

parse() {
    local option value inline
    while [ $# -gt 0 ]; do
        option=$1; shift
        inline=
        case $option in
            --*=*) value=${option#*=} option=${option%%=*} inline=1 ;;
        esac
        case $option in
            --wipe|--enforce-container-sigpolicy|--run-fetch-check|\
            --skip-fetch-check|--disable-selinux|--generic-image|\
            --bootupd-skip-boot-uuid|--via-loopback|--composefs-backend|\
            --allow-missing-verity)
                [ -z "$inline" ] || usage "unexpected value for '$option'"
                case $option in
                    --wipe) wipe=1 ;;
                    --enforce-container-sigpolicy) sigpolicy=1 ;;
                    --generic-image) generic=1 ;;
                    --composefs-backend) composefs=1 ;;
                    --via-loopback)
                        fail_install 'the stand-in has no --via-loopback' ;;
                esac
                continue ;;
            --block-setup|--filesystem|--root-size|--source-imgref|\
            --target-transport|--target-imgref|--karg|--karg-delete|\
            --root-ssh-authorized-keys|--bound-images|--stateroot|\
            --bootloader|--uki-addon)
                if [ -z "$inline" ]; then
                    [ $# -gt 0 ] || usage "a value is required for '$option'"
                    value=$1; shift
                fi ;;
            -*) usage "unexpected argument '$option' found" ;;
            *)
                [ -z "$device" ] || usage "unexpected argument '$option' found"
                device=$option
                continue ;;
        esac
        case $option in
            --block-setup)
                one_of $option "$value" direct tpm2-luks
                block_setup=$value ;;
            --filesystem)
                one_of $option "$value" xfs ext4 btrfs
                filesystem=$value ;;
            --root-size)
                [[ $value =~ ^[0-9]+[MGT]?$ ]] ||
                    usage "invalid value '$value' for '$option'"
                root_size=$value ;;
            --source-imgref) source_imgref=$value ;;
            --target-transport) target_transport=$value ;;
            --target-imgref) target_imgref=$value ;;
            --karg) kargs+=("$value") ;;
            --karg-delete) karg_deletes+=("$value") ;;
            --root-ssh-authorized-keys) authorized_keys=$value ;;
            --bound-images)
                one_of $option "$value" stored skip pull
                bound_images=$value ;;
            --stateroot) stateroot=$value ;;
            --bootloader)
                one_of $option "$value" grub grub-cc systemd none
                bootloader=$value ;;
        esac
    done
    [ -n "$device" ] || usage 'the argument <DEVICE> was not provided'
}

# --- what bootc asks of its surroundings

check_surroundings() {
    [ "$(id -u)" -eq 0 ] || fail_install 'This command must be executed as uid 0'
    [ -s /run/.containerenv ] ||
        fail_install 'This command must be executed inside a podman container'
    [ "$(stat -c %u /proc/1)" = 0 ] ||
        fail_install 'This command must be run with the podman --pid=host flag'
    readlink /proc/1/ns/mnt >/dev/null ||
        fail_install 'This command must be run with --privileged'
    image_id=$(sed -n 's/^imageid="\(.*\)"$/\1/p' /run/.containerenv)
    if [ -z "$source_imgref" ]; then
        # bootc asks the podman outside, as it is configured there.
        nsenter --target 1 --mount -- env -i PATH="$PATH" \
            podman inspect "$image_id" >/dev/null ||
            fail_install "querying image $image_id: podman inspect failed" \
                'in the mount namespace of process 1'
        [ -d /var/lib/containers/storage/overlay-images ] ||
            [ -d /var/lib/containers/storage/vfs-images ] ||
            fail_install 'there is no container storage in /var/lib/containers'
    fi
    [ -z "$authorized_keys" ] || [ -f "$authorized_keys" ] ||
        fail_install "Reading $authorized_keys: No such file or directory"
    case $bootloader in grub*)
        fail_install "bootupd is required for the boot loader $bootloader"
    esac
    [ -n "$filesystem" ] || filesystem=$(
        sed -n '/^\[install.filesystem.root\]/,/^\[[^i]/s/^type *= *"\(.*\)"/\1/p' \
            $config_dir/install/*.toml | tail -n 1)
    [ -n "$filesystem" ] || fail_install 'No root filesystem specified'
    command -v "mkfs.$filesystem" >/dev/null ||
        fail_install "Creating rootfs: mkfs.$filesystem: No such file or directory"
}

# --- the disk

part() {
    local base=${device##*/} number=$1 node
    case $device in *[0-9]) node=${device}p$number ;; *) node=$device$number ;; esac
    base=${node##*/}
    for _ in $(seq 100); do
        [ -b "$node" ] && break
        # Without devtmpfs nobody else makes it.
        if [ -r "/sys/class/block/$base/dev" ] && sleep 0.5 && [ ! -b "$node" ]
        then
            mknod "$node" b $(tr : ' ' < "/sys/class/block/$base/dev")
        fi
        sleep 0.1
    done
    [ -b "$node" ] || fail_install "Failed to find partition $node"
    echo "$node"
}

partition() {
    [ -b "$device" ] || fail_install "opening $device: No such block device"
    if grep -q "^$device" /proc/mounts; then
        fail_install "Device $device is mounted"
    fi
    if [ -z "$wipe" ] && [ -n "$(sfdisk --dump "$device" 2>/dev/null)" ]; then
        fail_install "Detected existing partitions on $device; use e.g." \
            '`wipefs` or --wipe if you intend to overwrite'
    fi
    local esp=512 table
    [ -z "$composefs" ] || esp=1024
    table="label: gpt
size=1MiB, type=21686148-6449-6E6F-744E-656564454649, name=\"BIOS-BOOT\"
size=${esp}MiB, type=uefi, name=\"EFI-SYSTEM\"
"
    number=3
    if [ "$block_setup" = tpm2-luks ]; then
        table+='size=510MiB, type=linux, name="boot"
'
        number=4
    fi
    case $root_size in
        '') table+='type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name="root"' ;;
        *) case $root_size in *[0-9]) root_size+=M ;; esac
           table+="size=${root_size}iB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=\"root\"" ;;
    esac
    wipefs --all --quiet "$device"
    sfdisk --quiet --wipe always "$device" <<< "$table" ||
        fail_install "Failed to run sfdisk on $device"
    # Not every kernel reads a GPT itself.
    partx --update "$device" 2>/dev/null || true
    nsenter --target 1 --mount -- udevadm settle 2>/dev/null || true
    esp_device=$(part 2)
    root_device=$(part $number)
    if [ "$block_setup" = tpm2-luks ]; then
        say 'the root file system is not encrypted'
        mkfs.ext4 -q -F -L boot "$(part 3)"
    fi
}

kernel_arguments() {
    local words=("root=UUID=$root_uuid" rw) word gone wanted result=()
    # No process substitution: not every ramdisk has /dev/fd.
    words+=($(sed -n 's/^kargs *= *\[\(.*\)\]/\1/p' \
                  $config_dir/kargs.d/*.toml /dev/null |
              grep -o '"[^"]*"' | tr -d '"'))
    words+=(${kargs[@]+"${kargs[@]}"})
    for word in "${words[@]}"; do
        wanted=1
        for gone in ${karg_deletes[@]+"${karg_deletes[@]}"}; do
            if [ "$word" = "$gone" ] || [ "${word%%=*}" = "$gone" ]; then
                wanted=
            fi
        done
        [ -z "$wanted" ] || result+=("$word")
    done
    echo "${result[*]}"
}

install_root() {
    case $filesystem in ext4) mkfs.ext4 -q -F -L root "$root_device" ;;
        *) "mkfs.$filesystem" -f -L root "$root_device" >/dev/null ;;
    esac
    root_uuid=$(blkid -p -o value -s UUID "$root_device")
    root=$(mktemp -d)
    mount -t "$filesystem" "$root_device" "$root"
    trap 'umount "$root"' EXIT
    tar --create --one-file-system --numeric-owner --exclude=./run/\* \
        --exclude=./proc/\* --exclude=./sys/\* --exclude=./dev/\* \
        --exclude=./tmp/\* --exclude=./var/lib/containers/\* \
        --exclude="./${root#/}" -C / . |
        tar --extract --numeric-owner -C "$root"
    # podman's own files are not the image's.
    : > "$root/etc/hostname"
    : > "$root/etc/resolv.conf"
    printf '127.0.0.1 localhost\n' > "$root/etc/hosts"
    if [ -n "$authorized_keys" ]; then
        install -d -m 700 "$root/root/.ssh"
        install -m 600 "$authorized_keys" "$root/root/.ssh/authorized_keys"
    fi
    install -d "$root/etc/bootc-stand-in"
    printf '%s\n' "image=${target_imgref:-${source_imgref:-$image_id}}" \
        "transport=$target_transport" "stateroot=$stateroot" \
        "bound_images=$bound_images" "generic_image=${generic:-0}" \
        "composefs=${composefs:-0}" "enforce_sigpolicy=${sigpolicy:-0}" \
        "block_setup=$block_setup" > "$root/etc/bootc-stand-in/deployment"
}

# The ESP is written without mounting it: not every kernel has vfat.
install_boot_loader() {
    mkfs.vfat -n EFI-SYSTEM "$esp_device" >/dev/null
    [ "$bootloader" != none ] || return 0
    local work kernel initrd
    work=$(mktemp -d)
    kernel=$(echo "$root"/boot/vmlinuz-*)
    initrd=$(echo "$root"/boot/initrd.img-*)
    printf 'default bootc.conf\ntimeout 0\n' > "$work/loader.conf"
    printf '%s\n' 'title bootc stand-in' 'linux /bootc/vmlinuz' \
        'initrd /bootc/initrd' "options $(kernel_arguments)" \
        > "$work/bootc.conf"
    mmd -i "$esp_device" ::/EFI ::/EFI/BOOT ::/EFI/systemd ::/bootc \
        ::/loader ::/loader/entries
    mcopy -i "$esp_device" /usr/lib/systemd/boot/efi/systemd-bootx64.efi \
        ::/EFI/BOOT/BOOTX64.EFI
    mcopy -i "$esp_device" /usr/lib/systemd/boot/efi/systemd-bootx64.efi \
        ::/EFI/systemd/
    mcopy -i "$esp_device" "$kernel" ::/bootc/vmlinuz
    mcopy -i "$esp_device" "$initrd" ::/bootc/initrd
    mcopy -i "$esp_device" "$work/loader.conf" ::/loader/
    mcopy -i "$esp_device" "$work/bootc.conf" ::/loader/entries/
    rm -r "$work"
}

case "${1:-}" in --version|-V) echo 'bootc 1.16.0 (stand-in)'; exit ;; esac
case "${1:-} ${2:-}" in
    'install print-configuration')
        # Without --all, what is in the files of the image.
        type=$(sed -n 's/^type *= *"\(.*\)"/\1/p' $config_dir/install/*.toml |
               tail -n 1)
        if [ -n "$type" ]; then
            echo "{\"filesystem\":{\"root\":{\"type\":\"$type\"}}}"
        else
            echo '{}'
        fi
        exit ;;
    'install to-disk') shift 2 ;;
    *) usage "unrecognized subcommand '${1:-} ${2:-}'" ;;
esac
parse "$@"
check_surroundings
say "installing to $device"
partition
install_root
install_boot_loader
sync
umount "$root"
trap - EXIT
rmdir "$root"
say 'Installation complete!'
