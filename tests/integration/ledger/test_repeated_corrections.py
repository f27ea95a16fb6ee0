"""``saldo ledger``: corrections that are repeated, decided already, or made by several at once."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ledger.corrections import Approve, Correct, approve, correct_within
from services.ledger.domain.proposal import ReversePayment
from shared.errors import Conflict
from shared.money import MAX_AMOUNT
from tests.integration.ledger.small_company import NUMBERS, SmallCompany, net

pytestmark = pytest.mark.nodes

NUMBER = NUMBERS[5]
ALWAYS_TWO = {"SALDO_LEDGER_APPROVAL_OVER": "0"}
BY = ("--actor", "ivanova", "--reason", "act 7")


def adjusts(company: SmallCompany, *more: str, **environment: str) -> Any:
    words = ("adjust", NUMBER, "--period", "2026-02", "--service", "heating=1,00", *BY)
    result = company.run(*words, *more, **environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def proposes(company: SmallCompany) -> str:
    made = json.loads(adjusts(company, "--json", **ALWAYS_TWO))
    assert made["state"] == "proposed"
    return str(made["correction_id"])


def test_a_repeated_correction_is_reported_as_done_before(company: SmallCompany) -> None:
    assert adjusts(company).startswith("Done.")
    again = adjusts(company)
    assert again.startswith("It was done before, so nothing was changed;")
    assert "At that time" in again
    assert json.loads(adjusts(company, "--json"))["repeated"] is True
    once_more = json.loads(adjusts(company, "--json", "--command-id", "the other one"))
    assert (once_more["state"], once_more["repeated"]) == ("done", False)


def test_a_second_approval_by_another_person_is_refused(company: SmallCompany) -> None:
    proposal = proposes(company)
    words = ("approve", proposal, "--actor", "petrov", "--reason", "seen the act")
    assert company.run_json(*words)["repeated"] is False
    assert company.run_json(*words)["repeated"] is True
    [event] = [row for row in company.rows("events") if "proposal_approved" in row["topic"]]
    kept = json.loads(bytes.fromhex(event["state"].removeprefix("\\x")))
    assert kept == {"by": "staff:petrov", "reason": "seen the act"}
    assert "approved already" in company.refused("approve", proposal, "--actor", "sidorov")
    assert "approved already" in company.refused("approve", proposal, "--actor", "ivanova")
    assert company.run("audit").exit_code == 0


def test_a_second_rejection_with_another_reason_is_refused(company: SmallCompany) -> None:
    proposal = proposes(company)
    words = ("reject", proposal, "--actor", "petrov", "--reason")
    assert company.run_json(*words, "typo")["state"] == "rejected"
    assert "rejected already" in company.refused(*words, "another typo")


def test_one_of_many_concurrent_approvals_succeeds(company: SmallCompany) -> None:
    proposal, before = UUID(proposes(company)), net(company.run_json("balance", NUMBER))

    def approves(name: str) -> str:
        try:
            made = company.execute(approve, Approve(proposal_id=proposal), actor=f"staff:{name}")
        except Conflict as refused:
            return refused.code
        return str(made["state"])

    with ThreadPoolExecutor(4) as together:
        outcomes = Counter(together.map(approves, ("petrov", "sidorov", "orlova", "volkova")))
    assert outcomes == {"approved": 1, "proposal_decided": 3}
    assert net(company.run_json("balance", NUMBER)) == before + 100
    assert company.run("audit").exit_code == 0


def test_one_of_many_concurrent_reversals_takes_effect(company: SmallCompany) -> None:
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
        outcomes = Counter(together.map(reverses, ("a", "b", "c", "d")))
    assert outcomes == {"done": 1, "unchanged": 3}
    assert net(company.run_json("balance", number)) == net(before) + amount + penalty
    assert company.run("audit").exit_code == 0


def test_a_dry_run_of_an_approval_asks_for_a_second_person_too(company: SmallCompany) -> None:
    proposal = proposes(company)
    alone = company.refused("approve", proposal, "--actor", "ivanova", "--dry-run")
    assert alone.startswith("Somebody else")
    tried = company.run_json("approve", proposal, "--actor", "petrov", "--dry-run")
    assert (tried["state"], tried["would_be"]) == ("dry_run", "done")
    rejecting = ("reject", proposal, "--actor", "ivanova", "--reason", "typo", "--dry-run")
    tried = company.run_json(*rejecting)
    assert (tried["state"], tried["would_be"], tried["accounts"]) == (
        "dry_run",
        "rejected",
        [],
    )
    assert company.run_json("approve", proposal, "--actor", "petrov")["state"] == "approved"
    assert "approved already" in company.refused(*rejecting)
