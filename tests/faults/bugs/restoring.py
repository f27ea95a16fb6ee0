"""Scenarios with a restore: what happens to a log that loses its tail, and to who has read it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from shared.bus.messages import POSITION_HEADER
from shared.config import SERVICES
from tests.faults.bugs.scenarios import Scenario, Stage, pay, pay_twice
from tests.faults.injectors.messages import Raw, impersonator, newest, put
from tests.faults.injectors.restores import back_up, put_back, wait_for_node
from tests.faults.operator import ORDER, _recover
from tests.waiting import eventually

READY_S = 90.0
NOTICED_S = 30.0
STOPPED_S = 15.0
_DOWN = ("gateway", "work", "serve", "seal", "postgres")
_KEPT = "kept_by_the_hunt"


def deliver_ghosts(stage: Stage) -> None:
    """Restore the databases; what was lost comes once more to a reader, as it lay in its queue.

    Then the log gives the same positions to other events. Nobody is recovered: that would set
    right what the ghosts have done.
    """
    house = stage.house
    instant = back_up(house, "postgres", "data")
    shared = _published(stage, "payments")
    pay_twice(stage)  # more than is paid afterwards: a reader that has applied it stays beyond
    with impersonator(house) as channel:
        ghosts = [
            one for one in newest(channel, "payments") if int(one.headers[POSITION_HEADER]) > shared
        ]
        assert ghosts, "nothing was lost"
        with house.kept_down(*_DOWN):
            put_back(house, "postgres", "data")
        house.lost_since(instant)
        stage.notebook.note("hunt", "quarantine", reasons=["lost_tail", "not_in_log"])
        wait_for_node(house, "postgres")
        _wait_for_epoch(stage, "payments", ghosts)
        before = _quarantined(stage)
        for ghost in ghosts:
            put(channel, "ledger", "payments", ghost)
        eventually(
            lambda: _has_dealt(stage, ghosts, before), "the ghosts are dealt with", NOTICED_S
        )
    pay(stage)


def restore_one_log(stage: Stage) -> None:
    """Put the payments alone back to what they were before a payment; its readers have read on."""
    house = stage.house
    with _owner(stage) as database:
        _keep(database, "payments")
    instant = time.time()
    pay(stage)
    epochs = _epochs(stage, "payments")
    with house.kept_down(*_DOWN[:-1]):
        with _owner(stage) as database:
            _bring_back(database, "payments")
        house.restart("postgres")  # whoever restores a log restarts its server, too
    house.lost_since(instant)
    wait_for_node(house, "postgres")
    eventually(lambda: _epochs(stage, "payments") > epochs, "the loss is noticed", READY_S)
    with suppress(AssertionError):  # that they do not stop is the bug
        eventually(lambda: _have_stopped(stage, "payments"), "readers have stopped", STOPPED_S)


def recover_all(stage: Stage) -> None:
    """Write down what is lost, and do what an operator does."""
    while stage.house.losses:
        since, until = stage.house.losses.pop()
        stage.notebook.note("hunt", "lost", since=since, until=until)
    for service in ORDER:
        assert not (said := _recover(service)), said


def _have_stopped(stage: Stage, upstream: str) -> bool:
    """Return whether all readers of a log have stopped."""
    with _owner(stage) as database:
        return all(
            row[0]
            for service in SERVICES
            for row in database.execute(
                f"SELECT stopped FROM {service}.positions WHERE upstream = %s AND position > 0",
                (upstream,),
            ).fetchall()
        )


def _wait_for_epoch(stage: Stage, service: str, lost: list[Raw]) -> None:
    """Wait until a service's log has begun an epoch after those of its lost messages."""
    known = {str(one.headers["saldo_epoch"]) for one in lost}
    assert stage.house.wait_until_ready(READY_S) is not None, "the house is not ready"

    def another() -> bool:
        with _owner(stage) as database:
            row = database.execute(
                f"SELECT name FROM {service}.epochs ORDER BY number DESC LIMIT 1"
            ).fetchone()
        return row is not None and row[0] not in known

    eventually(another, "the loss is noticed", READY_S)


def _has_dealt(stage: Stage, ghosts: list[Raw], before: int) -> bool:
    """Return whether a reader has kept ghosts apart, all of them, or has read up to the last."""
    if _quarantined(stage) - before >= len(ghosts):
        return True
    last = max(int(one.headers[POSITION_HEADER]) for one in ghosts)
    with _owner(stage) as database:
        row = database.execute(
            "SELECT position FROM ledger.positions WHERE upstream = 'payments'"
        ).fetchone()
    return row is not None and row[0] >= last


def _quarantined(stage: Stage) -> int:
    with _owner(stage) as database:
        row = database.execute(
            "SELECT count(*) FROM ledger.quarantine WHERE upstream = 'payments'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def _published(stage: Stage, service: str) -> int:
    with _owner(stage) as database:
        row = database.execute(f"SELECT published FROM {service}.relay").fetchone()
    assert row is not None
    return int(row[0])


def _epochs(stage: Stage, service: str) -> int:
    with _owner(stage) as database:
        row = database.execute(f"SELECT count(*) FROM {service}.epochs").fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def _owner(stage: Stage) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(stage.environment["SALDO_DATABASE_URL"]) as database:
        yield database


def _keep(database: psycopg.Connection[Any], schema: str) -> None:
    """Copy the tables of a schema at one instant."""
    database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    database.execute(f"DROP SCHEMA IF EXISTS {_KEPT} CASCADE")
    database.execute(f"CREATE SCHEMA {_KEPT}")
    for table in _tables(database, schema):
        database.execute(f"CREATE TABLE {_KEPT}.{table} AS TABLE {schema}.{table}")


def _bring_back(database: psycopg.Connection[Any], schema: str) -> None:
    """Put the copies in the place of the tables, with the rights of the tables' owner."""
    tables = _tables(database, schema)
    names = ", ".join(f"{schema}.{table}" for table in tables)
    for table in tables:
        database.execute(f"ALTER TABLE {schema}.{table} DISABLE TRIGGER USER")
    database.execute(f"TRUNCATE {names}")
    empty = list(tables)
    while empty:
        table = empty.pop(0)
        columns = ", ".join(_columns(database, schema, table))
        try:
            with database.transaction():
                database.execute(
                    f"INSERT INTO {schema}.{table} ({columns}) OVERRIDING SYSTEM VALUE"
                    f" SELECT {columns} FROM {_KEPT}.{table}"
                )
        except psycopg.errors.ForeignKeyViolation:
            empty.append(table)  # the table that it refers to comes first
    for table in tables:
        database.execute(f"ALTER TABLE {schema}.{table} ENABLE TRIGGER USER")
    database.execute(f"DROP SCHEMA {_KEPT} CASCADE")


def _tables(database: psycopg.Connection[Any], schema: str) -> list[str]:
    rows = database.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", (schema,)
    ).fetchall()
    return [str(row[0]) for row in rows]


def _columns(database: psycopg.Connection[Any], schema: str, table: str) -> list[str]:
    rows = database.execute(
        "SELECT quote_ident(column_name) FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = %s AND is_generated = 'NEVER'",
        (schema, table),
    ).fetchall()
    return [str(row[0]) for row in rows]


RESTORES: Mapping[str, Scenario] = {
    function.__name__: function for function in (deliver_ghosts, restore_one_log)
}
"""They leave work to staff, and the ends of logs that are lost: they come last."""
