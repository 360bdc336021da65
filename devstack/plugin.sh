#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0

# The suite beside an Ironic that devstack sets up. devstack sources this file
# with a mode and a phase, and has set the variables and functions used here.
# shellcheck disable=SC2154

# What a comma-separated list of ironic.conf has, and one more.
function ironic_ext_add {
    local option=$1 value=$2 found
    found=$(iniget "$IRONIC_CONF_FILE" DEFAULT "$option")
    case ",$found," in
        *,"$value",*) ;;
        *) iniset "$IRONIC_CONF_FILE" DEFAULT "$option" \
            "${found:+$found,}$value" ;;
    esac
}

function ironic_ext_install {
    setup_develop "$IRONIC_EXT_DIR" conductor,server
}

function ironic_ext_configure {
    local conf=$IRONIC_CONF_FILE kind
    ironic_ext_add enabled_hardware_types redfish-ext
    ironic_ext_add enabled_boot_interfaces redfish-iso
    for kind in management vendor; do
        ironic_ext_add "enabled_${kind}_interfaces" redfish-ext
    done
    ironic_ext_add enabled_deploy_interfaces ramdisk
    iniset "$conf" ext_state dir "$IRONIC_EXT_STATE_DIR"
    iniset "$conf" ext_media server_url \
        "http://$SERVICE_HOST:$IRONIC_EXT_MEDIA_PORT"
    iniset "$conf" ext_media port "$IRONIC_EXT_MEDIA_PORT"
    iniset "$conf" ext_server port "$IRONIC_EXT_BOOT_PORT"
    iniset "$conf" ext_server public_url \
        "http://$SERVICE_HOST:$IRONIC_EXT_BOOT_PORT"
    iniset "$conf" ext_ironic auth_type password
    iniset "$conf" ext_ironic auth_url "$KEYSTONE_SERVICE_URI"
    iniset "$conf" ext_ironic username ironic
    iniset "$conf" ext_ironic password "$SERVICE_PASSWORD"
    iniset "$conf" ext_ironic user_domain_id default
    iniset "$conf" ext_ironic system_scope all
    install -d -m 0700 "$IRONIC_EXT_STATE_DIR"
}

function ironic_ext_start {
    if is_service_enabled ironic-ext-media; then
        run_process ironic-ext-media \
            "$(which ironic-media-server) --config-file $IRONIC_CONF_FILE"
    fi
    if is_service_enabled ironic-ext-boot; then
        run_process ironic-ext-boot \
            "$(which ironic-boot-server) --config-file $IRONIC_CONF_FILE"
    fi
}

function ironic_ext_stop {
    stop_process ironic-ext-media
    stop_process ironic-ext-boot
}

if is_service_enabled ironic ir-cond; then
    case "$1 ${2:-}" in
        'stack install') ironic_ext_install ;;
        # Ironic's own plugin has written ironic.conf by then, and starts the
        # conductor after it.
        'stack post-config') ironic_ext_configure ;;
        'stack extra') ironic_ext_start ;;
        'unstack '*) ironic_ext_stop ;;
        'clean '*) rm -rf "$IRONIC_EXT_STATE_DIR" ;;
    esac
fi
