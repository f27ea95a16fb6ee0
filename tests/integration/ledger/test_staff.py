"""``saldo ledger``: what staff are told of what was done before, or cannot be done."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ledger.corrections import Approve, Correct, approve, correct_within
from services.ledger.domain.proposal import ReversePayment
from shared.errors import Conflict
from shared.money import MAX_AMOUNT
from tests.integration.ledger.small_company import (
    NUMBERS,
    SmallCompany,
)

pytestmark = pytest.mark.nodes

NUMBER = NUMBERS[5]
ALWAYS_TWO = {"SALDO_LEDGER_APPROVAL_OVER": "0"}
BY = ("--actor", "ivanova", "--reason", "act 7")


def net(balance: dict[str, Any]) -> int:
    return int(balance["principal"] + balance["penalty"] - balance["advance"])


def adjusts(company: SmallCompany, *more: str, **environment: str) -> Any:
    words = ("adjust", NUMBER, "--period", "2026-02", "--service", "heating=1,00", *BY)
    result = company.run(*words, *more, **environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def proposes(company: SmallCompany) -> str:
    made = json.loads(adjusts(company, "--json", **ALWAYS_TWO))
    assert made["state"] == "proposed"
    return str(made["correction_id"])


def refused(company: SmallCompany, *words: str, **environment: str) -> str:
    """What is said on standard error when it is refused; nothing is recorded."""
    events = company.rows("events")
    result = company.run(*words, **environment)
    assert result.exit_code == 2, result.output
    assert company.rows("events") == events
    return " ".join(result.stderr.split())


# What was done before


def test_a_correction_said_again_says_that_it_was_done_before(company: SmallCompany) -> None:
    assert adjusts(company).startswith("Done.")
    again = adjusts(company)
    assert again.startswith("It was done before, so nothing was changed;")
    assert "At that time" in again
    assert json.loads(adjusts(company, "--json"))["repeated"] is True
    once_more = json.loads(adjusts(company, "--json", "--command-id", "the other one"))
    assert (once_more["state"], once_more["repeated"]) == ("done", False)


def test_who_approves_second_is_told_that_it_was_somebody_else(company: SmallCompany) -> None:
    proposal = proposes(company)
    words = ("approve", proposal, "--actor", "petrov", "--reason", "seen the act")
    assert company.run_json(*words)["repeated"] is False
    assert company.run_json(*words)["repeated"] is True
    [event] = [row for row in company.rows("events") if "proposal_approved" in row["topic"]]
    kept = json.loads(bytes.fromhex(event["state"].removeprefix("\\x")))
    assert kept == {"by": "staff:petrov", "reason": "seen the act"}
    assert "approved already" in refused(company, "approve", proposal, "--actor", "sidorov")
    assert "approved already" in refused(company, "approve", proposal, "--actor", "ivanova")
    assert company.run("audit").exit_code == 0


def test_who_rejects_second_is_told_that_it_was_done(company: SmallCompany) -> None:
    proposal = proposes(company)
    words = ("reject", proposal, "--actor", "petrov", "--reason")
    assert company.run_json(*words, "typo")["state"] == "rejected"
    assert "rejected already" in refused(company, *words, "another typo")


def test_of_many_who_approve_at_once_one_does(company: SmallCompany) -> None:
    proposal, before = UUID(proposes(company)), net(company.run_json("balance", NUMBER))

    def approves(name: str) -> str:
        try:
            made = company.execute(approve, Approve(proposal_id=proposal), actor=f"staff:{name}")
        except Conflict as refused:
            return refused.code
        return str(made["state"])

    with ThreadPoolExecutor(4) as together:
        said = Counter(together.map(approves, ("petrov", "sidorov", "orlova", "volkova")))
    assert said == {"approved": 1, "proposal_decided": 3}
    assert net(company.run_json("balance", NUMBER)) == before + 100
    assert company.run("audit").exit_code == 0


def test_of_many_who_reverse_at_once_one_does(company: SmallCompany) -> None:
    payment_id, (number, amount, penalty) = list(company.payments.items())[-1]
    before = company.run_json("balance", number)

    def reverses(reason: str) -> str:
        command = Correct(
            correction_id=uuid4(),
            correction=ReversePayment(payment_id=payment_id),
            reason=reason,
        )
        return str(
            company.execute(correct_within(MAX_AMOUNT), command, actor="staff:petrov")["state"]
        )

    with ThreadPoolExecutor(4) as together:
        said = Counter(together.map(reverses, ("a", "b", "c", "d")))
    assert said == {"done": 1, "unchanged": 3}
    assert net(company.run_json("balance", number)) == net(before) + amount + penalty
    assert company.run("audit").exit_code == 0


# Dry runs refuse what would be refused


def test_a_dry_run_of_an_approval_asks_for_a_second_person_too(company: SmallCompany) -> None:
    proposal = proposes(company)
    alone = refused(company, "approve", proposal, "--actor", "ivanova", "--dry-run")
    assert alone.startswith("Somebody else")
    told = company.run_json("approve", proposal, "--actor", "petrov", "--dry-run")
    assert (told["state"], told["would_be"]) == ("dry_run", "done")
    rejecting = ("reject", proposal, "--actor", "ivanova", "--reason", "typo", "--dry-run")
    told = company.run_json(*rejecting)
    assert (told["state"], told["would_be"], told["accounts"]) == ("dry_run", "rejected", [])
    assert company.run_json("approve", proposal, "--actor", "petrov")["state"] == "approved"
    assert "approved already" in refused(company, *rejecting)


# Accruing


def test_a_future_day_is_accrued_only_in_a_dry_run(shared_company: SmallCompany) -> None:
    tomorrow = (shared_company.store.clock.today() + timedelta(days=1)).isoformat()
    said = refused(shared_company, "accrue", "--on", tomorrow, *BY)
    assert said.startswith(f"--on: {tomorrow} is in the future")
    events = shared_company.rows("events")
    ahead = shared_company.run_json("accrue", "--on", tomorrow, "--dry-run", *BY)
    assert ahead["on"] == tomorrow
    assert shared_company.rows("events") == events


def test_an_accrual_keeps_who_and_why(company: SmallCompany) -> None:
    day = date(2026, 7, 14)
    found = company.run_json("accrue", "--on", str(day), *BY)
    assert found["changed"] > 0
    with company.database.owner("ledger") as owner:
        kept = [json.loads(row[0]) for row in owner.execute("SELECT result FROM commands")]
    told = {"on": str(day), "rules": found["rules"], "by": "staff:ivanova", "reason": "act 7"}
    assert kept.count(told) == 1
    authors = {row["actor"] for row in company.rows("events") if "penalty_" in row["topic"]}
    assert "staff:ivanova" in authors
    assert company.run("audit").exit_code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--actor", " ", "--reason", "r"), "--actor: a name has letters"),
        (("--actor", "ivanova", "--reason", " "), "--reason: say why"),
        (("--on", "20260714", *BY), "--on: '20260714' is not a day"),
        (("--on", "2026-02-30", *BY), "--on: '2026-02-30' is not a day"),
        (("--rules", "/nowhere.yaml", *BY), "the penalty rules /nowhere.yaml cannot be used"),
    ],
)
def test_an_accrual_has_an_author_a_reason_and_a_day(
    shared_company: SmallCompany, words: tuple[str, ...], sentence: str
) -> None:
    assert refused(shared_company, "accrue", *words).startswith(sentence)


# No database


@pytest.mark.parametrize("verb", ["verify", "checkpoint", "audit"])
def test_what_is_no_url_of_a_database_is_refused_in_a_sentence(
    shared_company: SmallCompany, verb: str
) -> None:
    said = refused(shared_company, verb, SALDO_DATABASE_URL_LEDGER="postgresql:1//u:hunter2@h/db")
    assert said.startswith("the database URL of ledger cannot be read")
    assert "hunter2" not in said
