# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Count the tests in subunit streams; list those skipped, with reasons.

The last line is "N passed, N failed, N skipped". A test that began and never
ended counts as failed. Ends with 1 if any failed or none ran.
"""

import collections
import sys

import subunit
import testtools

_PASSED = frozenset(('success', 'xfail'))


def main() -> int:
    """Read the streams that are named on the command line."""
    counts: collections.Counter[str] = collections.Counter()
    reasons: list[tuple[str, str]] = []

    def count(test: dict) -> None:
        status = test['status']
        if status == 'exists':
            return
        if status == 'skip':
            counts['skipped'] += 1
            reason = test['details'].get('reason')
            text = reason.as_text() if reason else 'no reason given'
            reasons.append((test['id'], ' '.join(text.split())))
        elif status in _PASSED:
            counts['passed'] += 1
        else:
            counts['failed'] += 1

    for path in sys.argv[1:]:
        result = testtools.StreamToDict(count)
        result.startTestRun()
        try:
            with open(path, 'rb') as stream:
                subunit.ByteStreamToStreamResult(
                    stream, non_subunit_name='stdout').run(result)
        finally:
            result.stopTestRun()
    for identity, reason in sorted(reasons):
        print(f'skipped: {identity}: {reason}')
    print(f'{counts["passed"]} passed, {counts["failed"]} failed, '
          f'{counts["skipped"]} skipped')
    return 1 if counts['failed'] or not counts['passed'] else 0


if __name__ == '__main__':
    sys.exit(main())
