"""A random company on a real PostgreSQL: every figure is that of the oracle.

``SALDO_COMPANIES_STORED`` sets how many accounts, ``SALDO_COMPANIES_FROM`` chooses others.
"""

from __future__ import annotations

import os
import random
from datetime import timedelta
from typing import Any

import pytest
from psycopg.rows import dict_row

from services.ledger.replay.audit import audit
from services.ledger.replay.rebuild import rebuild
from services.ledger.replay.sql_balances import aggregate
from services.ledger.reports.balances import balances
from tests.conftest import Database
from tests.integration.ledger.random_company import LAST, Company
from tests.ledger_oracle.oracle import State, states_of

pytestmark = pytest.mark.nodes

ACCOUNTS = int(os.environ.get("SALDO_COMPANIES_STORED", "40"))
SEED = int(os.environ.get("SALDO_COMPANIES_FROM", "1"))


@pytest.fixture(scope="module")
def company(module_database: Database) -> Company:
    made = Company(module_database, SEED, ACCOUNTS)
    for place, entry in enumerate(made.in_an_order(), 1):
        made.record(entry)
        if place % 200 == 0:
            made.accrue_all(LAST - timedelta(300 - place % 300))
    made.change_holders()
    made.accrue_all(made.today)
    return made


def test_rows_are_what_the_oracle_says(company: Company, module_database: Database) -> None:
    rows = {row["number"]: row for row in stored_rows(module_database)}
    assert rows.keys() == company.entries.keys()
    for number in company.entries:
        state = company.state(number, company.today)
        row = rows[number]
        found = (row["open_items"], row["principal"], row["penalty"], row["advance"])
        assert found == (state.principal, state.total, state.owed, state.advance), number


def test_past_days_are_what_the_oracle_says(company: Company) -> None:
    chance = random.Random(f"days {SEED}")  # noqa: S311 - reproducible
    for number in company.entries:
        facts = company.facts(number)
        opened = min(fact.day for fact in facts)
        days = [opened + timedelta(chance.randint(0, (LAST - opened).days)) for _ in range(3)]
        for day, state in states_of(facts, days).items():
            assert figures(company.balance(number, day)) == expected(state), (number, day)


def test_present_balances_show_the_penalty_of_today(company: Company) -> None:
    answer = company.store.query(lambda session: balances(session, list(company.entries)))
    for found in answer["balances"]:
        state = company.state(found["number"], company.today)
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
