# SPDX-License-Identifier: Apache-2.0

"""Count the tests in subunit streams; list those skipped and failed.

The last line is "N passed, N failed, N skipped". A test that began and never
ended counts as failed. Ends with 1 if any failed or none ran.
"""

import collections
import sys

import subunit
import testtools

_PASSED = frozenset(('success', 'xfail'))
#: Characters of a failure's reason that are shown.
_MAX_REASON = 600


def main() -> int:
    """Read the streams that are named on the command line."""
    counts: collections.Counter[str] = collections.Counter()
    skipped: list[tuple[str, str]] = []
    failed: list[tuple[str, str]] = []

    def count(test: dict) -> None:
        status = test['status']
        if status == 'exists':
            return
        if status == 'skip':
            counts['skipped'] += 1
            reason = test['details'].get('reason')
            text = reason.as_text() if reason else 'no reason given'
            skipped.append((test['id'], ' '.join(text.split())))
        elif status in _PASSED:
            counts['passed'] += 1
        else:
            counts['failed'] += 1
            failed.append((test['id'], _reason(test)))

    for path in sys.argv[1:]:
        result = testtools.StreamToDict(count)
        result.startTestRun()
        try:
            with open(path, 'rb') as stream:
                subunit.ByteStreamToStreamResult(
                    stream, non_subunit_name='stdout').run(result)
        finally:
            result.stopTestRun()
    for word, tests in ('skipped', skipped), ('failed', failed):
        for identity, reason in sorted(tests):
            print(f'{word}: {identity}: {reason}')
    print(f'{counts["passed"]} passed, {counts["failed"]} failed, '
          f'{counts["skipped"]} skipped')
    return 1 if counts['failed'] or not counts['passed'] else 0


def _reason(test: dict) -> str:
    """Return the end of a failed test's traceback, in one line."""
    texts = [detail.as_text().strip()
             for name, detail in test['details'].items()
             if name.startswith('traceback')]
    # What the exception says can have many lines; its start says most.
    ends = [text[max(text.rfind('\n  File "'), 0):] for text in texts]
    return ' '.join(' | '.join(ends).split())[:_MAX_REASON] or (
        f'no traceback ({test["status"]})')


if __name__ == '__main__':
    sys.exit(main())
