"""A random company on a real PostgreSQL: every figure is that of the oracle.

``SALDO_COMPANIES_STORED`` sets how many accounts, ``SALDO_COMPANIES_FROM`` chooses others.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from psycopg.rows import dict_row

from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.corrections import Correct, correct
from services.ledger.domain import Account, account_id
from services.ledger.domain.proposal import ReversePayment, WriteOffPenalty
from services.ledger.group_commit import ledger_group_commit
from services.ledger.limits import CORRECTING
from services.ledger.penalties.accrual_run import accrue_all
from services.ledger.replay.audit import audit
from services.ledger.replay.rebuild import rebuild
from services.ledger.replay.sql_balances import aggregate
from services.ledger.reports.balances import balance, balances
from shared import context
from shared.errors import Conflict
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.ledger_oracle.companies import an_order, random_company
from tests.ledger_oracle.facts import Fact, facts_of
from tests.ledger_oracle.oracle import State, states_of
from tests.ledger_oracle.recording import RULES, Recorder
from tests.staff_terminal import grant

pytestmark = pytest.mark.nodes

ACCOUNTS = int(os.environ.get("SALDO_COMPANIES_STORED", "40"))
SEED = int(os.environ.get("SALDO_COMPANIES_FROM", "1"))
END = date(2026, 10, 31)
"""A day after all facts, and before the present one."""
CLERK = "petrov"


class Entry(msgspec.Struct, frozen=True):
    """An entry about an account."""

    number: str
    fact: Fact


class StoredAccount(Recorder):
    """Records to an account of a session."""

    def __init__(self, session: Session, number: str) -> None:
        super().__init__(number)
        self._session = session
        self.account = session.load(Account, account_id(number))

    @property
    def events(self) -> list[Any]:
        return [recorded.event for recorded in self._session.history(self.account.id)]


def record(session: Session, entry: Entry) -> None:
    StoredAccount(session, entry.number).record(entry.fact)


class Company:
    """A random company, and the store that it is recorded in."""

    def __init__(self, database: Database, seed: int, size: int) -> None:
        self.store: PostgresStore = database.store("ledger", pool_size=4)
        for permission in CORRECTING:
            grant(database.settings, "ledger", CLERK, permission, None)
        self.group = ledger_group_commit(self.store)
        self.entries = random_company(seed, size)
        self._chance = random.Random(f"recording {seed}")  # noqa: S311 - reproducible

    def in_an_order(self) -> Iterator[Entry]:
        """Yield all entries, those of each account in an order in which they may be recorded."""
        orders = {n: an_order(entries, self._chance) for n, entries in self.entries.items()}
        while orders:
            number = self._chance.choice(sorted(orders))
            yield Entry(number, orders[number].pop(0))
            if not orders[number]:
                del orders[number]

    def record(self, entry: Entry) -> None:
        """Record an entry as the product does."""
        number, fact = entry.number, entry.fact
        with context.bind(command_id=uuid4(), actor=f"staff:{CLERK}"):
            match fact.what:
                case "pay":
                    line = PaidLine(
                        account=number,
                        amount=fact.amount,
                        penalty=fact.penalty,
                        period=fact.period or None,
                    )
                    paid = PostPayment(payment_id=UUID(fact.name), paid_on=fact.day, lines=(line,))
                    self.group.execute(post_payment, paid)
                case "reverse":
                    self._correct(
                        ReversePayment(
                            payment_id=UUID(fact.name), accounts=(number,), effective_on=fact.day
                        )
                    )
                case "write_off":
                    self._write_off(number, fact)
                case _:
                    self.store.execute(record, entry)

    def accrue_all(self, on: date) -> None:
        accrue_all(self.store, on, RULES, "staff:test", workers=1)

    def facts(self, number: str) -> list[Fact]:
        """Return the facts of an account as they are in the log."""
        history = self.store.query(lambda session: session.history(account_id(number)))
        return facts_of(recorded.event for recorded in history)

    def _write_off(self, number: str, fact: Fact) -> None:
        self.store.execute(record, Entry(number, Fact(fact.day, "accrue")))
        correction = WriteOffPenalty(account=number, amount=fact.amount, effective_on=fact.day)
        with context.bind(command_id=uuid4(), actor=f"staff:{CLERK}"):
            try:
                self._correct(correction)
            except Conflict as refused:
                if refused.code != "penalty_not_owed":
                    raise

    def _correct(self, correction: Any) -> None:
        command = Correct(correction_id=uuid4(), correction=correction, reason="an act")
        assert self.store.execute(correct, command)["state"] in ("done", "unchanged")


@pytest.fixture(scope="module")
def company(module_database: Database) -> Company:
    made = Company(module_database, SEED, ACCOUNTS)
    for place, entry in enumerate(made.in_an_order(), 1):
        made.record(entry)
        if place % 200 == 0:
            made.accrue_all(END - timedelta(300 - place % 300))
    made.accrue_all(END)
    return made


def test_rows_are_what_the_oracle_says(company: Company, module_database: Database) -> None:
    rows = {row["number"]: row for row in stored_rows(module_database)}
    assert rows.keys() == company.entries.keys()
    for number in company.entries:
        state = states_of(company.facts(number), [END])[END]
        row = rows[number]
        found = (row["open_items"], row["principal"], row["penalty"], row["advance"])
        assert found == (state.principal, state.total, state.owed, state.advance), number


def test_past_days_are_what_the_oracle_says(company: Company) -> None:
    chance = random.Random(f"days {SEED}")  # noqa: S311 - reproducible
    for number in company.entries:
        facts = company.facts(number)
        opened = min(fact.day for fact in facts)
        days = [opened + timedelta(chance.randint(0, (END - opened).days)) for _ in range(3)]
        for day, state in states_of(facts, days).items():
            answer = company.store.query(lambda session, d=day: balance(session, number, str(d)))
            assert figures(answer) == expected(state), (number, day)


def test_present_balances_show_the_penalty_of_today(company: Company) -> None:
    today = company.store.clock.today()
    answer = company.store.query(lambda session: balances(session, list(company.entries)))
    for found in answer["balances"]:
        state = states_of(company.facts(found["number"]), [today])[today]
        assert figures(found) == expected(state), found["number"]


def test_sums_of_the_log_and_audit_agree(company: Company, module_database: Database) -> None:
    with module_database.owner("ledger") as owner:
        sums = aggregate(owner.cursor(row_factory=dict_row))
    for row in stored_rows(module_database):
        of_log = sums[row["account_id"]]
        assert {name: row[name] for name in of_log} == of_log
    assert audit(company.store).differences == []


def test_rebuilding_changes_nothing(company: Company, module_database: Database) -> None:
    before = stored_rows(module_database)
    assert rebuild(company.store, workers=1).differences == []
    assert stored_rows(module_database) == before


def stored_rows(database: Database) -> list[dict[str, Any]]:
    with database.owner("ledger") as owner:
        cursor = owner.cursor(row_factory=dict_row)
        return cursor.execute("SELECT * FROM balances ORDER BY number").fetchall()


def figures(answer: dict[str, Any]) -> tuple[int, int, int, dict[str, int]]:
    services = {item["service"]: item["amount"] for item in answer["services"]}
    return answer["principal"], answer["penalty_due"], answer["advance"], services


def expected(state: State) -> tuple[int, int, int, dict[str, int]]:
    return state.total, state.owed, state.advance, state.services
