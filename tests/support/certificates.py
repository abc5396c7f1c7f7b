"""The certificates of a farm, made in exactly the way of docs/deployment.md: ca.pem and
ca-key.pem, master.pem and master-key.pem (for localhost, among others), worker1.pem."""

import os
import re
import subprocess

from harness import ROOT, SLOWNESS

RECIPE = re.compile(r"<!-- recipe: certificates[^>]*-->\n(.*?)<!-- end of recipe -->", re.S)


def make_certificates(directory):
    with open(os.path.join(ROOT, "docs", "deployment.md"), encoding="utf-8") as page:
        recipe = RECIPE.search(page.read()).group(1)
    done = subprocess.run(["sh", "-eu", "-c", recipe], cwd=directory, check=False,
                          capture_output=True, timeout=60 * SLOWNESS)
    assert done.returncode == 0, done.stderr.decode()
