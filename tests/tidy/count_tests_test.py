#!/usr/bin/env python3
"""scripts/count_tests.py: what it makes of the logs of meson test."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts",
                      "count_tests.py")
DOCTEST = "[doctest] test cases:  {} |  {} passed | {} failed | {} skipped\n"


class CountTests(unittest.TestCase):
    def count(self, **builds):
        """The exit code and the lines, for the entries of each build's log."""
        with tempfile.TemporaryDirectory() as place:
            for build, entries in builds.items():
                os.makedirs(os.path.join(place, build))
                if entries is None:
                    continue
                with open(os.path.join(place, build, "log.json"), "w", encoding="utf-8") as file:
                    file.writelines(json.dumps(entry) + "\n" for entry in entries)
            done = subprocess.run(
                [sys.executable, SCRIPT, *(f"{build}/log.json" for build in builds)], cwd=place,
                capture_output=True, text=True, check=False)
            self.assertEqual(done.stderr, "")
            return done.returncode, done.stdout.splitlines()

    def entry(self, name, result="OK", stdout="", stderr=""):
        return {"name": name, "result": result, "stdout": stdout, "stderr": stderr, "duration": 1}

    def test_all_pass(self):
        code, lines = self.count(build=[
            self.entry("one", stdout=DOCTEST.format(3, 3, 0, 0)),
            self.entry("two", stderr="Ran 4 tests in 1.5s\n\nOK\n"), self.entry("three")])
        self.assertEqual((code, lines), (0, ["build: 8 passed, 0 failed (3 s)",
                                             "8 passed, 0 failed"]))

    def test_what_is_skipped_is_told(self):
        code, lines = self.count(build=[
            self.entry("one", stderr="Ran 4 tests in 1.5s\n\nOK (skipped=3)\n"),
            self.entry("two", result="SKIP"),
            self.entry("three", stdout=DOCTEST.format(3, 2, 0, 1))],
            other=[self.entry("four")])
        self.assertEqual((code, lines), (0, [
            "skipped: build: one (3)", "skipped: build: two (1)", "skipped: build: three (1)",
            "build: 3 passed, 0 failed, 5 skipped (3 s)", "other: 1 passed, 0 failed (1 s)",
            "4 passed, 0 failed, 5 skipped"]))

    def test_what_fails(self):
        code, lines = self.count(build=[
            self.entry("one", "ERROR", stderr="Ran 4 tests in 1s\n\nFAILED (failures=1, errors=1)\n"),
            self.entry("two", "TIMEOUT"), self.entry("three")], missing=None)
        self.assertEqual(code, 1)
        self.assertEqual(lines[-1], "3 passed, 4 failed")
        self.assertIn("FAILED: build: two (TIMEOUT)", lines)
        self.assertIn("FAILED: missing was not built, or has no such test", lines)


if __name__ == "__main__":
    unittest.main()
