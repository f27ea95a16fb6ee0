"""A book moves while the processes of both books are at work, as they are deployed.

To another database of its server, and to another server, which has none of its roles yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.ledger.commands.ledger_access import Run
from services.ledger.moving import Plan, move
from services.ledger.tables.book_rules import Rule, put_rule
from shared.config import GATEWAY, SEALER, Settings
from shared.errors import Unavailable
from shared.rpc.book_methods import routed
from shared.rpc.client import RpcClient
from tests.conftest import Database, emptied_database, fresh_database, role_of, signed_in_as
from tests.databases import Databases
from tests.integration.books.two_books import BOOKS, FIRST, NORTH, TwoBooks, with_two_books
from tests.integration.bus_ends import open_one, pay
from tests.integration.restorable_postgres import RestorablePostgres
from tests.service_process import service_process
from tests.waiting import eventually

IN_FIRST, IN_NORTH = "0100000001", "7700000001"


@pytest.fixture
def books(base_settings: Settings, template: tuple[Settings, str]) -> Iterator[TwoBooks]:
    with fresh_database(base_settings, template) as first:
        made = with_two_books(first)
        rule = Rule("77", NORTH, True, "tests")
        for log, number in ((FIRST, IN_FIRST), (NORTH, IN_NORTH)):
            store = made.store(log)
            store.transact(lambda session, _: put_rule(session.cursor, rule), None)
            open_one(store, number)
            pay(store, 3, number)
        yield made


@pytest.fixture(params=["another database", "another server"])
def there(
    request: pytest.FixtureRequest, base_settings: Settings, databases: Databases, tmp_path: Path
) -> Iterator[Settings]:
    """Return the settings of where the book moves to."""
    if request.param == "another database":
        with emptied_database(base_settings, databases) as made:
            yield made.settings
        return
    server = RestorablePostgres(tmp_path / "server")
    server.create()
    try:
        made_there = dict.fromkeys((FIRST, SEALER), server.url)
        yield replace(base_settings, database_url=server.url, database_urls=made_there)
    finally:
        server.stop()


@pytest.fixture
def gateway(books: TwoBooks) -> Iterator[Any]:
    client = RpcClient(books.settings.amqp_url_of(GATEWAY), name="tests")
    with closing(routed(client, BOOKS)) as made:
        yield made


def moved_to(books: TwoBooks, there: Settings) -> tuple[Plan, Database]:
    """Return the plan of a move, and the installation as its settings have it afterwards."""
    role = role_of(NORTH)
    url = signed_in_as(there.database_url_of(FIRST), role, "saldo-test")
    sealer = signed_in_as(there.database_url_of(SEALER), role_of(SEALER), "saldo-test")
    plan = Plan(
        NORTH,
        books.settings.database_url,
        there.database_url,
        url,
        sealer,
        (role, f"{role}_writer", f"{role}_reader"),
    )
    settings = replace(
        books.settings,
        database_urls={**books.settings.database_urls, NORTH: url},
        login_urls={NORTH: there.database_url},
    )
    return plan, Database(settings)


def figures(url: str) -> tuple[int, int, int]:
    """Return how far the relay of the book is, the head of its log, and its epochs."""
    with psycopg.connect(url, options=f"-c search_path={NORTH}") as owner:
        row = owner.execute(
            "SELECT relay.position, (SELECT max(notification_id) FROM events),"
            " (SELECT count(*) FROM epochs) FROM relay"
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2])


def has_published(url: str, least: int) -> bool:
    """Return whether the relay is at the end of the log; jobs may have appended to it, too."""
    relayed, head, _ = figures(url)
    return relayed == head >= least


@pytest.mark.usefixtures("on_the_bus", "clean_bus")
def test_a_book_moves_beside_its_processes_and_those_of_the_other_book(
    books: TwoBooks, there: Settings, gateway: Any, tmp_path: Path
) -> None:
    plan, after = moved_to(books, there)

    def owes(number: str, deadline: float = 5.0) -> int:
        found = gateway.call("ledger", "balance", number=number, deadline=deadline)
        return int(found["advance"])

    def look(step: str) -> None:
        assert owes(IN_FIRST) == 300
        if step != "switching":
            assert owes(IN_NORTH) == 300

    with service_process(books.database, FIRST, tmp_path / "first.log"):
        with (
            service_process(books.database, NORTH, tmp_path / "before.log"),
            service_process(books.database, NORTH, tmp_path / "worker-before.log", verb="work"),
        ):
            eventually(lambda: has_published(plan.here, 4), "the relay has published all")
            move(plan, Run(verb="move-book", by="staff:petrova", reason="tests"), look)
            with pytest.raises(Unavailable) as refused:
                owes(IN_NORTH)
            assert refused.value.code == "database_unavailable"
            assert owes(IN_FIRST) == 300
        with (
            service_process(after, NORTH, tmp_path / "after.log"),
            service_process(after, NORTH, tmp_path / "worker-after.log", verb="work"),
        ):
            assert owes(IN_NORTH) == 300
            assert owes(IN_FIRST) == 300
            eventually(lambda: figures(plan.there)[2] == 2, "the relay has confirmed the log")
            pay(after.unconfirmed_store(NORTH), 1, IN_NORTH)
            assert owes(IN_NORTH) == 400
            eventually(lambda: has_published(plan.there, 5), "the relay goes on there")
    for store in after.opened:
        store.close()
