"""The modes of a connection that does nothing: they are set for one use, and set back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg.pq import TransactionStatus


def set_mode(connection: Any, mode: Mapping[str, Any]) -> dict[str, Any]:
    """Set attributes of an idle connection; return what they were before."""
    before = {name: getattr(connection, name) for name in mode}
    try:
        for name, value in mode.items():
            setattr(connection, name, value)
    except BaseException:
        set_mode_back(connection, before)
        raise
    return before


def set_mode_back(connection: Any, before: Mapping[str, Any]) -> None:
    """Set attributes back; a connection that is not idle is closed."""
    # On another one, as one that was given up, it would fail, and hide why.
    if connection.info.transaction_status == TransactionStatus.IDLE:
        for name, value in before.items():
            setattr(connection, name, value)
    else:
        connection.close()  # the pool replaces it
