"""``python -m gateway``: patched by eventlet before anything else is imported."""

# ruff: noqa: E402 - the order of the imports is the point here
from __future__ import annotations

import os
import warnings

# psycopg's own wait function, in C, would stop all greenlets while one waits; the gateway has no
# database, but every process that patches keeps this rule.
os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"
warnings.filterwarnings("ignore", message="\nEventlet is deprecated")

import eventlet

eventlet.monkey_patch()

import sys

from gateway.server import run
from shared import logs
from shared.config import ConfigurationError, load_settings


def main() -> int:
    """Run the gateway; return the exit code (2: a setting is missing or wrong)."""
    try:
        settings = load_settings()
        logs.configure("gateway", settings.log_level)
        run(settings)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
