"""``python -m gateway``: patched by eventlet before anything else is imported."""

# ruff: noqa: E402 - patching must come before the other imports
from __future__ import annotations

import os
import warnings

# psycopg's wait function in C would block all greenlets while one waits. The gateway has no
# database, but the rule holds for every patched process.
os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"
warnings.filterwarnings("ignore", message="\nEventlet is deprecated")

import eventlet

eventlet.monkey_patch()

import sys

from gateway.server import run
from shared import logs
from shared.config import ConfigurationError, load_settings


def main() -> int:
    """Run the gateway; return the exit code (2 if a setting is missing or wrong)."""
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
