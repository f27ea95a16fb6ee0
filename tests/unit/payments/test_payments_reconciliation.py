"""The comparison of orders, acquirer, ledger and registers, as a pure function."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.payments.reconciliation.comparison import Records, compare
from services.payments.reconciliation.findings import (
    BankOrder,
    Finding,
    Held,
    Kind,
    Line,
    OurPayment,
    Posting,
    RegisterLine,
    Source,
    What,
)

DAY, EVE = date(2026, 11, 20), date(2026, 11, 19)
ONE, TWO = "0100000001", "0100000002"

OURS = OurPayment(
    payment_id="p1",
    acquirer="main",
    order_numbers=("n1",),
    state="completed",
    day=DAY,
    amount=500,
    lines=(Line(ONE, 300), Line(TWO, 200)),
)
ORDER = BankOrder(acquirer="main", order_number="n1", state="paid", day=DAY, amount=500)
POSTINGS = (
    Posting(payment_id="p1", account=ONE, day=DAY, amount=300),
    Posting(payment_id="p1", account=TWO, day=DAY, amount=200),
)
AT_BANK = Posting(payment_id="b1", account=ONE, day=DAY, amount=700, place="bank")
REGISTERED = RegisterLine(
    register="r-17", line="3", payment_id="b1", account=ONE, day=DAY, amount=700, state="posted"
)
GOOD = Records(ours=[OURS], orders=[ORDER], postings=[*POSTINGS, AT_BANK], lines=[REGISTERED])

replaced = msgspec.structs.replace


def differences(records: Records) -> list[tuple[Source, Kind, tuple[What, ...]]]:
    return [
        (difference.source, difference.kind, difference.what)
        for finding in compare(records)
        for difference in finding.differences
    ]


def commands(records: Records) -> list[str]:
    return [
        difference.command for finding in compare(records) for difference in finding.differences
    ]


def test_what_agrees_everywhere_is_matched() -> None:
    assert differences(GOOD) == []
    assert [finding.kind for finding in compare(GOOD)] == [Kind.MATCHED, Kind.MATCHED]


def test_a_charge_that_we_do_not_know_of_is_polled() -> None:
    waiting = replaced(OURS, state="awaiting_payment", amount=0, day=None)
    records = Records(ours=[waiting], orders=[ORDER])
    [finding] = compare(records)
    assert finding.kind is Kind.MISSING_HERE
    [difference] = finding.differences
    assert difference.source is Source.ACQUIRER
    assert difference.polls
    assert difference.command == "saldo payments resolve p1 --poll --reason WHY"


def test_an_order_that_is_not_ours_is_credited_by_hand() -> None:
    [finding] = compare(Records(orders=[replaced(ORDER, order_number="strange")]))
    assert (finding.kind, finding.payment_id) == (Kind.MISSING_HERE, None)
    assert finding.differences[0].command == (
        "saldo ledger pay ACCOUNT --amount 5,00 --on 2026-11-20 --at bank --document strange "
        "--reason WHY"
    )


def test_a_charge_that_the_bank_does_not_know_is_missing_there() -> None:
    records = replaced(GOOD, orders=[])
    assert differences(records) == [(Source.ACQUIRER, Kind.MISSING_THERE, (What.PAYMENT,))]
    assert commands(records) == ["saldo ledger reverse p1 --reason WHY"]


@pytest.mark.parametrize("state", ["failed", "expired", "mismatch", "awaiting_payment"])
def test_a_charge_that_went_back_before_it_was_credited_agrees(state: str) -> None:
    ours = replaced(OURS, state=state, amount=0, day=None)
    assert differences(Records(ours=[ours], orders=[replaced(ORDER, returned=500)])) == []


def test_a_charge_of_another_sum_is_returned_or_credited_by_staff() -> None:
    ours = replaced(OURS, state="mismatch", amount=0, day=None)
    records = Records(ours=[ours], orders=[replaced(ORDER, amount=499)])
    assert differences(records) == [(Source.ACQUIRER, Kind.DIFFERING, (What.SUM,))]
    assert commands(records) == ["saldo payments resolve p1 --return --reason WHY"]


def test_two_charged_orders_of_one_payment_differ_by_their_sum() -> None:
    ours = replaced(OURS, order_numbers=("n1", "n2"))
    records = replaced(GOOD, ours=[ours], orders=[ORDER, replaced(ORDER, order_number="n2")])
    assert differences(records) == [(Source.ACQUIRER, Kind.DIFFERING, (What.SUM,))]


def test_a_refund_at_the_bank_without_us_is_polled() -> None:
    records = replaced(GOOD, orders=[replaced(ORDER, state="returned", returned=500)])
    assert differences(records) == [(Source.ACQUIRER, Kind.DIFFERING, (What.RETURNED,))]
    [polled] = [difference for finding in compare(records) for difference in finding.differences]
    assert polled.polls


def test_another_day_at_the_bank_is_a_difference() -> None:
    records = replaced(GOOD, orders=[replaced(ORDER, day=EVE)])
    assert differences(records) == [(Source.ACQUIRER, Kind.DIFFERING, (What.DAY,))]


def test_a_captured_payment_that_the_ledger_lacks_is_retried() -> None:
    records = replaced(GOOD, postings=[AT_BANK])
    assert differences(records) == [(Source.LEDGER, Kind.MISSING_THERE, (What.PAYMENT,))]
    assert commands(records) == ["saldo bus parked ledger --retry-all"]


def test_a_line_that_the_ledger_lacks_differs_by_its_sum() -> None:
    records = replaced(GOOD, postings=[POSTINGS[0], AT_BANK])
    assert differences(records) == [(Source.LEDGER, Kind.DIFFERING, (What.SUM,))]


def test_a_posting_that_a_clerk_reversed_is_given_back_to_the_card() -> None:
    reversed_ = replaced(POSTINGS[1], reversed=True)
    records = replaced(GOOD, postings=[POSTINGS[0], reversed_, AT_BANK])
    assert differences(records) == [(Source.LEDGER, Kind.DIFFERING, (What.STATE,))]
    assert commands(records) == [
        f"saldo payments refund p1 --account {TWO} --amount 2,00 --reason WHY"
    ]


def test_a_refund_that_reached_every_book_agrees() -> None:
    ours = replaced(
        OURS, state="partly_refunded", returned=200, lines=(Line(ONE, 300), Line(TWO, 200, 200))
    )
    records = replaced(
        GOOD,
        ours=[ours],
        orders=[replaced(ORDER, state="returned", returned=200)],
        postings=[POSTINGS[0], replaced(POSTINGS[1], returned=200), AT_BANK],
    )
    assert differences(records) == []
    ledger_behind = replaced(records, postings=[*POSTINGS, AT_BANK])
    assert differences(ledger_behind) == [(Source.LEDGER, Kind.DIFFERING, (What.RETURNED,))]


def test_a_posting_without_a_payment_is_missing_here() -> None:
    records = replaced(GOOD, ours=[], orders=[])
    assert differences(records) == [(Source.LEDGER, Kind.MISSING_HERE, (What.PAYMENT,))]


def test_what_staff_entered_in_the_ledger_is_compared_with_nothing() -> None:
    entered = replaced(POSTINGS[0], payment_id="s1", by_staff=True, place="bank")
    found = compare(replaced(GOOD, postings=[*GOOD.postings, entered]))
    assert [finding.payment_id for finding in found if finding.is_by_staff] == ["s1"]
    assert not any(finding.differences for finding in found)


def test_a_register_line_in_suspense_is_missing_here_with_its_command() -> None:
    suspended = replaced(
        REGISTERED,
        payment_id=None,
        account=None,
        state="suspended",
        command="saldo payments assign",
    )
    records = replaced(GOOD, postings=POSTINGS, lines=[suspended])
    assert differences(records) == [(Source.REGISTER, Kind.MISSING_HERE, (What.STATE,))]
    assert commands(records) == ["saldo payments assign"]


def test_a_register_line_that_was_sent_back_is_owed_to_nobody() -> None:
    sent_back = replaced(REGISTERED, account=None, state="returned")
    assert differences(replaced(GOOD, postings=POSTINGS, lines=[sent_back])) == []


def test_a_bank_posting_that_no_register_has_is_missing_there() -> None:
    records = replaced(GOOD, lines=[])
    assert differences(records) == [(Source.REGISTER, Kind.MISSING_THERE, (What.PAYMENT,))]


def test_a_bank_posting_of_another_sum_differs() -> None:
    records = replaced(GOOD, lines=[replaced(REGISTERED, amount=701)])
    assert differences(records) == [(Source.REGISTER, Kind.DIFFERING, (What.SUM,))]


def test_only_the_wanted_sources_are_compared() -> None:
    found = compare(Records(ours=[OURS]), {Source.ACQUIRER})
    assert [one.source for finding in found for one in finding.differences] == [Source.ACQUIRER]


IDS = st.sampled_from(["p1", "p2", "p3"])
SUMS = st.integers(0, 1_000)
STATES = st.sampled_from(["created", "mismatch", "captured", "completed", "refunded", "failed"])


def _records(draw: Any) -> Records:
    account = st.sampled_from([ONE, TWO])
    day = st.sampled_from([DAY, EVE])
    ours = st.builds(
        OurPayment,
        payment_id=IDS,
        acquirer=st.just("main"),
        order_numbers=st.lists(st.sampled_from(["n1", "n2", "n3"]), max_size=2).map(tuple),
        state=STATES,
        day=day,
        amount=SUMS,
        returned=SUMS,
        lines=st.lists(st.builds(Line, account, SUMS, SUMS), max_size=2).map(tuple),
    )
    order = st.builds(
        BankOrder,
        acquirer=st.just("main"),
        order_number=st.sampled_from(["n1", "n2", "n3", "n4"]),
        state=st.just("paid"),
        day=day,
        amount=SUMS,
        returned=SUMS,
    )
    posting = st.builds(
        Posting,
        payment_id=IDS,
        account=account,
        day=day,
        amount=SUMS,
        returned=SUMS,
        reversed=st.booleans(),
        by_staff=st.booleans(),
        place=st.sampled_from(["", "bank"]),
    )
    line = st.builds(
        RegisterLine,
        register=st.just("r"),
        line=st.integers(1, 9).map(str),
        payment_id=st.one_of(st.none(), IDS),
        account=st.one_of(st.none(), account),
        day=day,
        amount=SUMS,
        state=st.sampled_from(["posted", "suspended"]),
    )
    return Records(
        ours=draw(st.lists(ours, max_size=4)),
        orders=draw(st.lists(order, max_size=5)),
        postings=draw(st.lists(posting, max_size=5)),
        lines=draw(st.lists(line, max_size=4)),
    )


RECORDS = st.composite(_records)()


def of(findings: list[Finding]) -> Counter[Any]:
    """Return how often each record is in the findings."""
    return Counter(
        record
        for finding in findings
        for record in (
            *((finding.ours,) if finding.ours else ()),
            *finding.orders,
            *finding.postings,
            *((finding.register,) if finding.register else ()),
        )
    )


@settings(max_examples=300, deadline=None)
@given(RECORDS)
def test_every_kopeck_of_each_side_is_in_exactly_one_finding(records: Records) -> None:
    findings = compare(records)
    given_ = [*records.ours, *records.orders, *records.postings, *records.lines]
    assert of(findings) == Counter(given_)
    for source in Source:
        added = sum((found for one in findings if (found := one.held(source)) is not None), Held())
        assert added == records.held(source)


@settings(max_examples=300, deadline=None)
@given(RECORDS)
def test_a_difference_names_what_settles_it(records: Records) -> None:
    for finding in compare(records):
        for difference in finding.differences:
            assert difference.command.startswith("saldo "), difference
            assert difference.kind is not Kind.MATCHED
            assert difference.what
