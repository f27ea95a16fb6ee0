"""Asking the sealer for a checkpoint of the log as it is now."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg

from services.ledger.seal.reading import last_position
from services.ledger.seal.sealer import Sealed, last_checkpoint
from shared.errors import NotFound, Unavailable


def leader_of(log: str) -> str:
    """Return the lock of the process that seals a log."""
    return f"{log}.seal"


def requests_of(log: str) -> str:
    """Return the channel of NOTIFY by which a sealer is asked."""
    return f"{log}_seal"


def answers_of(log: str) -> str:
    """Return the channel by which it says what it has sealed."""
    return f"{log}_sealed"


START_SECONDS = 5.0
"""How long a sealer may take to succeed another."""

_HOLDER = (
    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND (classid::bigint << 32) | objid::bigint = hashtextextended(%s, 0)"
)


def request_checkpoint(
    connection: psycopg.Connection[Any],
    patience: float,
    progress: Callable[[int], None] = lambda _: None,
) -> Sealed:
    """Have the sealer seal what the log holds now; return a checkpoint that covers it.

    ``connection`` is in autocommit mode and needs to read alone; ``progress`` is called with
    numbers of events as they are sealed. Raises NotFound ``nothing_to_seal`` for an empty log,
    Unavailable ``no_sealer`` or ``sealer_silent`` when for so many seconds nothing was sealed.
    """
    cursor = connection.cursor()
    wanted = last_position(cursor)
    if not wanted:
        raise NotFound("nothing_to_seal", "The log is empty: there is nothing to seal.")
    log = _log_here(cursor)
    cursor.execute(f"LISTEN {answers_of(log)}")
    cursor.execute(f"NOTIFY {requests_of(log)}")
    sealed, since = last_checkpoint(cursor), time.monotonic()
    while sealed is None or sealed.size < wanted:
        list(connection.notifies(timeout=0.5, stop_after=1))
        before, sealed = sealed.size if sealed else 0, last_checkpoint(cursor)
        if sealed is not None and sealed.size > before:
            progress(min(sealed.size, wanted) - before)
            since = time.monotonic()
        else:
            _check_patience(cursor, time.monotonic() - since, patience)
    return sealed


def _check_patience(cursor: Any, waited: float, patience: float) -> None:
    if waited >= min(patience, START_SECONDS) and not _is_running(cursor):
        raise Unavailable(
            "no_sealer", "No sealer is running: start one, `python -m services seal`."
        )
    if waited >= patience:
        raise Unavailable(
            "sealer_silent",
            f"The sealer has sealed nothing for {patience:.0f} s. It seals no log that was "
            "changed: its log and `saldo ledger verify` say what is wrong.",
        )


def _is_running(cursor: Any) -> bool:
    return cursor.execute(_HOLDER, (leader_of(_log_here(cursor)),)).fetchone() is not None


def _log_here(cursor: Any) -> str:
    return str(cursor.execute("SELECT current_schema() AS log").fetchone()["log"])
