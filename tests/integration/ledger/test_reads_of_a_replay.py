"""What a replay of the log asks the database for: no more rows and blocks than it needs."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.penalties.accrual_run import accrue_range
from services.ledger.penalties.rules import load_rules
from services.ledger.replay.comparison import deviations
from services.ledger.replay.parallel import (
    ALL_IDS,
    Range,
    conninfo_of,
    opened_connection,
    quiet,
    stream_ranges,
)
from services.ledger.replay.streams import Replayed, read_streams, replay_stream
from shared.ids import new_id
from tests.bench.company import Bench, populate, resident
from tests.conftest import Database
from tests.integration.ledger.small_company import NUMBERS, SmallCompany

pytestmark = pytest.mark.nodes

ACCOUNTS, MONTHS = 200, 12
DAY = date(2026, 1, 31)
PLANNING = 10
"""At most so many blocks the planner looks at, for the first and the last value of a column."""


class Postings:
    """A cursor that counts the postings of payments that were fetched by it."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.fetched = 0

    def execute(self, *query: Any) -> Postings:
        self._cursor.execute(*query)
        return self

    def fetchall(self) -> list[Any]:
        rows: list[Any] = self._cursor.fetchall()
        self.fetched += sum("payment_id" in row for row in rows)
        return rows


def test_of_a_payment_for_many_accounts_each_posting_is_fetched_once(
    company: SmallCompany,
) -> None:
    lines = tuple(PaidLine(account=number, amount=1, penalty=0) for number in NUMBERS)
    today = company.store.clock.today()
    company.execute(post_payment, PostPayment(payment_id=new_id(), paid_on=today, lines=lines))
    with opened_connection(conninfo_of(company.store)) as connection, connection.transaction():
        streams = replayed(connection, ALL_IDS)
        cursor = Postings(connection.cursor())
        # As in different ranges.
        assert [found for stream in streams for found in deviations(cursor, [stream])] == []
    assert cursor.fetched == sum(len(stream.payments) for stream in streams) > len(NUMBERS)


def test_no_block_of_the_log_is_fetched_twice_for_a_range(database: Database) -> None:
    """Where a block at random is reckoned cheap, as on an SSD, an index would be followed."""
    store = database.store("ledger")
    events = populate(Bench(database.settings, store), resident(MONTHS), ACCOUNTS)
    part = stream_ranges(8)[3]
    with opened_connection(conninfo_of(store)) as connection, connection.transaction():
        connection.execute("SET LOCAL random_page_cost = 1.1")
        before = blocks_fetched(connection, "events")
        read = sum(len(entries) for _, entries in read_streams(connection, part, quiet))
        fetched = blocks_fetched(connection, "events") - before
        [row] = connection.execute(
            "SELECT count(DISTINCT (ctid::text::point)[0]) AS blocks FROM events "
            "WHERE originator_id BETWEEN %s AND %s",
            part,
        ).fetchall()
    assert events / 16 < read < events / 4
    assert fetched <= row["blocks"] + PLANNING < read


def test_no_block_of_the_balances_is_fetched_twice_for_a_range(database: Database) -> None:
    store = database.store("ledger")
    populate(Bench(database.settings, store), resident(1, owes=0), 2_000)
    rules, part = load_rules(environ={}), stream_ranges(4)[1]
    parameters = {"on": DAY, "spared": Jsonb(rules.spared_days()), "all": False}
    with opened_connection(conninfo_of(store)) as connection, connection.transaction():
        # Of a small table it has to be reckoned cheaper still.
        connection.execute("SET LOCAL random_page_cost = 0.1")
        before = blocks_fetched(connection, "balances")
        summary, _ = accrue_range(
            connection, part, quiet, on=DAY, rules=rules, parameters=parameters, keep=False
        )
        fetched = blocks_fetched(connection, "balances") - before
        [row] = connection.execute(
            "SELECT count(*) AS rows, count(DISTINCT (ctid::text::point)[0]) AS blocks "
            "FROM balances WHERE account_id BETWEEN %s AND %s",
            part,
        ).fetchall()
    assert summary.accounts == 0, "nobody owes"
    assert fetched <= row["blocks"] + PLANNING < row["rows"]


def replayed(connection: Any, part: Range) -> list[Replayed]:
    return [replay_stream(*stream) for stream in read_streams(connection, part, quiet)]


def blocks_fetched(connection: Any, table: str) -> int:
    """Return how many blocks of a table this transaction has fetched, cached or not."""
    [row] = connection.execute(
        "SELECT pg_stat_get_xact_blocks_fetched(%s::regclass) AS blocks", (table,)
    ).fetchall()
    return int(row["blocks"])
