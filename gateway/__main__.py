"""``python -m gateway``: patched by eventlet before anything else is imported."""

# ruff: noqa: E402 - patching must come before the other imports
from __future__ import annotations

import os
import sys
import warnings

# psycopg's wait function in C would block all greenlets while one waits. The gateway has no
# database, but the rule holds for every patched process.
os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"
warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
# Without a resolver of its own, for which see shared.green_names, and without pyOpenSSL, whose
# sockets nobody uses here: 14 MB of memory.
os.environ["EVENTLET_NO_GREENDNS"] = "yes"
sys.modules["OpenSSL"] = None  # type: ignore[assignment]

import eventlet

del sys.modules["OpenSSL"]
eventlet.monkey_patch()

from eventlet import tpool
from eventlet.green import socket as green_socket

from gateway.server import run
from shared import allocator, logs
from shared.config import ConfigurationError, load_settings
from shared.green_names import resolve_in_threads


def main() -> int:
    """Run the gateway; return the exit code (2 if a setting is missing or wrong)."""
    resolve_in_threads(tpool.execute, green_socket)
    allocator.return_memory()
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
