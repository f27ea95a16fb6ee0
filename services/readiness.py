"""What a server or a worker needs to work: the databases of its services, and the bus."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import psycopg
from kombu.exceptions import OperationalError
from psycopg_pool import ConnectionPool

from shared.bus.topology import connect
from shared.config import Settings
from shared.database_errors import is_transient
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger
from shared.monitoring import OK, UNAVAILABLE

log = get_logger(__name__)

READY_SECONDS = 2.0
"""Time limit for all databases, and again for the bus."""

SEALING = frozenset({"identity", "accounts", "helpdesk"})
"""The services with personal data, which need their data keys; the others open no pool of them."""


def states_of(settings: Settings, stores: Mapping[str, PostgresStore]) -> dict[str, str]:
    """Return the state of each service's database, and of the bus."""
    ends = time.monotonic() + READY_SECONDS
    states = {name: _database(store, ends) for name, store in stores.items()}
    states["bus"] = _bus(settings.amqp_url_of(next(iter(stores))))
    return states


def _database(store: PostgresStore, ends: float) -> str:
    try:
        _respond(store.pool, ends)
        if store.service in SEALING or store.data_keys.is_open:
            _respond(store.data_keys.pool, ends)
    except psycopg.Error as error:
        if not is_transient(error):
            raise
        return _unavailable(store.service, error)
    return OK


def _respond(pool: ConnectionPool[Any], ends: float) -> None:
    with pool.connection(timeout=max(0.1, ends - time.monotonic())) as connection:
        connection.execute("SELECT 1")


def _bus(amqp_url: str) -> str:
    connection: Any = connect(amqp_url, name="readiness", heartbeat=0)
    try:
        connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=READY_SECONDS)
    except (OSError, OperationalError, *connection.connection_errors) as error:
        return _unavailable("bus", error)
    finally:
        connection.release()
    return OK


def _unavailable(name: str, error: Exception) -> str:
    log.info("not_ready", needs=name, error=type(error).__name__)
    return UNAVAILABLE
