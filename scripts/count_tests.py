#!/usr/bin/env python3
"""Counts the test cases of meson test logs and ends with "N passed, N failed".

A doctest or unittest program tells how many of its cases passed and failed; any
other test counts as one case. A program that failed without a failed case (it
crashed, or was ended after too long) counts as one failed case more, and so does
a log that is missing, because the build failed.
"""

import json
import re
import sys

DOCTEST = re.compile(r"\[doctest\] test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed")
UNITTEST = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
UNITTEST_END = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?$", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def cases(test):
    """(passed, failed) of one entry of a test log."""
    output = COLOUR.sub("", test.get("stdout", "") + "\n" + test.get("stderr", ""))
    ok = test["result"] in ("OK", "EXPECTEDFAIL")
    if test["result"] == "SKIP":
        return 0, 0
    passed, failed = 0, 0
    if found := DOCTEST.findall(output):
        passed, failed = (sum(int(pair[i]) for pair in found) for i in (0, 1))
    elif (ran := UNITTEST.search(output)) and (end := UNITTEST_END.search(output, ran.end())):
        counts = dict(part.split("=") for part in (end[1] or "").split(", ") if "=" in part)
        failed = int(counts.get("failures", 0)) + int(counts.get("errors", 0))
        passed = max(0, int(ran[1]) - failed - int(counts.get("skipped", 0)))
    elif ok:
        passed = 1
    if not ok and failed == 0:
        failed = 1
    return passed, failed


def main():
    total_passed, total_failed = 0, 0
    for path in sys.argv[1:]:
        build = path.split("/")[0]
        passed, failed, seconds = 0, 0, 0.0
        try:
            with open(path, encoding="utf-8") as log:
                tests = [json.loads(line) for line in log if line.strip()]
        except FileNotFoundError:
            tests, failed = [], 1
            print(f"FAILED: {build} was not built, or has no such test")
        for test in tests:
            p, f = cases(test)
            passed, failed, seconds = passed + p, failed + f, seconds + test.get("duration", 0)
            if f:
                print(f"FAILED: {build}: {test['name']} ({test['result']})")
        print(f"{build}: {passed} passed, {failed} failed ({seconds:.0f} s)")
        total_passed, total_failed = total_passed + passed, total_failed + failed
    print(f"{total_passed} passed, {total_failed} failed")
    return 1 if total_failed or not total_passed else 0


if __name__ == "__main__":
    sys.exit(main())
