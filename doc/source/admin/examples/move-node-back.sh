#!/bin/sh
# Move a node back to Ironic's own redfish type: move-node-back.sh NODE
set -e
node=$1
openstack baremetal node maintenance set "$node" --reason 'back to redfish'
openstack baremetal node set "$node" --driver redfish \
    --boot-interface redfish-virtual-media --management-interface redfish \
    --vendor-interface redfish
openstack baremetal node maintenance unset "$node"
openstack baremetal node validate "$node"
