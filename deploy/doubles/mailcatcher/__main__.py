"""``python -m deploy.doubles.mailcatcher``: catch letters until SIGTERM or SIGINT."""

from __future__ import annotations

import sys

from deploy.doubles.mailcatcher.server import open_double
from deploy.doubles.running import run

if __name__ == "__main__":
    sys.exit(run("mailcatcher", open_double))
