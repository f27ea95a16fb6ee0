"""``saldo ledger``: what staff are told of what was done before, or cannot be done."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ledger.corrections import Approve, Correct, approve, correct_within
from services.ledger.domain.proposal import ReversePayment
from shared.config import Settings
from shared.errors import Conflict
from shared.money import MAX_AMOUNT
from tests.integration.ledger.small_company import (
    NUMBERS,
    Settled,
    Template,
    Town,
    copied_town,
    settled_town,
)

pytestmark = pytest.mark.nodes

NUMBER = NUMBERS[5]
ALWAYS_TWO = {"SALDO_LEDGER_APPROVAL_OVER": "0"}
BY = ("--actor", "ivanova", "--reason", "act 7")


@pytest.fixture(scope="module")
def settled(base_settings: Settings, template: Template) -> Iterator[Settled]:
    with settled_town(base_settings, template) as made:
        yield made


@pytest.fixture(scope="module")
def lived_in(base_settings: Settings, settled: Settled) -> Iterator[Town]:
    """A town in which nothing is done, only refused."""
    with copied_town(base_settings, settled) as made:
        yield made


@pytest.fixture
def town(base_settings: Settings, settled: Settled) -> Iterator[Town]:
    with copied_town(base_settings, settled) as made:
        yield made


def net(balance: dict[str, Any]) -> int:
    return int(balance["principal"] + balance["penalty"] - balance["advance"])


def adjusts(town: Town, *more: str, **environment: str) -> Any:
    words = ("adjust", NUMBER, "--period", "2026-02", "--service", "heating=1,00", *BY)
    result = town.run(*words, *more, **environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def proposes(town: Town) -> str:
    made = json.loads(adjusts(town, "--json", **ALWAYS_TWO))
    assert made["state"] == "proposed"
    return str(made["correction_id"])


def refused(town: Town, *words: str, **environment: str) -> str:
    """What is said on standard error when it is refused; nothing is recorded."""
    events = town.rows("events")
    result = town.run(*words, **environment)
    assert result.exit_code == 2, result.output
    assert town.rows("events") == events
    return " ".join(result.stderr.split())


# What was done before


def test_a_correction_said_again_says_that_it_was_done_before(town: Town) -> None:
    assert adjusts(town).startswith("Done.")
    again = adjusts(town)
    assert again.startswith("It was done before, so nothing was changed;")
    assert "At that time" in again
    assert json.loads(adjusts(town, "--json"))["repeated"] is True
    once_more = json.loads(adjusts(town, "--json", "--command-id", "the other one"))
    assert (once_more["state"], once_more["repeated"]) == ("done", False)


def test_who_approves_second_is_told_that_it_was_somebody_else(town: Town) -> None:
    proposal = proposes(town)
    words = ("approve", proposal, "--actor", "petrov", "--reason", "seen the act")
    assert town.asks(*words)["repeated"] is False
    assert town.asks(*words)["repeated"] is True
    [event] = [row for row in town.rows("events") if "proposal_approved" in row["topic"]]
    kept = json.loads(bytes.fromhex(event["state"].removeprefix("\\x")))
    assert kept == {"by": "staff:petrov", "reason": "seen the act"}
    assert "approved already" in refused(town, "approve", proposal, "--actor", "sidorov")
    assert "approved already" in refused(town, "approve", proposal, "--actor", "ivanova")
    assert town.run("audit").exit_code == 0


def test_who_rejects_second_is_told_that_it_was_done(town: Town) -> None:
    proposal = proposes(town)
    words = ("reject", proposal, "--actor", "petrov", "--reason")
    assert town.asks(*words, "typo")["state"] == "rejected"
    assert "rejected already" in refused(town, *words, "another typo")


def test_of_many_who_approve_at_once_one_does(town: Town) -> None:
    proposal, before = UUID(proposes(town)), net(town.asks("balance", NUMBER))

    def approves(name: str) -> str:
        try:
            made = town.does(approve, Approve(proposal_id=proposal), actor=f"staff:{name}")
        except Conflict as refused:
            return refused.code
        return str(made["state"])

    with ThreadPoolExecutor(4) as together:
        said = Counter(together.map(approves, ("petrov", "sidorov", "orlova", "volkova")))
    assert said == {"approved": 1, "proposal_decided": 3}
    assert net(town.asks("balance", NUMBER)) == before + 100
    assert town.run("audit").exit_code == 0


def test_of_many_who_reverse_at_once_one_does(town: Town) -> None:
    payment_id, (number, amount, penalty) = list(town.payments.items())[-1]
    before = town.asks("balance", number)

    def reverses(reason: str) -> str:
        command = Correct(
            correction_id=uuid4(),
            correction=ReversePayment(payment_id=payment_id),
            reason=reason,
        )
        return str(town.does(correct_within(MAX_AMOUNT), command, actor="staff:petrov")["state"])

    with ThreadPoolExecutor(4) as together:
        said = Counter(together.map(reverses, ("a", "b", "c", "d")))
    assert said == {"done": 1, "unchanged": 3}
    assert net(town.asks("balance", number)) == net(before) + amount + penalty
    assert town.run("audit").exit_code == 0


# Dry runs refuse what would be refused


def test_a_dry_run_of_an_approval_asks_for_a_second_person_too(town: Town) -> None:
    proposal = proposes(town)
    alone = refused(town, "approve", proposal, "--actor", "ivanova", "--dry-run")
    assert alone.startswith("Somebody else")
    told = town.asks("approve", proposal, "--actor", "petrov", "--dry-run")
    assert (told["state"], told["would_be"]) == ("dry_run", "done")
    rejecting = ("reject", proposal, "--actor", "ivanova", "--reason", "typo", "--dry-run")
    told = town.asks(*rejecting)
    assert (told["state"], told["would_be"], told["accounts"]) == ("dry_run", "rejected", [])
    assert town.asks("approve", proposal, "--actor", "petrov")["state"] == "approved"
    assert "approved already" in refused(town, *rejecting)


# Accruing


def test_a_future_day_is_accrued_only_in_a_dry_run(lived_in: Town) -> None:
    tomorrow = (lived_in.store.clock.today() + timedelta(days=1)).isoformat()
    said = refused(lived_in, "accrue", "--on", tomorrow, *BY)
    assert said.startswith(f"--on: {tomorrow} is in the future")
    events = lived_in.rows("events")
    ahead = lived_in.asks("accrue", "--on", tomorrow, "--dry-run", *BY)
    assert ahead["on"] == tomorrow
    assert lived_in.rows("events") == events


def test_an_accrual_keeps_who_and_why(town: Town) -> None:
    day = date(2026, 7, 14)
    found = town.asks("accrue", "--on", str(day), *BY)
    assert found["changed"] > 0
    with town.database.owner("ledger") as owner:
        kept = [json.loads(row[0]) for row in owner.execute("SELECT result FROM commands")]
    told = {"on": str(day), "rules": found["rules"], "by": "staff:ivanova", "reason": "act 7"}
    assert kept.count(told) == 1
    authors = {row["actor"] for row in town.rows("events") if "penalty_" in row["topic"]}
    assert "staff:ivanova" in authors
    assert town.run("audit").exit_code == 0


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
    lived_in: Town, words: tuple[str, ...], sentence: str
) -> None:
    assert refused(lived_in, "accrue", *words).startswith(sentence)


# No database


@pytest.mark.parametrize("verb", ["verify", "checkpoint", "audit"])
def test_what_is_no_url_of_a_database_is_refused_in_a_sentence(lived_in: Town, verb: str) -> None:
    said = refused(lived_in, verb, SALDO_DATABASE_URL_LEDGER="postgresql:1//u:hunter2@h/db")
    assert said.startswith("the database URL of ledger cannot be read")
    assert "hunter2" not in said
