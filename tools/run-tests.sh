#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0

# Run test suites (unit, functional, journeys, e2e; all of them
# without arguments) and end with the counts. Keeps each suite's subunit
# stream in .test-results, and shows its ten slowest tests.
set -uo pipefail
cd "$(dirname "$0")/.."
results=.test-results
suites=${*:-unit functional journeys e2e}
status=0
# Ironic's base class ends the whole worker when one test takes longer than
# this many seconds; its 60 are few on a busy machine.
export BASE_TEST_TIMEOUT=${BASE_TEST_TIMEOUT:-600}

# Hundreds of processes start here: none is to compile the sources anew, nor
# to look for garbage while it imports.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPATH=$PWD/tests/startup

rm -rf $results
mkdir $results
for suite in $suites; do
    printf '==> %s tests\n' "$suite"
    # What a class of tests has started stays in one worker; of machines that
    # boot, what a module has: a lab takes long to start. Three labs keep two
    # cores busy: each waits most of the time.
    grouping=(--parallel-class)
    options=()
    case $suite in
        unit)
            grouping=()
            # Some wait for a time to be over.
            options=(--concurrency $(($(nproc) + 1)))
            ;;
        functional|journeys)
            # What matches the same text stays together: modules that share
            # a browser, an emulator or a Keystone, and classes that share a
            # database server.
            together='test_page|test_(data_image_vendors|boot_server_keystone)'
            together+='|(?=\w+\.(PostgreSQL|MariaDB))'
            grouping=(--group-regex "^tests\.$suite\.($together|(\w+\.)+)")
            # They wait for servers to start about half of the time, journeys
            # for Ironic still longer.
            options=(--concurrency $(($(nproc) + 2)))
            [ "$suite" = functional ] ||
                options=(--concurrency $(($(nproc) + 4)))
            ;;
        e2e)
            grouping=(--group-regex '^tests\.e2e\.[^.]*')
            options=(--concurrency 3)
            ;;
    esac
    started=$SECONDS
    # How long tests took is kept, at first what a quiet machine needed:
    # workers are balanced by it.
    kept=.test-times/$suite
    stestr=(.venv/bin/stestr --repo-url "$kept")
    if [ ! -d "$kept" ]; then
        mkdir -p "$kept"
        "${stestr[@]}" init
        .venv/bin/python tools/test_durations.py "$suite" |
            "${stestr[@]}" load >/dev/null
    fi
    find "$kept/.stestr" -name '[0-9]*' -delete
    before=$(<"$kept/.stestr/next-stream")
    "${stestr[@]}" --test-path "tests/$suite" "${grouping[@]}" \
        run --slowest "${options[@]}" || status=1
    # Tests that cannot even be imported leave no run.
    if [ "$(<"$kept/.stestr/next-stream")" != "$before" ]; then
        "${stestr[@]}" last --subunit > "$results/$suite.subunit"
    else
        : > "$results/$suite.subunit"
        status=1
    fi
    printf '==> %s tests took %s s\n' "$suite" $((SECONDS - started))
done
.venv/bin/python tools/count_tests.py $results/*.subunit || status=1
exit $status
