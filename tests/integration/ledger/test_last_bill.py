"""The names of services come from the last bill, however many events follow it."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.group_commit import AccountCommands
from services.ledger.readmodel import ReadModel
from services.ledger.reports.balances import balance, balances
from shared import context
from shared.eventstore.append_lock import hold_log_for
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.postgres_session import PostgresSession
from tests.conftest import Database

pytestmark = pytest.mark.nodes

PAYMENTS = {"0300000001": 0, "0300000002": 1, "0300000003": 600}
"""Number -> how many payments follow the last bill, of 2026-02; a bill before it says "old"."""
OPENED, LATE = "0300000004", "0300000005"
NUMBERS = [*PAYMENTS, OPENED, LATE]
NAMES = {"heating": "Отопление", "lift": "Лифт"}
DAY, LATER = date(2026, 2, 1), date(2026, 3, 1)


def bill(account: Account, period: str, on: date = DAY, **names: str) -> None:
    lines = [ChargeLine(service, name, 10_000, 10_000) for service, name in names.items()]
    account.post_charges(period, on, on, lines)


def prepare(session: PostgresSession, numbers: list[str]) -> None:
    # Hundreds of events are decided in one transaction.
    session.cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '10min'")
    hold_log_for(session.cursor, "10min")
    for number in numbers:
        account = session.load(Account, account_id(number))
        account.open(number, "household", DAY, (ServiceAmount("heating", 5_000),))
        if number == OPENED:
            continue
        # A month that is billed late is the last bill all the same.
        months = ("2026-03", "2026-02") if number == LATE else ("2026-01", "2026-02")
        bill(account, months[0], heating="old", water="Вода")
        bill(account, months[1], **NAMES)
        for _ in range(PAYMENTS.get(number, 2)):
            account.post_payment(uuid4(), DAY, 1, 0)
        account.adjust_charges(uuid4(), months[0], DAY, (ServiceAmount("heating", 7),), "an act")


@pytest.fixture(scope="module")
def store(module_database: Database) -> PostgresStore:
    made = module_database.store("ledger")
    with context.bind(actor="service:test"):
        made.transact(prepare, NUMBERS)
    with module_database.owner("ledger") as owner:
        owner.execute("ANALYZE events, balances")
    return made


class Explaining:
    """A cursor that records the plan of each query before running it."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.plans: list[dict[str, Any]] = []

    def execute(self, query: str, values: Any) -> None:
        self._cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", values)
        self.plans.append(self._cursor.fetchone()["QUERY PLAN"][0]["Plan"])
        self._cursor.execute(query, values)

    def fetchall(self) -> list[dict[str, Any]]:
        return self._cursor.fetchall()  # type: ignore[no-any-return]


def rows_read(plan: dict[str, Any], table: str) -> int:
    """Rows of a table that a plan has looked at, those that it threw away among them."""
    read = sum(rows_read(part, table) for part in plan.get("Plans", ()))
    if plan.get("Relation Name") == table:
        removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
        rows = plan["Actual Rows"] + sum(plan.get(name, 0) for name in removed)
        read += rows * plan["Actual Loops"]
    return int(read)


@pytest.mark.parametrize("number", PAYMENTS)
def test_one_event_is_read_for_the_names_however_many_follow_the_bill(
    store: PostgresStore, number: str
) -> None:
    def ask(session: PostgresSession) -> None:
        cursor = Explaining(session.cursor)
        assert ReadModel(cursor).service_names([number]) == {number: NAMES}
        (plan,) = cursor.plans
        assert rows_read(plan, "balances") <= len(NUMBERS)
        assert rows_read(plan, "events") == 1

    store.query(ask)


def test_the_names_are_those_of_the_bill_that_was_posted_last(store: PostgresStore) -> None:
    found = store.query(lambda session: balances(session, [*NUMBERS, "nobody"]))
    named = {
        one["number"]: {line["service"]: line["name"] for line in one["services"]}
        for one in found["balances"]
    }
    billed = {**NAMES, "water": "water"}
    assert named == {**dict.fromkeys(NUMBERS, billed), OPENED: {"heating": "heating"}}
    past = store.query(lambda session: balance(session, LATE, "2026-02-01"))
    assert {line["service"]: line["name"] for line in past["services"]} == billed


def test_group_commit_keeps_the_last_bill_of_an_account(store: PostgresStore) -> None:
    commands, ids = AccountCommands(), [account_id(number) for number in NUMBERS]
    found = store.query(lambda session: commands.read(session.cursor, ids))
    for number, id_ in zip(NUMBERS, ids, strict=True):
        twin: Any = commands.copy(found[id_])
        assert twin.last_bill == (0 if number == OPENED else 3)
        twin.post_payment(uuid4(), LATER, 1, 0)
        assert twin.last_bill == (0 if number == OPENED else 3)
        bill(twin, "2026-04", LATER, lift="Лифт")
        assert twin.last_bill == twin.version


@pytest.mark.parametrize("number", PAYMENTS)
def test_late_bills_have_the_names_that_the_last_one_lacks(
    store: PostgresStore, number: str
) -> None:
    def ask(session: PostgresSession) -> None:
        cursor = Explaining(session.cursor)
        found = ReadModel(cursor).service_names_of_late_bills([number])
        assert found == {number: {**NAMES, "water": "Вода"}}
        (plan,) = cursor.plans
        assert rows_read(plan, "events") <= 200

    store.query(ask)


def test_histories_of_several_accounts_are_those_of_each(store: PostgresStore) -> None:
    ids = [account_id(number) for number in (OPENED, LATE, "nobody")]

    def ask(session: PostgresSession) -> None:
        found = session.histories(ids)
        assert set(found) == set(ids[:2])
        assert all(found[id_] == session.history(id_) for id_ in found)

    store.query(ask)
