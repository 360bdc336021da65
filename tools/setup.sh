#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0

# Install what is missing for the bindep profiles that are named as
# arguments (test, lab): system packages, and the virtual environment .venv.
# Does nothing, quickly, when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv
profiles=${*:-test lab}

say() { printf '==> %s\n' "$*"; }

# Of pip's many lines one in ten seconds, and what takes minutes at its end.
pip_install() {
    $venv/bin/pip install --progress-bar off --use-pep517 "$@" | awk '
        function say(text) {
            "date +%s" | getline now
            close("date +%s")
            if (now - said >= 10 || /^Installing/) {
                print "    " text
                fflush()
                said = now
            }
        }
        BEGIN { "date +%s" | getline said; close("date +%s") }
        /^Collecting/ {
            sub(/[<>=!~[].*/, "", $2)
            say("package " ++count ": " $2)
        }
        /^  Downloading .*\(/ { say("package " count ": " $2 " " $3 " " $4) }
        /Building|Preparing/ { sub(/^ */, ""); say($0) }
        /^Installing collected/ {
            say("unpacking " NF - 3 " packages, which takes a minute or two")
        }'
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "setup: '$*' needs root: run as root or install sudo" >&2
        exit 1
    fi
}

apt_install() {
    if ! command -v apt-get >/dev/null; then
        echo "setup: install by hand, there is no apt-get here: $*" >&2
        exit 1
    fi
    say "Installing system packages: $*"
    as_root apt-get -qq update
    # Tests start servers of their own; the packages' services stay down.
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
        --no-install-recommends "$@" >/dev/null </dev/null
}

# The system's own Python first: the one for which apt has headers.
find_python() {
    local candidate
    for candidate in ${PYTHON:-/usr/bin/python3 python3}; do
        if "$candidate" -c 'import sys, venv, ensurepip
sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

if [ ! -x $venv/bin/python ]; then
    find_python >/dev/null || apt_install python3 python3-venv
    python=$(find_python) || {
        echo 'setup: no Python of at least 3.11 with venv found' >&2
        exit 1
    }
    say "Making the virtual environment $venv with $($python --version)"
    rm -rf $venv
    "$python" -m venv $venv
fi

[ -x $venv/bin/bindep ] || $venv/bin/pip install -q bindep
# bindep ends with 1 when something is missing.
# shellcheck disable=SC2086
missing=$($venv/bin/bindep -b $profiles || true)
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    apt_install $missing
fi

wanted=$(sha256sum setup.cfg setup.py requirements.txt lab/requirements.txt \
    constraints.txt)
if [ "$(cat $venv/installed 2>/dev/null)" != "$wanted" ]; then
    say 'Installing some 200 Python packages, which have 700 MiB then'
    pip_install -e '.[conductor,agent,server,test]' \
        -r lab/requirements.txt -c constraints.txt
    # For the script of axe-core in it alone, and so beside the environment:
    # what it requires is a browser driver of 40 MiB.
    $venv/bin/pip install -q --no-deps -c constraints.txt --upgrade \
        --target $venv/axe axe-playwright-python
    echo "$wanted" > $venv/installed
elif [ ! -x $venv/bin/ironic-media-server ]; then
    # Who tries how the suite is taken away takes it from here.
    say 'Installing ironic-ext again, which was uninstalled'
    pip_install --no-deps -e .
fi

# The lab downloads a kernel package, for which apt needs its lists.
case " $profiles " in *' lab '*)
    if [ ! -d .cache/kernel ] && [ -z "$(apt-cache policy \
            linux-image-cloud-amd64 | grep 'Candidate: [0-9]')" ]; then
        as_root apt-get -qq update
    fi
esac
