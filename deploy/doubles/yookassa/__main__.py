"""`python -m deploy.doubles.yookassa`: run the simulated YooKassa until SIGTERM or SIGINT."""

from __future__ import annotations

import sys

from deploy.doubles.running import run
from deploy.doubles.yookassa.server import open_double

if __name__ == "__main__":
    sys.exit(run("yookassa", open_double))
