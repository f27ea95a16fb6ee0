"""Connections to PostgreSQL: every wait on the database is bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from shared.config import ConfigurationError

CONNECT_TIMEOUT_S = 3
LOCK_TIMEOUT_MS = 2_000
STATEMENT_TIMEOUT_MS = 30_000


class Login(NamedTuple):
    """How to sign in to the database: the URL, the role to take (none: the login's own rights),
    and whether transactions only read unless they ask for more."""

    url: str
    role: str = ""
    read_only: bool = False


def connection_info(login: Login | str, schema: str, *, statement_timeout_ms: int) -> str:
    """Return the connection string of a login or a URL, with its schema and its time limits.

    Raises ConfigurationError for a malformed URL, without quoting it.
    """
    url, role, read_only = Login(login) if isinstance(login, str) else login
    options: dict[str, object] = {
        "search_path": schema,
        "lock_timeout": LOCK_TIMEOUT_MS,
        "statement_timeout": statement_timeout_ms,
        "idle_in_transaction_session_timeout": 10 * 60_000,
        "timezone": "UTC",
    }
    if role:
        options["role"] = role
    if read_only:
        options["default_transaction_read_only"] = "on"
    try:
        return _conninfo(url, schema, options)
    except psycopg.ProgrammingError:
        # Its text quotes the URL, which holds a password.
        raise ConfigurationError(
            f"the database URL of {schema} cannot be read: write it like "
            "postgresql://role:password@host:5432/name"
        ) from None


def _conninfo(url: str, schema: str, options: Mapping[str, object]) -> str:
    return make_conninfo(
        url,
        connect_timeout=CONNECT_TIMEOUT_S,
        application_name=f"saldo-{schema}",
        options=" ".join(f"-c {name}={value}" for name, value in options.items()),
        keepalives_idle=30,
        tcp_user_timeout=30_000,
    )


def open_pool(
    login: Login | str,
    schema: str,
    *,
    size: int = 8,
    statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
) -> ConnectionPool[Any]:
    """Open a pool of dict_row connections that are made on demand.

    A caller waits at most 3 s for a connection (psycopg_pool.PoolTimeout, an OperationalError).
    """
    return ConnectionPool(
        connection_info(login, schema, statement_timeout_ms=statement_timeout_ms),
        min_size=1,
        max_size=size,
        timeout=CONNECT_TIMEOUT_S,
        reconnect_timeout=0,
        kwargs={"row_factory": dict_row},
        check=_check_if_idle,
        open=True,
    )


def _check_if_idle(connection: psycopg.Connection[Any]) -> None:
    # After a restart of the server every pooled connection is dead: detect that before use, so
    # that no command fails once the server is back.
    ConnectionPool.check_connection(connection)
