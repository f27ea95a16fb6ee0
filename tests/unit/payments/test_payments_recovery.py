"""Payments that a restore took from the log: taken up again, under their own ids."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import StoredEvent
from payment_doubles import PERSON, SIGNATURE, FakeAcquirer, Harness

from services.payments.acquirers import CallbackRequest
from services.payments.callback import receive_callback
from services.payments.domain import PaymentOrder
from services.payments.events import Line, RefundLine
from services.payments.lost_events import PaymentRecovery, judge
from services.payments.publishing import publish
from services.payments.reconciliation.findings import Difference, Finding, Kind, Source, What
from services.payments.reconciliation.settling import recover_first
from services.payments.state import State
from shared.bus import Publication
from shared.contracts.payments import Failure
from shared.errors import Unavailable
from shared.eventstore import Session
from shared.eventstore.lost_events import Fate, Judged, LostEvent

ONE = Line("0001", 450_000, 1_250)
TWO = Line("0002", 20_000, 0)


class Ledger:
    """The ledger's word on payments: `rows` is what it has posted."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.silent = False

    def call(self, service: str, method: str, *, payment_ids: list[str]) -> dict[str, Any]:
        assert (service, method) == ("ledger", "payments_posted")
        if self.silent:
            raise Unavailable("no_answer", "The service did not answer.")
        return {"payments": [row for row in self.rows if row["payment_id"] in payment_ids]}

    def post(self, payment_id: str, line: Line, position: int, refunded: int = 0) -> None:
        self.rows.append(
            {
                "payment_id": payment_id,
                "account": line.account,
                "position": position,
                "moved_from": "",
                "moved_to": "",
                "reversed": 0,
                "refunded": refunded,
            }
        )


def restored(before: Harness, keep: int) -> tuple[Harness, list[LostEvent]]:
    """Return payments with the first events of a log alone, and what that has lost."""
    after = Harness()
    after.clock, after.store.clock = before.clock, before.clock
    after.acquirer = before.acquirer
    for recorded in before.store.log[:keep]:
        state = before.store.events.encode(recorded.event)
        stored = StoredEvent(
            recorded.originator_id, recorded.originator_version, recorded.event.topic, state
        )
        after.store.recorder.insert_events([stored])
        after.store.log.append(recorded)
        after.tables.project([recorded], {})
    lost = [
        LostEvent(
            epoch="1",
            position=recorded.position,
            version=1,
            type=published.type,
            subject=published.subject,
            occurred_at=recorded.recorded_at,
            correlation_id="c",
            data=published.data,
        )
        for recorded in before.store.log[keep:]
        if isinstance(published := publish(recorded), Publication)
    ]
    after.tables.lost.opened = True
    return after, lost


def recover(harness: Harness, lost: list[LostEvent], ledger: Ledger | None = None) -> list[Judged]:
    subjects: dict[str, list[LostEvent]] = {}
    for event in lost:
        subjects.setdefault(event.subject, []).append(event)
    recovery = PaymentRecovery(harness.store, harness.acquirers, (ledger or Ledger()).call)
    found = [one for events in subjects.values() for one in recovery.take_up(events)]
    harness.tables.lost.opened = False
    return found


def payment(harness: Harness, started: dict[str, Any]) -> PaymentOrder:
    payment_id = UUID(started["payment_id"])
    return harness.store.query(lambda session: session.load(PaymentOrder, payment_id))


def fates(judged: list[Judged]) -> dict[str, Fate]:
    return {one.event.type: one.fate for one in judged}


def test_lost_charge_is_captured_under_the_same_id_number_and_day() -> None:
    before = Harness()
    started = before.captured(ONE, TWO)
    was = payment(before, started)
    before.advance(days=3)
    after, lost = restored(before, keep=0)
    assert fates(recover(after, lost)) == {
        "payment_started": Fate.BROUGHT_BACK,
        "payment_captured": Fate.BROUGHT_BACK,
    }
    found = payment(after, started)
    assert found.state is State.CAPTURED
    assert (found.person_id, found.order_number, found.lines) == (
        PERSON,
        was.order_number,
        was.lines,
    )
    assert after.row(started)["paid_on"] == before.row(started)["paid_on"]
    assert len(before.acquirer.registered) == 1


def test_recovery_twice_changes_nothing() -> None:
    before = Harness()
    before.captured(ONE)
    after, lost = restored(before, keep=0)
    recover(after, lost)
    events = after.events()
    judged = recover(after, lost)
    assert (after.events(), {one.fate for one in judged}) == (events, {Fate.NOTHING})


def test_charge_that_came_after_the_tail_is_captured_too() -> None:
    before = Harness()
    started = before.start(ONE)
    after, lost = restored(before, keep=0)
    before.acquirer.pay(before.number(started))
    recover(after, lost)
    assert payment(after, started).state is State.CAPTURED


def test_payment_that_the_payer_has_not_finished_stays_open_without_a_page() -> None:
    before = Harness()
    started = before.start(ONE)
    after, lost = restored(before, keep=0)
    recover(after, lost)
    found = payment(after, started)
    assert (found.is_open, found.form_url) == (True, "")
    before.acquirer.pay(before.number(started))
    after.swept()
    after.advance(seconds=10)
    after.poll()
    assert payment(after, started).state is State.CAPTURED
    assert len(before.acquirer.registered) == 1


def test_payment_that_no_bank_knows_has_failed() -> None:
    before = Harness()
    before.acquirer.is_silent = True
    started = before.start(ONE)
    before.acquirer.is_silent = False
    after, lost = restored(before, keep=0)
    recover(after, lost)
    assert (payment(after, started).state, after.poll_of(started)) == (State.FAILED, None)


def test_lost_order_is_found_by_the_numbers_that_follow_from_the_id() -> None:
    before = Harness()
    before.acquirer.lose_next = 1
    started = before.start(ONE)
    number = before.number(started)
    assert number != UUID(started["payment_id"]).hex
    before.acquirer.pay(number)
    before.call_back(started)
    after, lost = restored(before, keep=1)
    recover(after, [event for event in lost if event.type == "payment_captured"])
    found = payment(after, started)
    assert (found.state, found.order_number) == (State.CAPTURED, number)
    assert after.row(started)["order_number"] == number


def with_second_order(before: Harness) -> dict[str, Any]:
    """Return a payment that was charged by its second order: the page of the first was lost."""
    before.acquirer.lose_next = 1
    started = before.start(ONE)
    before.acquirer.pay(before.number(started))
    before.call_back(started)
    return started


def test_charged_order_is_known_of_a_payment_that_had_failed_before_recovery() -> None:
    before = Harness()
    started = with_second_order(before)
    number = before.number(started)
    after, lost = restored(before, keep=1)

    def fail(session: Session, _: None) -> None:
        session.load(PaymentOrder, UUID(started["payment_id"])).fail(Failure.REFUSED)

    after.store.transact(fail, None)
    recover(after, lost)
    found = payment(after, started)
    assert (found.state, found.order_number) == (State.CAPTURED, number)
    assert after.row(started)["order_number"] == number
    assert number in after.tables.order_rows


def test_charged_order_is_known_of_a_payment_that_was_credited_without_its_number() -> None:
    before = Harness()
    started = with_second_order(before)
    number = before.number(started)
    after, lost = restored(before, keep=1)
    payment_id = UUID(started["payment_id"])

    def credit(session: Session, _: None) -> None:
        order, now = session.load(PaymentOrder, payment_id), session.now
        order.capture(ONE.total, now, session.clock.day_of(now), None)

    after.store.transact(credit, None)
    recover(after, lost)
    assert payment(after, started).order_number == number
    assert after.row(started)["order_number"] == number


def test_order_of_which_the_page_was_seen_gives_way_to_the_one_that_was_charged() -> None:
    before = Harness()
    started = with_second_order(before)
    number = before.number(started)
    after, lost = restored(before, keep=1)

    def register(session: Session, _: None) -> None:
        order = session.load(PaymentOrder, UUID(started["payment_id"]))
        order.record_registration(order.order_number, "bank-first", "https://bank.example/first")

    after.store.transact(register, None)
    recover(after, lost)
    row = after.row(started)
    assert (row["order_number"], row["acquirer_order_id"]) == (number, None)
    assert payment(after, started).acquirer_order_id == ""


def test_payment_is_found_at_the_acquirer_that_has_it() -> None:
    before = Harness()
    before.others["kassa"] = kassa = FakeAcquirer(before.clock)
    started = before.start(ONE, acquirer="kassa")
    kassa.pay(before.number(started))
    before.call_back(started)
    after, lost = restored(before, keep=0)
    after.others["kassa"] = kassa
    recover(after, lost)
    found = payment(after, started)
    assert (found.state, found.acquirer) == (State.CAPTURED, "kassa")


def test_silent_bank_leaves_all_for_another_attempt() -> None:
    before = Harness()
    before.captured(ONE)
    after, lost = restored(before, keep=0)
    before.acquirer.is_silent = True
    with pytest.raises(Unavailable):
        recover(after, lost)
    assert after.events() == []


def test_silent_ledger_leaves_a_recovery_that_can_be_repeated() -> None:
    before, ledger = Harness(), Ledger()
    started = before.captured(ONE)
    ledger.post(started["payment_id"], ONE, 7)
    ledger.silent = True
    after, lost = restored(before, keep=0)
    with pytest.raises(Unavailable):
        recover(after, lost, ledger)
    ledger.silent = False
    recover(after, lost, ledger)
    assert payment(after, started).state is State.COMPLETED


def test_posting_in_the_ledger_completes_the_payment() -> None:
    before, ledger = Harness(), Ledger()
    started = before.captured(ONE, TWO)
    ledger.post(started["payment_id"], ONE, 7)
    ledger.post(started["payment_id"], TWO, 8)
    after, lost = restored(before, keep=0)
    # The ledger's events come again, by the restored position, before anybody knows the payment.
    after.ledger_posts(started["payment_id"], "0001", 7)
    recover(after, lost, ledger)
    assert payment(after, started).state is State.COMPLETED


def refunded(harness: Harness, *amounts: int) -> tuple[dict[str, Any], list[UUID]]:
    """Return a payment of which staff have refunded sums, one after the other."""
    started, refunds = harness.captured(ONE), []
    payment_id = UUID(started["payment_id"])
    for amount in amounts:
        refund_id = uuid4()

        def ask(session: Session, _: None, refund: UUID = refund_id, sum_: int = amount) -> None:
            lines = [RefundLine("0001", sum_)]
            session.load(PaymentOrder, payment_id).request_refund(refund, lines, "twice", "staff:a")

        harness.store.transact(ask, None)
        harness.make_refunds()
        refunds.append(refund_id)
    return started, refunds


def test_lost_refunds_keep_their_ids() -> None:
    before, ledger = Harness(), Ledger()
    started, refunds = refunded(before, 100, 250)
    ledger.post(started["payment_id"], ONE, 7, refunded=350)
    after, lost = restored(before, keep=0)
    recover(after, lost, ledger)
    found = payment(after, started)
    assert {refund_id: one.state for refund_id, one in found.refunds.items()} == dict.fromkeys(
        refunds, "made"
    )
    assert (found.state, found.returned) == (State.PARTLY_REFUNDED, 350)
    assert found.refunds_posted == {(refund_id, "0001") for refund_id in refunds}
    assert before.acquirer.refunds == [(before.number(started), 100), (before.number(started), 250)]


def test_poll_before_recovery_does_not_take_a_lost_refund_for_the_banks() -> None:
    before = Harness()
    started, refunds = refunded(before, 100)
    captured = before.events().index("PaymentCaptured") + 1
    after, lost = restored(before, keep=captured)
    after.tables.polls.ask_soon(UUID(started["payment_id"]), after.clock.now(), "differs")
    after.poll()
    assert payment(after, started).refunds == {}
    recover(after, lost)
    assert list(payment(after, started).refunds) == refunds


def test_sum_returned_beyond_lost_refunds_is_a_return_of_the_bank() -> None:
    before = Harness()
    started, [refund] = refunded(before, 100)
    before.acquirer.give_back_at_bank(before.number(started), 50)
    after, lost = restored(before, keep=0)
    recover(after, lost)
    found = payment(after, started)
    assert (found.returned, len(found.refunds), refund in found.refunds) == (150, 2, True)


def test_split_by_which_staff_had_credited_another_sum_is_kept() -> None:
    before = Harness()
    started = before.start(ONE, TWO)
    payment_id = UUID(started["payment_id"])
    before.acquirer.pay(before.number(started), 300)
    before.call_back(started)
    credited = (Line("0001", 200, 0), Line("0002", 100, 0))

    def credit(session: Session, _: None) -> None:
        order, now = session.load(PaymentOrder, payment_id), session.now
        order.capture(300, now, session.clock.day_of(now), None, credited, "by the payer's wish")

    before.store.transact(credit, None)
    found_mismatch = before.events().index("MismatchFound") + 1
    after, lost = restored(before, keep=found_mismatch)
    for _ in range(3):  # until recovery nothing is returned, however often it is asked about
        after.advance(minutes=1)
        after.poll()
    assert payment(after, started).state is State.MISMATCH
    recover(after, lost)
    found = payment(after, started)
    assert (found.state, found.lines, found.charged) == (State.CAPTURED, credited, 300)
    assert before.acquirer.refunds == []


def test_charge_that_the_bank_denies_is_left_to_staff() -> None:
    before = Harness()
    started = before.captured(ONE)
    after, lost = restored(before, keep=0)
    before.acquirer.decline(before.number(started))
    before.acquirer.orders[before.number(started)]["charged"] = 0
    judged = recover(after, lost)
    [captured] = [one for one in judged if one.event.type == "payment_captured"]
    assert captured.fate is Fate.STAFF
    assert started["payment_id"] in str(captured.advice)
    assert not payment(after, started).is_captured


def test_page_that_somebody_may_have_seen_is_not_closed_before_recovery() -> None:
    before = Harness()
    started = before.start(ONE)
    after, _ = restored(before, keep=1)
    after.advance(seconds=10)
    after.poll()
    assert before.acquirer.closed == []
    before.acquirer.pay(before.number(started))
    after.swept()
    after.advance(minutes=1)
    after.poll()
    assert payment(after, started).state is State.CAPTURED


def test_repeated_start_leads_to_the_payment_that_was_taken_up() -> None:
    before, command_id = Harness(), uuid4()
    started = before.start(ONE, command_id=command_id)
    before.acquirer.pay(before.number(started))
    after, lost = restored(before, keep=0)
    recover(after, lost)
    again = after.start(ONE, command_id=command_id)
    assert (again["payment_id"], again["state"]) == (started["payment_id"], "captured")


def test_refund_that_names_the_order_of_the_bank_alone_finds_what_was_taken_up() -> None:
    before = Harness()
    started = before.captured(ONE)
    number = before.number(started)
    after, lost = restored(before, keep=0)
    recover(after, lost)
    after.acquirer.give_back_at_bank(number, 10_00)
    request = CallbackRequest(parameters={"id": f"bank-{number}", "signature": SIGNATURE})
    assert receive_callback(after.store, after.acquirers, "", request) == {"accepted": True}
    assert after.view(started)["refunded"] == 10_00


def test_callback_about_an_unknown_id_is_sent_again_while_the_bank_is_silent() -> None:
    harness = Harness()
    harness.acquirer.is_silent = True
    request = CallbackRequest(parameters={"id": "bank-7", "signature": SIGNATURE})
    with pytest.raises(Unavailable):
        receive_callback(harness.store, harness.acquirers, "", request)
    harness.acquirer.is_silent = False
    assert receive_callback(harness.store, harness.acquirers, "", request) == {"accepted": True}


def test_reconciliation_asks_for_recovery_before_anything_else() -> None:
    difference = Difference(
        source=Source.LEDGER, kind=Kind.MISSING_HERE, what=(What.PAYMENT,), here="-", there="posted"
    )
    finding = recover_first(Finding(payment_id=str(uuid4()), differences=(difference,)))
    [shown] = finding.differences
    assert (shown.command, shown.polls) == ("saldo payments recover --apply --reason WHY", False)


def test_judging_records_nothing() -> None:
    before = Harness()
    before.captured(ONE)
    after, lost = restored(before, keep=0)
    after.store.query(lambda session: judge(session, lost))
    assert after.events() == []
