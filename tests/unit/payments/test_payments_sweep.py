"""The sweep: what acquirers report to have charged and returned, beside what we know."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from payment_doubles import FakeAcquirer, Harness

from services.payments.acquirers import OrderReport
from services.payments.events import Line
from services.payments.sweep import LONG, PAUSE_OF_LONG, SHORT, Sweep

ONE = Line("0001", 450_000, 1_250)
TWO = Line("0002", 20_000, 0)


def test_sweep_finds_a_charge_whose_callback_was_lost(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.advance(minutes=1)
    harness.poll()
    harness.acquirer.pay(harness.number(started))
    harness.advance(seconds=10)
    assert harness.poll() == 0
    harness.swept()
    assert harness.poll() == 1
    assert harness.view(started)["state"] == "captured"
    harness.swept()
    assert harness.poll() == 0


def test_sweep_finds_money_that_the_bank_returned(harness: Harness) -> None:
    started = harness.captured(ONE, TWO)
    harness.acquirer.give_back_at_bank(harness.number(started), 471_250)
    harness.swept()
    assert harness.poll() == 1
    shown = harness.view(started)
    assert (shown["state"], shown["refunded"]) == ("refunded", 471_250)
    assert [one["cause"] for one in shown["refunds"]] == ["bank"]
    assert harness.poll_of(started) is None


def test_acquirer_that_answers_again_is_asked_at_once(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.is_silent = True
    harness.advance(minutes=6)
    harness.poll()
    harness.swept()
    assert harness.poll() == 0
    harness.acquirer.is_silent = False
    harness.swept()
    assert harness.poll() == 1
    assert harness.view(started)["state"] == "awaiting_payment"


@pytest.mark.parametrize("seconds", [0.2, 10.0, 300.0])
def test_last_day_is_swept_as_often_as_that_costs_little(harness: Harness, seconds: float) -> None:
    now, asked = 0.0, list[timedelta]()

    class Slow(FakeAcquirer):
        def report(self, since: datetime, until: datetime) -> Iterator[OrderReport]:
            nonlocal now
            now += seconds
            asked.append(self.clock.now() - since)
            return super().report(since, until)

    harness.acquirer = Slow(harness.clock)
    harness.sweep = Sweep(lambda: now)
    pause = min(PAUSE_OF_LONG * seconds, 3_600.0)
    harness.swept()
    now += pause - 1
    harness.swept()
    now += 1
    harness.swept()
    assert asked == [LONG, SHORT, LONG]


def test_return_of_an_older_charge_that_no_callback_told_is_found(harness: Harness) -> None:
    started = harness.captured(ONE, TWO)
    harness.swept()
    harness.advance(hours=2)
    harness.swept()
    harness.acquirer.give_back_at_bank(harness.number(started), 1_250)
    harness.swept()
    assert harness.poll() == 1
    assert harness.view(started)["refunded"] == 1_250


def test_sweep_of_the_last_day_that_was_not_answered_is_repeated(harness: Harness) -> None:
    asked = list[timedelta]()

    class Recorded(FakeAcquirer):
        def report(self, since: datetime, until: datetime) -> Iterator[OrderReport]:
            asked.append(self.clock.now() - since)
            return super().report(since, until)

    harness.acquirer = Recorded(harness.clock)
    harness.acquirer.is_silent = True
    harness.swept()
    harness.swept()
    assert asked == [LONG, LONG]
