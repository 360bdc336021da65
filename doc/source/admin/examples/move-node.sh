#!/bin/sh
# Move a node of Ironic's own redfish type to this suite: move-node.sh NODE
set -e
node=$1
openstack baremetal node maintenance set "$node" --reason 'to redfish-iso'
openstack baremetal node set "$node" --driver redfish-ext \
    --boot-interface redfish-iso --management-interface redfish-ext \
    --vendor-interface redfish-ext
openstack baremetal node maintenance unset "$node"
openstack baremetal node validate "$node"
