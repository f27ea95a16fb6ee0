"""The schema of one service is put back from a dump, and those of the others are not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from deploy.embedded.postgres_binaries import binaries
from shared.bus.epochs import LogHistory, read_history
from shared.bus.listen import Listener
from shared.bus.reading import ReadPoint, read_point
from shared.bus.worker import Worker
from tests.conftest import Database
from tests.integration.bus_ends import Calls, pay
from tests.integration.restoring import House, house_of, owed
from tests.integration.test_recovery import WHY, take
from tests.waiting import eventually

pytestmark = pytest.mark.nodes


@pytest.fixture
def house(database: Database, clean_bus: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A ledger with an account, and payments, which note the ledger's postings."""
    with house_of(database, monkeypatch, "ledger", "payments") as house:
        with database.owner("payments") as owner:
            owner.execute("CREATE TABLE noted (payment_id uuid PRIMARY KEY, amount bigint)")
            owner.execute("GRANT SELECT, INSERT ON noted TO PUBLIC")
        yield house


def dump(house: House, schema: str, file: Path) -> None:
    run("pg_dump", "-d", house.settings.database_url, "-n", schema, "-Fc", "-f", str(file))


def put_back(house: House, schema: str, file: Path) -> None:
    """Put one schema back, as a README tells an operator, while everybody else goes on."""
    names = house.close()
    with psycopg.connect(house.settings.database_url, autocommit=True) as owner:
        owner.execute(f"DROP SCHEMA {schema} CASCADE")
    run("pg_restore", "-d", house.settings.database_url, str(file))
    house.open(*names)


def run(tool: str, *arguments: str) -> None:
    done = subprocess.run(
        [str(binaries() / tool), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def note(session: Any, message: Any, _: Any) -> None:
    """Note a posting once, whatever log it comes from."""
    session.cursor.execute(
        "INSERT INTO noted VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (UUID(message.data["payment_id"]), message.data["amount"]),
    )


def read(house: House) -> ReadPoint:
    """Have payments read what the ledger has published, or stop; return where they are."""
    payments, ledger, worker = house.stores["payments"], house.stores["ledger"], Worker()
    calls = Calls(house.settings, payments, ledger)
    handlers = {"payment_posted": note}
    listener = Listener(calls, payments, "ledger", handlers, worker.stop)
    worker.start("payments from ledger", listener.run)
    with ledger.transaction() as cursor:
        published = cursor.execute("SELECT published FROM relay").fetchone()["published"]

    def arrived() -> list[ReadPoint]:
        with payments.transaction() as cursor:
            point = read_point(cursor, "ledger")
        done = point.position >= published and history(house).fits(point.epoch, point.position)
        return [point] if done or point.stopped else []

    try:
        [point] = eventually(arrived, "payments have read the ledger")
    finally:
        worker.join()
    return point


def history(house: House) -> LogHistory:
    with house.stores["ledger"].transaction() as cursor:
        return read_history(cursor)


def noted(house: House) -> dict[UUID, int]:
    with house.stores["payments"].transaction() as cursor:
        rows = cursor.execute("SELECT * FROM noted").fetchall()
    return {row["payment_id"]: row["amount"] for row in rows}


def posted(house: House) -> dict[UUID, int]:
    def read(session: Any) -> dict[UUID, int]:
        rows = session.cursor.execute(
            "SELECT payment_id, amount + penalty AS amount FROM payment_postings"
        ).fetchall()
        return {row["payment_id"]: row["amount"] for row in rows}

    return house.stores["ledger"].query(read)


def test_ledger_that_is_put_back_alone_comes_to_one_truth_with_its_readers(
    house: House, tmp_path: Path
) -> None:
    pay(house.stores["ledger"], 2)
    house.publish("ledger")
    assert read(house).position == 3
    dump(house, "ledger", tmp_path / "ledger.dump")
    pay(house.stores["ledger"], 2)
    desk = uuid4()
    take(house, desk, 777)
    house.publish("ledger")
    assert read(house).position == 6
    before, known = owed(house), noted(house)
    assert posted(house) == known

    put_back(house, "ledger", tmp_path / "ledger.dump")
    pay(house.stores["ledger"], 1)  # clients go on at once
    house.publish("ledger")
    assert history(house).current.after == 3
    stopped = read(house)
    assert "ends at 3 in the log of ledger" in stopped.stopped
    assert noted(house) == known

    with house.recovering("ledger"):
        code, said = house.said("ledger", *WHY)
    assert (code, said["applied"]["events"]) == (0, {"brought_back": 3})
    house.publish("ledger")
    with house.recovering("payments"):
        house.publish("payments")
        code, said = house.said("payments", *WHY)
    assert (code, said["applied"]["readers"]) == (0, {"ledger": 3})
    assert read(house).stopped == ""
    assert posted(house) == noted(house)
    assert posted(house).keys() > known.keys()
    assert owed(house) == before + 100
    assert [house.said(service)[0] for service in ("ledger", "payments")] == [0, 0]
