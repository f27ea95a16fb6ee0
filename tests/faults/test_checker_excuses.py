"""What the checker excuses after faults, and what it says of a published event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from tests.faults.checker.evidence import Evidence, Fact
from tests.faults.checker.letters import AGAIN_AFTER_S, Copy, _twice
from tests.faults.checker.postings import _believed
from tests.faults.checker.promises import EFFECTS, _effect
from tests.faults.checker.published import differences
from tests.faults.load.beliefs import Belief
from tests.faults.thousand_orders.books import Books

NOON = 1_764_410_000.0
POSTED = Fact(
    7,
    "stream",
    3,
    "ledger.payment_posted.v1",
    {
        "account": "0100000001",
        "payment_id": "p",
        "effective_on": "2026-11-29",
        "amount": 500,
        "penalty": 20,
        "allocation": [{"period": "2026-10", "service": "heating", "amount": 500}],
        "penalty_allocated": 20,
        "advance": 0,
        "penalty_named": True,
    },
    datetime(2026, 11, 29, 12, tzinfo=UTC),
    "",
)
HEADERS = {
    "cloudEvents_type": "payment_posted",
    "cloudEvents_subject": "stream",
    "cloudEvents_time": "2026-11-29T12:00:00Z",
}
PUBLISHED: Mapping[str, Any] = {
    "account": "0100000001",
    "amount": 500,
    "allocation": [{"period": "2026-10", "service": "heating", "amount": 500}],
    "change": {"principal": -500, "penalty": -20, "advance": 0},
}


def evidence(*faults: tuple[float, str]) -> Evidence:
    notes = [
        Belief(id=str(n), at=at, who="schedule", what="fault", outcome="note", data={"did": did})
        for n, (at, did) in enumerate(faults)
    ]
    return Evidence({}, None, notes)  # type: ignore[arg-type]


def copies(*times: float) -> list[Copy]:
    return [Copy("1", at, "somebody@example.org", Path("letter")) for at in times]


def rules(known: Evidence, arrived: Mapping[str, list[Copy]]) -> set[str]:
    return {one.rule for one in _twice(known, arrived, dict.fromkeys(arrived, "kind"), {})}


def test_second_copy_is_excused_by_a_fault_at_the_time_of_the_first() -> None:
    known = evidence((NOON, "kill -9 work"), (NOON + 5, "kill healed"))
    assert rules(known, {"letter": copies(NOON + 4, NOON + 40)}) == set()


@pytest.mark.parametrize("first", [NOON - 60, NOON + 6 + AGAIN_AFTER_S])
def test_second_copy_is_not_excused_by_a_fault_of_another_time(first: float) -> None:
    known = evidence((NOON, "kill -9 work"), (NOON + 5, "kill healed"))
    assert rules(known, {"letter": copies(first, first + 1)}) == {"arrived twice"}


def test_fault_explains_a_few_second_copies_and_not_all() -> None:
    known = evidence((NOON, "kill -9 work"), (NOON + 5, "kill healed"))
    arrived = {str(uuid4()): copies(NOON + 1, NOON + 2) for _ in range(40)}
    assert rules(known, arrived) == {"too many arrive twice"}


def test_published_event_that_says_what_was_logged_is_right() -> None:
    assert list(differences(POSTED, HEADERS, msgspec.json.encode(PUBLISHED))) == []


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        ({"cloudEvents_type": "payment_reversed"}, {}),
        ({"cloudEvents_subject": "another"}, {}),
        ({"cloudEvents_time": "2026-11-29T12:00:01Z"}, {}),
        ({}, {"amount": 501}),
        ({}, {"account": "0100000002"}),
        ({}, {"allocation": []}),
        ({}, {"change": {"principal": -501, "penalty": -20, "advance": 0}}),
    ],
)
def test_published_event_that_says_otherwise_is_found(
    headers: Mapping[str, Any], data: Mapping[str, Any]
) -> None:
    body = msgspec.json.encode({**PUBLISHED, **data})
    assert list(differences(POSTED, {**HEADERS, **headers}, body))


@pytest.mark.parametrize(
    ("asked_at", "answered_at", "excused"),
    [(8.0, 9.0, False), (8.0, 12.0, True), (12.0, 25.0, True), (0.0, 15.0, True),
     (8.0, 25.0, True), (21.0, 25.0, False), (0.0, 25.0, False)],
)  # fmt: skip
def test_command_is_excused_by_a_loss_while_it_was_under_way(
    asked_at: float, answered_at: float, excused: bool
) -> None:
    lost = Belief(
        id="1", at=30.0, who="schedule", what="lost", outcome="note",
        data={"since": 10.0, "until": 20.0},
    )  # fmt: skip
    asked = Belief(
        id="2", at=answered_at, who="somebody", what="question.ask", outcome="acknowledged",
        asked_at=asked_at,
    )  # fmt: skip
    known = Evidence({}, None, [lost])  # type: ignore[arg-type]
    assert known.may_be_lost(asked) is excused


class OnePayment(Evidence):
    """A payment that was started by the call of a belief, and what has become of it."""

    def __init__(self, belief: Belief, *topics: str) -> None:
        super().__init__({}, None, [belief])  # type: ignore[arg-type]
        at = datetime(2026, 11, 29, 12, tzinfo=UTC)
        self._log = [
            Fact(n, "payment", n, f"payments.{topic}.v1", {}, at, belief.id)
            for n, topic in enumerate(("payment_started", *topics), 1)
        ]

    @property
    def logs(self) -> Sequence[str]:
        return ("payments",)

    def facts(self, log: str) -> list[Fact]:
        return self._log


@pytest.mark.parametrize(
    ("code", "became", "found"),
    [
        ("payment_must_be_restarted", "payment_expired", []),
        ("payment_must_be_restarted", "payment_failed", []),
        ("payment_must_be_restarted", "order_registered", ["refused and done"]),
        ("payment_open", "payment_expired", ["refused and done"]),
    ],
)
def test_payer_may_be_told_that_the_payment_which_he_has_started_is_over(
    code: str, became: str, found: list[str]
) -> None:
    belief = Belief(
        id="start", at=NOON, who="a payer", what="payment.start", outcome="refused", code=code
    )
    checked = _effect(OnePayment(belief, became), belief, EFFECTS[belief.what])
    assert [finding.rule for finding in checked] == found


class OneCard(Evidence):
    """A payer who was led back from the bank's page after he had entered a card."""

    def __init__(self, *log: Fact) -> None:
        belief = Belief(
            id="1",
            at=NOON,
            who="somebody",
            what="payment.card",
            outcome="acknowledged",
            data={"payment_id": "p", "charged": "yes"},
        )
        super().__init__({}, None, [belief])  # type: ignore[arg-type]
        self._log = log

    def facts(self, service: str) -> Sequence[Fact]:
        return self._log

    def rows(self, query: str) -> list[dict[str, Any]]:
        return [{"id": "p"}]


@pytest.mark.parametrize(("topic", "found"), [("captured", 1), ("expired", 0)])
def test_page_of_an_order_that_was_closed_meanwhile_leads_back_without_a_charge(
    topic: str, found: int
) -> None:
    event = Fact(1, "p", 1, f"payments.payment_{topic}.v1", {}, POSTED.recorded_at, "")
    assert len(list(_believed(OneCard(event), Books({}, {}, {}, [])))) == found
