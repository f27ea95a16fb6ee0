"""Reconciliation: every difference is named, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import psycopg
import pytest

from deploy.demo import reconciliation
from deploy.demo.client import PaymentLine
from deploy.demo.loop import Belief
from deploy.demo.reconciliation import (
    Order,
    Payment,
    Snapshot,
    compare,
    compare_beliefs,
    wait_for_agreement,
)

LINES = (PaymentLine("0100000001", 4500_00, 14_25), PaymentLine("0100000038", 713_27))
TOTAL = sum(line.total for line in LINES)
ORDER = Order(order_number="n1", amount=TOTAL, charged=TOTAL)
PAYMENT = Payment("p1", ("n0", "n1"), "completed", TOTAL, LINES)
POSTINGS = tuple(("p1", line) for line in LINES)
OPEN = Snapshot(
    [Order(order_number="n2", amount=100)],
    [Payment("p2", ("n2",), "awaiting_payment", 100, (PaymentLine("1", 100),))],
    [],
)
AGREED = Snapshot([ORDER], [PAYMENT], POSTINGS)


def test_agreeing_records_have_no_differences() -> None:
    assert compare(AGREED) == []
    assert compare(OPEN) == []
    assert compare(Snapshot([], [], [])) == []
    assert set(AGREED.sums.values()) == {TOTAL}


@pytest.mark.parametrize(
    ("snapshot", "named"),
    [
        (replace(AGREED, payments=[], postings=[]), "order n1: charged, and no payment"),
        (replace(AGREED, orders=[]), "payment p1 (completed): the acquirer has 0,00 of"),
        (
            replace(AGREED, payments=[replace(PAYMENT, state="failed")]),
            "payment p1 (failed): the acquirer has taken",
        ),
        (
            replace(AGREED, orders=[msgspec.structs.replace(ORDER, amount=TOTAL + 1)]),
            "an order over",
        ),
        (
            replace(AGREED, orders=[msgspec.structs.replace(ORDER, returned=1)]),
            "the acquirer has",
        ),
        (
            replace(AGREED, orders=[ORDER, msgspec.structs.replace(ORDER, order_number="n0")]),
            "the acquirer has",
        ),
        (replace(AGREED, postings=POSTINGS[:1]), "account 0100000038, 713,27 is missing"),
        (replace(AGREED, postings=(*POSTINGS, POSTINGS[1])), "1 times too often"),
        (
            replace(AGREED, postings=(("p1", replace(LINES[0], amount=1)), POSTINGS[1])),
            "account 0100000001, 4\u00a0500,00 and penalty 14,25 is missing",
        ),
        (replace(OPEN, postings=(("p2", PaymentLine("1", 100)),)), "too often"),
    ],
)
def test_every_difference_is_named(snapshot: Snapshot, named: str) -> None:
    assert any(named in difference for difference in compare(snapshot)), compare(snapshot)


def belief(**changes: object) -> Belief:
    correct = Belief(
        worker=0,
        key="k",
        started_at="2026-11-23T00:00:00+00:00",
        lines=[(line.account, line.amount, line.penalty) for line in reversed(LINES)],
        total=TOTAL,
        payment_id="p1",
        charged="yes",
    )
    return msgspec.structs.replace(correct, **changes)


@pytest.mark.parametrize(
    ("wrong", "snapshot", "named"),
    [
        (belief(), AGREED, ""),
        (belief(charged="unknown"), AGREED, ""),
        (belief(payment_id="", charged="no"), AGREED, ""),
        (belief(charged="no"), AGREED, "charged=no"),
        (belief(), replace(AGREED, orders=[]), "charged=yes"),
        (belief(payment_id="p9"), AGREED, "was started, and is missing"),
        (belief(lines=[("0100000001", TOTAL, 0)]), AGREED, "lines differ"),
    ],
)
def test_wrong_belief_of_a_payer_is_named(wrong: Belief, snapshot: Snapshot, named: str) -> None:
    found = compare_beliefs([wrong], snapshot)
    assert len(found) == (1 if named else 0)
    assert all(named in difference for difference in found)


def test_reconciliation_waits_for_payments_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "POLL_SECONDS", 0)
    snapshots = iter([replace(AGREED, postings=()), replace(AGREED, postings=()), AGREED])
    assert wait_for_agreement(lambda: next(snapshots), 60) == (AGREED, [])
    _, found = wait_for_agreement(lambda: replace(AGREED, postings=()), 0)
    assert len(found) == 3


def test_reconciliation_retries_after_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "POLL_SECONDS", 0)
    silent = iter([True, False])

    def look() -> Snapshot:
        if next(silent):
            raise psycopg.OperationalError("the server is being restarted")
        return AGREED

    assert wait_for_agreement(look, 60) == (AGREED, [])
    silent = iter([True])
    with pytest.raises(psycopg.OperationalError):
        wait_for_agreement(look, 0)
