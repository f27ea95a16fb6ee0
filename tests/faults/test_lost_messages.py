"""What a broker may have lost when it was emptied or put back, and what it may not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.checker.evidence import Evidence, Fact
from tests.faults.load.beliefs import Belief

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
AHEAD = timedelta(days=2)


def note(what: str, at: datetime, **data: str) -> Belief:
    return Belief(id=f"{what} {at}", at=at.timestamp(), who="schedule", what=what, outcome="note",
                  data=data)  # fmt: skip


def evidence(*notes: Belief, times: list[datetime]) -> Evidence:
    facts = [
        Fact(position, "stream", position, "ledger.account_opened.v1", {}, at, "")
        for position, at in enumerate(times, 1)
    ]
    return Evidence({}, None, notes, _facts={"ledger": facts})  # type: ignore[arg-type]


def seconds(*values: float) -> list[datetime]:
    return [NOON + timedelta(seconds=value) for value in values]


@pytest.mark.parametrize("fault", ["empty_broker", "restore_broker"])
def test_what_was_published_before_the_broker_was_back_may_be_gone(fault: str) -> None:
    found = evidence(note("fault", NOON, did=f"{fault} healed"), times=seconds(-1, 1))
    assert found.may_be_gone("ledger", 1)
    assert not found.may_be_gone("ledger", 2)


def test_other_faults_lose_no_message() -> None:
    found = evidence(note("fault", NOON, did="kill -9 rabbitmq"), times=seconds(-1))
    assert not found.may_be_gone("ledger", 1)
    assert not found.may_be_gone("ledger", 1, from_queues=True)


def test_queue_lacks_what_was_published_before_it_was_declared_again() -> None:
    found = evidence(
        note("fault", NOON, did="empty_broker healed"),
        note("queues", NOON + timedelta(seconds=10)),
        times=seconds(5, 15),
    )
    assert not found.may_be_gone("ledger", 1)
    assert found.may_be_gone("ledger", 1, from_queues=True)
    assert not found.may_be_gone("ledger", 2, from_queues=True)


def test_time_of_a_clock_that_was_ahead_is_not_believed() -> None:
    lost = note("fault", NOON, did="empty_broker healed")
    found = evidence(lost, times=[*seconds(-5), NOON + AHEAD, *seconds(-1, 1)])
    assert found.may_be_gone("ledger", 2)
    assert not found.may_be_gone("ledger", 4)
