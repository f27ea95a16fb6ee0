"""`python -m deploy.doubles.acquirer`: run the simulated acquirer until SIGTERM or SIGINT."""

from __future__ import annotations

import sys

from deploy.doubles.acquirer.server import open_double
from deploy.doubles.running import run

if __name__ == "__main__":
    sys.exit(run("acquirer", open_double))
