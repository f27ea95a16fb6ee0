"""A process that takes an advisory lock by a connection as services have it, and keeps it.

``python -m tests.faults.vanishing_holder URL LOCK`` prints "holding"; it ends with its
standard input.
"""

from __future__ import annotations

import sys

import psycopg

from shared.database import connection_info


def main() -> None:
    url, lock = sys.argv[1:]
    info = connection_info(url, "public", statement_timeout_ms=0)
    with psycopg.connect(info, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (lock,))
        print("holding", flush=True)  # noqa: T201 - for the test
        sys.stdin.read()


if __name__ == "__main__":
    main()
