"""What becomes of messages whose reaction fails: tried again, parked, or held with their queue."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from shared.bus.reactions import Delivery
from shared.bus.reader import StoppedError
from shared.errors import NotFound
from tests.conftest import Database
from tests.integration.bus_ends import Calls, open_one, pay, queued
from tests.integration.reading_payments import Reading, calls, metric
from tests.integration.test_reactions import count_payments, seen

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("clean_bus")]

__all__ = ["calls"]


def test_conflicts_are_no_failure_of_the_message(database: Database, calls: Calls) -> None:
    tries: list[bool] = []

    def loses(session: Any, message: Any, services: Any) -> None:
        tries.append(session.from_log)
        if len(tries) < 9:
            raise psycopg.errors.UniqueViolation
        count_payments(session, message, services)

    pay(calls.ledger, 1)
    reader = Reading(calls, loses)
    reader.get(*queued(calls.ledger))
    assert seen(database) == [2]
    assert reader.parked == []
    assert max(reader.pauses) <= 5
    assert tries[-1], "it is decided again from the log, while nobody else appends"


def test_reaction_that_asks_for_the_end_of_its_process_is_parked(calls: Calls) -> None:
    def leaves(session: Any, message: Any, services: Any) -> None:
        raise SystemExit(3)

    pay(calls.ledger, 1)
    reader = Reading(calls, leaves)
    reader.get(*queued(calls.ledger))
    assert reader.parked == [(2, "RuntimeError")]


def test_conflict_that_never_ends_is_parked(calls: Calls) -> None:
    """A defect of a reaction that writes the same row twice holds nothing up for ever."""

    def always(session: Any, message: Any, services: Any) -> None:
        raise psycopg.errors.UniqueViolation

    pay(calls.ledger, 1)
    reader = Reading(calls, always)
    reader.get(*queued(calls.ledger))
    assert reader.parked == [(2, "UniqueViolation")]


def several_accounts(calls: Calls, number: int) -> list[Delivery]:
    """Return a payment for each of several accounts, as the queue has them."""
    names = [f"02000000{number:02}" for number in range(number)]
    for name in names:
        open_one(calls.ledger, name)
        pay(calls.ledger, 1, name)
    return queued(calls.ledger)


def test_defect_of_the_program_holds_the_queue_instead_of_parking_everything(
    database: Database, calls: Calls, logged: list[Any]
) -> None:
    def broken(session: Any, message: Any, services: Any) -> None:
        raise TypeError("a bad deployment")

    batch = several_accounts(calls, 10)
    reader = Reading(calls, broken)
    with pytest.raises(StoppedError):
        reader.get(*batch, stop_after=300)
    assert [reason for _, reason in reader.parked] == ["TypeError"] * 3
    assert metric("saldo_reaction_held") == 1
    held = [entry["seconds"] for entry in logged if entry["event"] == "reactions_held"]
    assert held == [5, 10, 20, 40, 60, 60, 60, 60]
    assert sum(reader.pauses) - sum(held) < 10, "the back-off is paid once, not for each message"
    repaired = Reading(calls)
    repaired.get(*batch)
    assert len(seen(database)) == 7
    assert len(repaired.parked) == 3
    assert metric("saldo_reaction_held") == 0


def test_held_message_that_goes_on_failing_is_parked_after_a_quarter_of_an_hour(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("shared.bus.holding.time.monotonic", lambda: now[0])

    def broken(session: Any, message: Any, services: Any) -> None:
        raise TypeError("bad data after all")

    batch = several_accounts(calls, 5)
    reader = Reading(calls, broken)

    def pause(seconds: float) -> None:
        now[0] += seconds

    reader.listener.process(batch, pause)
    assert len(reader.parked) == 5
    assert 1800 < now[0] < 2000


def test_refusals_of_several_messages_are_parked_without_paying_the_back_off_for_each(
    calls: Calls,
) -> None:
    def refuses(session: Any, message: Any, services: Any) -> None:
        raise NotFound("account_not_found", "There is no such account.")

    batch = several_accounts(calls, 10)
    reader = Reading(calls, refuses)
    reader.get(*batch)
    assert len(reader.parked) == 10
    assert sum(reader.pauses) < 10


def test_single_bad_messages_between_good_ones_are_parked_as_ever(
    database: Database, calls: Calls
) -> None:
    def picky(session: Any, message: Any, services: Any) -> None:
        if int(message.data["account"][-1]) % 2:
            raise TypeError("this one")
        count_payments(session, message, services)

    batch = several_accounts(calls, 10)
    reader = Reading(calls, picky)
    reader.get(*batch)
    assert len(reader.parked) == 5
    assert len(seen(database)) == 5


def test_messages_behind_a_parked_one_do_not_count_as_success(calls: Calls) -> None:
    def broken(session: Any, message: Any, services: Any) -> None:
        raise TypeError("a bad deployment")

    several_accounts(calls, 3)
    for name in ("0200000000", "0200000001", "0200000002"):
        pay(calls.ledger, 1, name)
    open_one(calls.ledger, "0300000000")
    pay(calls.ledger, 1, "0300000000")
    reader = Reading(calls, broken)
    with pytest.raises(StoppedError):
        reader.get(*queued(calls.ledger), stop_after=60)
    assert [reason for _, reason in reader.parked] == ["TypeError"] * 3 + ["BehindParked"] * 3
