"""What a broker or a database may have lost when it was emptied or put back, and what not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.checker.evidence import Evidence, Fact
from tests.faults.checker.promises import password_may_be_gone
from tests.faults.load.beliefs import Belief, Outcome

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
def test_message_published_before_the_broker_was_back_may_be_gone(fault: str) -> None:
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


@pytest.mark.parametrize(
    ("did", "refused"),
    [
        ("kill -9 mq-1", [2, 3]),
        ("cut mq-2 off", [2, 3]),
        ("shut mq-3 down", [2, 3]),
        ("kill -9 the RabbitMQ that leads ledger.from.payments", [2, 3]),
        ("an alarm of RabbitMQ: memory", []),
        ("kill -9 pg-1, which leads", []),
        ("kill -9 gateway-1", []),
    ],
)
def test_queue_may_refuse_what_is_recorded_around_the_loss_of_a_node_of_the_broker(
    did: str, refused: list[int]
) -> None:
    found = evidence(note("fault", NOON, did=did), times=seconds(-31, -29, 89, 91))
    assert [at for at in range(1, 5) if found.is_refused_at_failover("ledger", at)] == refused
    assert not any(found.may_be_gone("ledger", at, from_queues=True) for at in range(1, 5))


def test_time_of_a_clock_that_was_ahead_is_not_believed() -> None:
    lost = note("fault", NOON, did="empty_broker healed")
    found = evidence(lost, times=[*seconds(-5), NOON + AHEAD, *seconds(-1, 1)])
    assert found.may_be_gone("ledger", 2)
    assert not found.may_be_gone("ledger", 4)


def changed(at: float, outcome: Outcome) -> Belief:
    return Belief(id=f"change {at}", at=NOON.timestamp() + at, who="me", what="password.change",
                  outcome=outcome, data={"email": "a@b.invalid"})  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ([changed(-20, "acknowledged")], False),
        ([changed(-5, "acknowledged")], True),
        ([changed(-5, "unknown")], True),
        ([changed(-5, "refused")], False),
        ([changed(-5, "acknowledged"), changed(5, "acknowledged")], False),
        ([changed(-5, "acknowledged"), changed(5, "unknown")], True),
    ],
)
def test_password_opens_nothing_once_its_change_was_lost(changes: list[Belief], gone: bool) -> None:
    instant = NOON.timestamp()
    lost = Belief(id="lost", at=instant, who="schedule", what="lost", outcome="note",
                  data={"since": instant - 10, "until": instant})  # fmt: skip
    found = evidence(*changes, lost, times=[])
    assert password_may_be_gone(found, "a@b.invalid") is gone
    assert not password_may_be_gone(found, "c@d.invalid")
