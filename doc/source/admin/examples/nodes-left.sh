#!/bin/sh
# Print the nodes of which the suite still has something on record: what it
# has made for them is in a drive, or can be read.
set -e
openstack baremetal node list --limit 0 -f json \
    --fields uuid name driver_internal_info | python3 -c '
import json, sys
KEYS = {"ext_boot", "ext_media", "ext_sanboot", "ext_data_image"}
for node in json.load(sys.stdin):
    # Some releases of the client have "Driver Internal Info".
    node = {key.lower().replace(" ", "_"): node[key] for key in node}
    left = KEYS & set(node["driver_internal_info"] or ())
    if left:
        print(node["uuid"], node["name"], *sorted(left))'
