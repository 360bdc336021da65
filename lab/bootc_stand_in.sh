#!/bin/bash
# SPDX-License-Identifier: Apache-2.0

# A stand-in for bootc, for tests, where the real one cannot be had. It takes
# the command line of "bootc install to-disk" as bootc 1.16.9 does, or 1.1.4
# where the image says so, and asks of its surroundings what that bootc asks:
# it reads the image through the /var/tmp of process 1, follows the image's
# own configuration, and labels for SELinux unless it is told not to. It makes
# a disk that boots (GPT, ESP with systemd-boot, a root file system with the
# container's files, in LUKS with the machine's TPM if so wanted). There is no
# ostree and no composefs in it.
set -euo pipefail
shopt -s nullglob

name='bootc (stand-in)'
config_dir=/usr/lib/bootc
# What a test makes of the stand-in: "version", "bootupd-error".
own_dir=/usr/lib/bootc-stand-in
version=${BOOTC_STAND_IN_VERSION:-1.16.9}
[ ! -f $own_dir/version ] || version=$(cat $own_dir/version)
label=system_u:object_r:default_t:s0

fail() { echo "error: $*" >&2; exit 1; }
usage() {
    echo "error: $*" >&2
    printf '\nUsage: bootc install to-disk [OPTIONS] <DEVICE>\n' >&2
    exit 2
}
# bootc puts this before each error of an installation.
fail_install() { fail "Installing to disk: $*"; }
say() { echo "$name: $*"; }

# Run a tool, and tell of its failure as bootc does: the tool has said why,
# and then comes a block of lines that begins with what bootc was about.
run_tool() {
    local context=$1 word
    shift
    echo "> $*"
    "$@" && return
    {
        echo "error: Installing to disk: $context: Failed to run command:" \
            'Command {'
        printf '    program: "%s",\n    args: [\n' "$1"
        for word in "$@"; do printf '        "%s",\n' "$word"; done
        printf '    ],\n    create_pidfd: false,\n}\n'
    } >&2
    exit 1
}

# --- what its version knows

# Name of an option, what it takes, the first version that has it.
options='wipe - 1.1
block-setup direct,tpm2-luks 1.1
filesystem xfs,ext4,btrfs 1.1
root-size VALUE 1.1
source-imgref VALUE 1.1
target-transport VALUE 1.1
target-imgref VALUE 1.1
enforce-container-sigpolicy - 1.1
run-fetch-check - 1.1.8
skip-fetch-check - 1.1
disable-selinux - 1.1
karg VALUE 1.1
karg-delete VALUE 1.15.1
root-ssh-authorized-keys VALUE 1.1
generic-image - 1.1
bound-images stored,skip,pull 1.1.3
stateroot VALUE 1.1
bootupd-skip-boot-uuid - 1.13
bootloader grub,grub-cc,systemd,none 1.9
via-loopback - 1.1
composefs-backend - 1.10
allow-missing-verity - 1.14
uki-addon VALUE 1.9'

has_option() {
    local option takes since
    while read -r option takes since; do
        if [ "$option" = "$1" ]; then
            printf '%s\n' "$since" "$version" | sort --version-sort --check \
                2>/dev/null
            return
        fi
    done <<< "$options"
    return 1
}

help() {
    local option takes since
    printf 'Install to a disk (stand-in)\n\nUsage: bootc install to-disk [OPTIONS] <DEVICE>\n\nOptions:\n'
    while read -r option takes since; do
        has_option "$option" || continue
        case $takes in
            -) printf '      --%s\n' "$option" ;;
            *) printf '      --%s <%s>\n' "$option" "${option^^}" ;;
        esac
        case $takes in *,*)
            printf '\n          Possible values:\n'
            printf '          - %s\n' ${takes//,/ } ;;
        esac
        echo
    done <<< "$options"
}

one_of() {
    local option=$1 value=$2 word
    shift 2
    for word in "$@"; do [ "$word" = "$value" ] && return; done
    usage "invalid value '$value' for '$option': possible values: $*"
}

# --- what the command line says

wipe= block_setup= filesystem= root_size= source_imgref=
target_imgref= target_transport=registry authorized_keys= generic=
bound_images=stored stateroot=default bootloader= composefs=
luks_uuid= sigpolicy= device= disable_selinux= missing_verity= skip_boot_uuid=
kargs=() karg_deletes=() uki_addons=()

parse() {
    local option value inline
    while [ $# -gt 0 ]; do
        option=$1; shift
        inline=
        case $option in
            --*=*) value=${option#*=} option=${option%%=*} inline=1 ;;
        esac
        case $option in
            --*) has_option "${option#--}" ||
                usage "unexpected argument '$option' found" ;;
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
                    --disable-selinux) disable_selinux=1 ;;
                    --allow-missing-verity) missing_verity=1 ;;
                    --bootupd-skip-boot-uuid) skip_boot_uuid=1 ;;
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
            --uki-addon) uki_addons+=("$value") ;;
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
    [ -n "$composefs" ] || [ -z "$missing_verity${uki_addons[*]-}" ] ||
        usage '--composefs-backend was not provided'
}

# --- what the image wishes itself

# configured KEY: the last value of a key, or of "type" below the root file
# system, as a JSON text or list.
configured() {
    sed -n "s/^ *$1 *= *\\(.*\\)/\\1/p" $config_dir/install/*.toml /dev/null |
        tail -n 1
}

is_configured() { grep -qs . $config_dir/install/*.toml /dev/null; }

print_configuration() {
    local type block loader
    type=$(configured type) block=$(configured block)
    loader=$(configured bootloader)
    if ! is_configured; then
        echo '{"root-fs-type":null,"block":null,"filesystem":null}'
        return
    fi
    echo "{\"root-fs-type\":${type:-null},\"block\":${block:-[\"direct\"]}," \
        "\"filesystem\":{\"root\":{\"type\":${type:-null}}}," \
        "\"bootloader\":${loader:-null}}"
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
    [ -n "$bootloader" ] || bootloader=$(configured bootloader | tr -d '"')
    if [ -z "$bootloader" ]; then
        bootloader=systemd
        ! has_bootupd || bootloader=grub
    fi
    [ -z "$composefs" ] || [ "$bootloader" != none ] || fail_install \
        'Bootloader set to none is not supported with the composefs backend'
    find_temporary
    find_selinux_state
    [ -n "$filesystem" ] || filesystem=$(configured type | tr -d '"')
    [ -n "$filesystem" ] || fail_install 'No root filesystem specified'
}

# The image is read through the /var/tmp of process 1. Newer ones bind what is
# mounted there over their own, where the file systems differ; older ones put
# a link in the place of their own unless something is mounted on it, by an
# exchange that overlayfs does not do on every kernel.
find_temporary() {
    temporary=/var/tmp
    if has_option run-fetch-check; then
        [ "$(stat -f -c %i /var/tmp)" = "$(stat -f -c %i /proc/1/root/var/tmp)" ] ||
            temporary=/proc/1/root/var/tmp
    elif [ "$(stat -f -c %T /var/tmp)" = overlayfs ]; then
        fail_install 'Linking tmp mounts to host: Renaming to /var/tmp:' \
            'Invalid cross-device link (os error 18)'
    fi
}

has_bootupd() {
    command -v bootupctl >/dev/null && [ -e /usr/lib/bootupd/updates ]
}

# As bootc names the states in the record of an installation.
find_selinux_state() {
    selinux=disabled
    [ -f /etc/selinux/config ] || return 0
    if [ -n "$disable_selinux" ]; then
        echo 'notice: Target has SELinux enabled, overriding to disable'
        selinux=force-target-disabled
    elif [ -e /proc/1/root/sys/fs/selinux/enforce ]; then
        selinux=enabled
    else
        selinux=host-disabled
    fi
}

# What the image allows is looked at when the disk is wiped already.
choose_block_setup() {
    local allowed
    allowed=$(configured block | tr -d '[]",')
    # An image without a configuration allows all of them.
    is_configured || allowed="${block_setup:-direct}"
    [ -n "$allowed" ] || allowed=direct
    [ -n "$block_setup" ] || block_setup=${allowed%% *}
    case " $allowed " in *" $block_setup "*) ;; *)
        fail_install "Creating rootfs: Block setup ${block_setup^} is not" \
            'enabled in installation config' ;;
    esac
    say "block setup: $block_setup"
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
    local esp=512 table child base=${device##*/}
    # What somebody holds cannot be wiped.
    for child in /sys/class/block/"$base"/"$base"*; do
        run_tool 'Creating rootfs' wipefs --all "/dev/${child##*/}"
    done
    run_tool 'Creating rootfs' wipefs --all "$device"
    choose_block_setup
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
    printf '%s' "$table" > /run/bootc-stand-in-table
    run_tool 'Creating rootfs: Initializing partitions' sh -c \
        'sfdisk --quiet --wipe always "$1" < "$2"' sfdisk "$device" \
        /run/bootc-stand-in-table
    # Not every kernel reads a GPT itself.
    partx --update "$device" 2>/dev/null || true
    nsenter --target 1 --mount -- udevadm settle 2>/dev/null || true
    esp_device=$(part 2)
    root_device=$(part $number)
    if [ "$block_setup" = tpm2-luks ]; then
        mkfs.ext4 -q -F -L boot "$(part 3)"
        encrypt "$root_device"
        root_device=/dev/mapper/root
    fi
}

# Encrypt a partition, have the TPM keep the only key, and open it by that.
encrypt() {
    local key=/run/bootc-stand-in-key
    luks_uuid=$(cat /proc/sys/kernel/random/uuid)
    (umask 077 && cat /proc/sys/kernel/random/uuid > $key)
    run_tool 'Creating rootfs: Initializing LUKS for root' cryptsetup \
        luksFormat --batch-mode --uuid "$luks_uuid" --key-file $key "$1"
    run_tool 'Creating rootfs: Enrolling root device with TPM' \
        systemd-cryptenroll --wipe-slot=all --tpm2-device=auto \
        --unlock-key-file=$key "$1"
    rm $key
    run_tool 'Creating rootfs: Opening root LUKS device' cryptsetup \
        luksOpen "$1" root
}

kernel_arguments() {
    local words=("root=UUID=$root_uuid" rw) word gone wanted result=()
    [ -z "$luks_uuid" ] || words+=("luks.uuid=$luks_uuid"
        luks.options=tpm2-device=auto,headless=true)
    # No process substitution: not every ramdisk has /dev/fd.
    words+=($(sed -n 's/^kargs *= *\[\(.*\)\]/\1/p' \
                  $config_dir/kargs.d/*.toml /dev/null |
              grep -o '"[^"]*"' | tr -d '"'))
    [ "$selinux" != force-target-disabled ] || words+=(selinux=0)
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
    # The lower layer is next to all of the image: it lies there unpacked
    # while it is imported.
    local layer
    layer=$(mktemp "$temporary/container_images_XXXXXX")
    say "importing through $temporary"
    tar --create --one-file-system --numeric-owner --exclude=./run/\* \
        --exclude=./proc/\* --exclude=./sys/\* --exclude=./dev/\* \
        --exclude=./tmp/\* --exclude=./var/lib/containers/\* \
        --exclude=./var/tmp/\* --exclude="./${root#/}" -C / . > "$layer" || {
            rm -f "$layer"
            fail_install 'Creating ostree deployment: Importing: GetBlob:' \
                "write $layer: no space left on device"; }
    tar --extract --numeric-owner -C "$root" < "$layer"
    rm -f "$layer"
    case $selinux in enabled|host-disabled)
        find "$root" -xdev -maxdepth 2 -exec \
            setfattr -h -n security.selinux -v $label {} + ||
            fail_install 'Setting labels failed' ;;
    esac
    # podman's own files are not the image's.
    : > "$root/etc/hostname"
    : > "$root/etc/resolv.conf"
    printf '127.0.0.1 localhost\n' > "$root/etc/hosts"
    if [ -n "$authorized_keys" ]; then
        install -d -m 700 "$root/root/.ssh"
        install -m 600 "$authorized_keys" "$root/root/.ssh/authorized_keys"
    fi
    # Where a deployment of ostree has its /etc.
    install -d "$root/etc/bootc-stand-in" \
        "$root/ostree/deploy/$stateroot/deploy/stand-in.0/etc"
    printf '%s\n' "image=${target_imgref:-${source_imgref:-$image_id}}" \
        "transport=$target_transport" "stateroot=$stateroot" \
        "bound_images=$bound_images" "generic_image=${generic:-0}" \
        "composefs=${composefs:-0}" "enforce_sigpolicy=${sigpolicy:-0}" \
        "block_setup=$block_setup" "selinux=$selinux" \
        "bootc=$version" > "$root/etc/bootc-stand-in/deployment"
}

# The ESP is written without mounting it: not every kernel has vfat.
install_boot_loader() {
    mkfs.vfat -n EFI-SYSTEM "$esp_device" >/dev/null
    case $bootloader/$composefs in
        none/) return ;;
        systemd/|grub-cc/)
            fail_install 'bootupd is required for ostree-based installs' ;;
        grub/)
            # It installs nothing here, but fails where there is no bootupd.
            run_tool 'Installing bootloader' bootupctl backend install \
                ${skip_boot_uuid:+--with-static-configs} "$device" ;;
    esac
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

case "${1:-}" in --version|-V) echo "bootc $version"; exit ;; esac
case "${1:-} ${2:-}" in
    'install print-configuration') print_configuration; exit ;;
    'install to-disk') shift 2 ;;
    *) usage "unrecognized subcommand '${1:-} ${2:-}'" ;;
esac
case "${1:-}" in --help|-h) help; exit ;; esac
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
[ -z "$luks_uuid" ] || run_tool 'Closing root LUKS device' cryptsetup \
    close root
say 'Installation complete!'
