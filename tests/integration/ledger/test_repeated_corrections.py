"""``saldo ledger``: corrections that are repeated, decided already, or made by several at once."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ledger.corrections import Approve, Correct, approve, correct
from services.ledger.domain.events import ServiceAmount
from services.ledger.domain.proposal import AdjustCharges, ReversePayment
from shared.errors import Conflict, Forbidden
from tests.integration.ledger.small_company import CLERK, NUMBERS, SmallCompany, net
from tests.staff_terminal import ServicesHere, staff_amqp_url

pytestmark = pytest.mark.nodes

NUMBER = NUMBERS[5]


def adjusts(company: SmallCompany, *more: str) -> Any:
    words = ("adjust", NUMBER, "--period", "2026-02", "--service", "heating=1,00")
    result = company.run(*words, "--reason", "act 7", *more)
    assert result.exit_code == 0, result.output
    return result.stdout


def proposes(company: SmallCompany) -> str:
    company.may(CLERK, "adjust", 0)
    made = json.loads(adjusts(company, "--json"))
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
    words = ("approve", proposal, "--reason", "seen the act")
    assert company.run_json(*words, by="petrov")["repeated"] is False
    assert company.run_json(*words, by="petrov")["repeated"] is True
    assert company.run(*words, by="petrov").stdout.startswith("It was approved before; nothing")
    [event] = [row for row in company.rows("events") if "proposal_approved" in row["topic"]]
    kept = json.loads(bytes.fromhex(event["state"].removeprefix("\\x")))
    assert kept == {"by": "staff:petrov", "reason": "seen the act"}
    assert "approved already" in company.refused(*words, by="orlova")
    company.may(CLERK, "approve")
    assert "approved already" in company.refused(*words)
    assert company.run("audit").exit_code == 0


def test_a_second_rejection_with_another_reason_is_refused(company: SmallCompany) -> None:
    proposal = proposes(company)
    words = ("reject", proposal, "--reason")
    assert company.run_json(*words, "typo", by="petrov")["state"] == "rejected"
    again = company.run(*words, "typo", by="petrov")
    assert again.stdout.startswith("It was rejected before; nothing was changed.")
    assert "rejected already" in company.refused(*words, "another typo", by="petrov")


def test_one_of_many_concurrent_approvals_succeeds(company: SmallCompany) -> None:
    proposal, before = UUID(proposes(company)), net(company.run_json("balance", NUMBER))

    def approves(name: str) -> str:
        try:
            made = company.execute(approve, Approve(proposal_id=proposal), actor=f"staff:{name}")
        except Conflict as refused:
            return refused.code
        return str(made["state"])

    with ThreadPoolExecutor(4) as together:
        outcomes = Counter(together.map(approves, ("petrov", "orlova", "volkova")))
    assert outcomes == {"approved": 1, "proposal_decided": 2}
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
        return str(company.execute(correct, command, actor=f"staff:{CLERK}")["state"])

    with ThreadPoolExecutor(4) as together:
        outcomes = Counter(together.map(reverses, ("a", "b", "c", "d")))
    assert outcomes == {"done": 1, "unchanged": 3}
    assert net(company.run_json("balance", number)) == net(before) + amount + penalty
    assert company.run("audit").exit_code == 0


def test_a_dry_run_of_an_approval_asks_for_a_second_person_too(company: SmallCompany) -> None:
    proposal = proposes(company)
    assert "staff may" in company.refused("approve", proposal, "--dry-run")
    company.may(CLERK, "approve")
    assert company.refused("approve", proposal, "--dry-run").startswith("Somebody else")
    tried = company.run_json("approve", proposal, "--dry-run", by="petrov")
    assert (tried["state"], tried["would_be"]) == ("dry_run", "done")
    rejecting = ("reject", proposal, "--reason", "typo", "--dry-run")
    tried = company.run_json(*rejecting)
    assert (tried["state"], tried["would_be"], tried["accounts"]) == (
        "dry_run",
        "rejected",
        [],
    )
    assert company.run_json("approve", proposal, by="petrov")["state"] == "approved"
    assert "approved already" in company.refused(*rejecting)


def test_many_small_corrections_at_once_stay_within_the_limit_of_the_day(
    company: SmallCompany,
) -> None:
    company.may(CLERK, "adjust", 10_00)
    before = net(company.run_json("balance", NUMBER))

    def adjusts_a_little(number: int) -> str:
        lines = (ServiceAmount("heating", 3_00),)
        correction = AdjustCharges(account=NUMBER, period="2026-02", lines=lines)
        command = Correct(correction_id=uuid4(), correction=correction, reason=f"act {number}")
        return str(company.execute(correct, command, actor=f"staff:{CLERK}")["state"])

    with ThreadPoolExecutor(6) as together:
        outcomes = Counter(together.map(adjusts_a_little, range(6)))
    assert outcomes == {"done": 3, "proposed": 3}
    assert net(company.run_json("balance", NUMBER)) == before + 9_00
    assert company.run("audit").exit_code == 0


def test_a_command_of_another_person_is_neither_taken_over_nor_approved(
    company: SmallCompany,
) -> None:
    before = net(company.run_json("balance", NUMBER))
    company.may(CLERK, "adjust", 0)
    words = ("adjust", NUMBER, "--period", "2026-02", "--service", "heating=1,00")
    named = (*words, "--reason", "act 7", "--command-id", "order 9")
    company.may("zimina", "adjust")
    mine = company.run_json(*named)
    theirs = company.run_json(*named, by="zimina")
    assert (theirs["state"], theirs["repeated"], theirs["by"]) == (
        "proposed",
        True,
        "staff:ivanova",
    )
    other = company.refused(*words, "--reason", "act 8", "--command-id", "order 9", by="zimina")
    assert "another command" in other
    assert net(company.run_json("balance", NUMBER)) == before
    assert mine["correction_id"] == theirs["correction_id"]


def test_a_person_removed_between_proposal_and_approval_has_proposed_nothing(
    company: SmallCompany,
) -> None:
    proposal = proposes(company)
    company.may_not(CLERK, "adjust")
    assert "may no longer" in company.refused("approve", proposal, by="petrov")
    company.may_not("petrov", "approve")
    assert "staff may" in company.refused("approve", proposal, by="petrov")


def test_payments_of_a_limited_cash_desk_stay_within_the_limit_of_the_day(
    company: SmallCompany,
) -> None:
    company.may("desk", "post-payment", 10_00)
    services = ServicesHere({"ledger": company.store}, staff_amqp_url("desk"))
    before = net(company.run_json("balance", NUMBER))

    def posts(amount: int, payment_id: UUID | None = None) -> str:
        try:
            posted = services.call(
                "ledger",
                "post_payment",
                payment_id=payment_id or uuid4(),
                paid_on="2026-05-01",
                lines=[{"account": NUMBER, "amount": amount}],
            )
        except Forbidden as refused:
            return refused.code
        return str(posted["posted"])

    first = uuid4()
    for _ in range(2):
        assert posts(6_00, first) == str([NUMBER]), "once, however often"
    assert posts(5_00) == "above_limit"
    assert posts(4_00) == str([NUMBER])
    assert posts(1) == "above_limit"
    company.may("desk", "post-payment", None)
    assert posts(5_00) == str([NUMBER])
    company.may_not("desk", "post-payment")
    assert posts(1) == "staff_may_not"
    assert net(company.run_json("balance", NUMBER)) == before - 15_00
