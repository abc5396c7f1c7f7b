#!/usr/bin/env python3
"""Counts the test cases of meson test logs and ends with "N passed, N failed", or with
"N passed, N failed, N skipped" where there were any that could not be run here.

A doctest or unittest program tells how many of its cases passed and failed; any
other test counts as one case. A program that failed without a failed case (it
crashed, or was ended after too long) counts as one failed case more, and so does
a log that is missing, because the build failed.
"""

import json
import re
import sys

DOCTEST = re.compile(r"\[doctest\] test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed"
                     r" \|\s*(\d+) skipped")
UNITTEST = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
UNITTEST_END = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?$", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def cases(test):
    """(passed, failed, skipped) of one entry of a test log."""
    output = COLOUR.sub("", test.get("stdout", "") + "\n" + test.get("stderr", ""))
    ok = test["result"] in ("OK", "EXPECTEDFAIL")
    if test["result"] == "SKIP":
        return 0, 0, 1
    passed, failed, skipped = 0, 0, 0
    if found := DOCTEST.findall(output):
        passed, failed, skipped = (sum(int(counts[i]) for counts in found) for i in range(3))
    elif (ran := UNITTEST.search(output)) and (end := UNITTEST_END.search(output, ran.end())):
        counts = dict(part.split("=") for part in (end[1] or "").split(", ") if "=" in part)
        failed = int(counts.get("failures", 0)) + int(counts.get("errors", 0))
        skipped = int(counts.get("skipped", 0))
        passed = max(0, int(ran[1]) - failed - skipped)
    elif ok:
        passed = 1
    if not ok and failed == 0:
        failed = 1
    return passed, failed, skipped


def summary(passed, failed, skipped):
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def main():
    total = [0, 0, 0]
    for path in sys.argv[1:]:
        build = path.split("/")[0]
        counts, seconds = [0, 0, 0], 0.0
        try:
            with open(path, encoding="utf-8") as log:
                tests = [json.loads(line) for line in log if line.strip()]
        except FileNotFoundError:
            tests, counts = [], [0, 1, 0]
            print(f"FAILED: {build} was not built, or has no such test")
        for test in tests:
            of_test = cases(test)
            counts = [sum(pair) for pair in zip(counts, of_test)]
            seconds += test.get("duration", 0)
            if of_test[1]:
                print(f"FAILED: {build}: {test['name']} ({test['result']})")
            if of_test[2]:
                print(f"skipped: {build}: {test['name']} ({of_test[2]})")
        print(f"{build}: {summary(*counts)} ({seconds:.0f} s)")
        total = [sum(pair) for pair in zip(total, counts)]
    print(summary(*total))
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
