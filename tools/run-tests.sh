#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0

# Run test suites (unit, functional, e2e; all of them without arguments) and
# end with the counts. Keeps each suite's subunit stream in .test-results, and
# shows its ten slowest tests.
set -uo pipefail
cd "$(dirname "$0")/.."
results=.test-results
suites=${*:-unit functional e2e}
status=0
# Ironic's base class ends the whole worker when one test takes longer than
# this many seconds; its 60 are few on a busy machine.
export BASE_TEST_TIMEOUT=${BASE_TEST_TIMEOUT:-600}

# Hundreds of processes start here: none is to compile the sources anew.
unset PYTHONDONTWRITEBYTECODE

rm -rf $results
mkdir $results
for suite in $suites; do
    printf '==> %s tests\n' "$suite"
    # What a class of tests has started stays in one worker; of machines that
    # boot, what a module has: a lab takes long to start. Two labs keep two
    # cores busy: either waits most of the time.
    grouping=(--parallel-class)
    options=()
    case $suite in
        unit) grouping=() ;;
        functional)
            # Modules that share a browser or an emulator, and classes that
            # share a database server, stay together as well.
            together='test_(page|data_image_vendors)[^.]*\.'
            together+='|(?=\w+\.(PostgreSQL|MariaDB))'
            grouping=(--group-regex "^tests\.functional\.($together|(\w+\.)+)")
            # They wait for servers to start about half of the time.
            options=(--concurrency $(($(nproc) + 2)))
            ;;
        e2e)
            grouping=(--group-regex '^tests\.e2e\.[^.]*')
            options=(--concurrency 2)
            ;;
    esac
    started=$SECONDS
    # Tests that cannot even be imported leave no run: the last one must not
    # be counted for them.
    rm -rf .stestr
    .venv/bin/stestr --test-path "tests/$suite" "${grouping[@]}" \
        run --slowest "${options[@]}" || status=1
    .venv/bin/stestr last --subunit > "$results/$suite.subunit"
    printf '==> %s tests took %s s\n' "$suite" $((SECONDS - started))
done
.venv/bin/python tools/count_tests.py $results/*.subunit || status=1
exit $status
