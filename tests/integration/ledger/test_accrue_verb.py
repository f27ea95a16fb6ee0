"""``saldo ledger accrue``: its day, author and reason."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from services.ledger.domain.book import ACCRUALS, AccrualBegun, AccrualFinished
from tests.integration.ledger.small_company import SmallCompany
from tests.staff_logins import OPERATOR

pytestmark = pytest.mark.nodes

BY = ("--reason", "act 7")


def test_a_future_day_is_accrued_only_in_a_dry_run(shared_company: SmallCompany) -> None:
    tomorrow = (shared_company.store.clock.today() + timedelta(days=1)).isoformat()
    error = shared_company.refused("accrue", "--on", tomorrow, *BY)
    assert error.startswith(f"--on: {tomorrow} is in the future")
    events = shared_company.rows("events")
    ahead = shared_company.run_json("accrue", "--on", tomorrow, "--dry-run", *BY)
    assert ahead["on"] == tomorrow
    assert shared_company.rows("events") == events


def test_an_accrual_keeps_its_author_and_reason(company: SmallCompany) -> None:
    day = date(2026, 7, 14)
    found = company.run_json("accrue", "--on", str(day), *BY)
    assert found["changed"] > 0
    history = company.store.query(lambda session: session.history(ACCRUALS))
    begun, finished = [entry.event for entry in history]
    assert isinstance(begun, AccrualBegun)
    assert isinstance(finished, AccrualFinished)
    assert (begun.on, begun.rules, begun.by) == (day, found["rules"], OPERATOR)
    assert begun.reason == "act 7"
    assert finished.run_id == begun.run_id
    assert (finished.changed, finished.added) == (found["changed"], found["added"])
    authors = {row["actor"] for row in company.rows("events") if "penalty_" in row["topic"]}
    assert OPERATOR in authors
    assert company.run("audit").exit_code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--reason", " "), "--reason: say why"),
        (("--on", "20260714", *BY), "--on: '20260714' is not a day"),
        (("--on", "2026-02-30", *BY), "--on: '2026-02-30' is not a day"),
        (("--rules", "/nowhere.yaml", *BY), "the penalty rules /nowhere.yaml cannot be used"),
    ],
)
def test_an_accrual_has_an_author_a_reason_and_a_day(
    shared_company: SmallCompany, words: tuple[str, ...], sentence: str
) -> None:
    assert shared_company.refused("accrue", *words).startswith(sentence)
