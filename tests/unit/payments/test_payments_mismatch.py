"""Another sum was charged than ordered: all of it goes back, whatever happens on the way."""

from __future__ import annotations

from typing import Any

from payment_doubles import Harness

from services.payments.acquirers import OrderState
from services.payments.application import MISMATCH_CONFIRMED
from services.payments.events import Line

ONE = Line("0001", 450_000, 1_250)
CHARGED = 451_260
CONFIRMED = MISMATCH_CONFIRMED.total_seconds()


def found(harness: Harness) -> dict[str, Any]:
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started), amount=CHARGED)
    harness.call_back(started)
    assert harness.view(started)["state"] == "mismatch"
    return started


def go_on(harness: Harness, times: int = 3) -> None:
    for _ in range(times):
        harness.advance(seconds=max(CONFIRMED, 10.0))
        harness.poll()
        harness.make_refunds()


def test_what_the_bank_has_returned_by_itself_is_not_asked_for_again(harness: Harness) -> None:
    started = found(harness)
    harness.acquirer.give_back_at_bank(harness.number(started), 1_000)
    go_on(harness)
    assert harness.acquirer.refunds == [(harness.number(started), CHARGED - 1_000)]
    shown = harness.view(started)
    assert (shown["state"], shown["refunded"]) == ("failed", CHARGED)


def test_a_return_that_the_bank_refuses_is_asked_for_again(harness: Harness) -> None:
    started = found(harness)
    harness.acquirer.refuses_refunds = True
    go_on(harness, times=4)
    assert harness.view(started)["state"] == "mismatch"
    harness.acquirer.refuses_refunds = False
    go_on(harness)
    shown = harness.view(started)
    assert (shown["state"], shown["failure"], shown["refunded"]) == (
        "failed",
        "given_back",
        CHARGED,
    )


def test_a_report_that_lags_does_not_put_a_mismatch_off(harness: Harness) -> None:
    started = found(harness)
    order = harness.acquirer.orders[harness.number(started)]
    paid = dict(order)
    order |= {"state": OrderState.PENDING, "charged": 0}
    harness.advance(seconds=CONFIRMED)
    harness.poll()
    order |= paid
    go_on(harness)
    assert harness.view(started)["state"] == "failed"


def test_an_acquirer_that_is_silent_for_a_while_does_not_put_a_mismatch_off(
    harness: Harness,
) -> None:
    started = found(harness)
    harness.acquirer.is_silent = True
    harness.advance(seconds=CONFIRMED)
    harness.poll()
    harness.acquirer.is_silent = False
    go_on(harness)
    assert harness.view(started)["state"] == "failed"
