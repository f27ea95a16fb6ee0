"""The demo company of an installation: loaded once, its journey driven after each start."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256

from deploy.embedded.installation import Installation
from deploy.embedded.surroundings import REPOSITORY

DEMO_FILES = REPOSITORY / "deploy" / "demo"


def show_demo(installation: Installation, *, again: bool) -> str:
    """Load the demo company and make its demo person once; drive the journey after each start.

    A company whose files have changed since, with another version of ours, is loaded again. Return
    what failed, in words; empty: nothing.
    """
    files = b"".join(path.read_bytes() for path in sorted(DEMO_FILES.glob("*.csv")))
    url = installation.environment["SALDO_DATABASE_URL"].encode()
    database, company = sha256(url).hexdigest(), sha256(url + files).hexdigest()
    nobody = not installation.state.demo.exists()
    for step, repeat in (("load", False), ("journey", again), ("person", nobody)):
        stamp = installation.state.root / f"demo-{step}"
        done = company if step == "load" else database
        if not repeat and stamp.exists() and stamp.read_text(encoding="ascii") == done:
            continue
        result = subprocess.run(
            [sys.executable, "-m", "deploy.demo", step],
            env={**os.environ, **installation.environment},
            cwd=REPOSITORY,
            check=False,
        )
        if result.returncode != 0:
            return f"The demo's {step} failed"
        stamp.write_text(done, encoding="ascii")
    return ""
