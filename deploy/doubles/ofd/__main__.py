"""`python -m deploy.doubles.ofd`: run the simulated registrar until SIGTERM or SIGINT."""

from __future__ import annotations

import sys

from deploy.doubles.ofd.server import open_double
from deploy.doubles.running import run

if __name__ == "__main__":
    sys.exit(run("ofd", open_double))
