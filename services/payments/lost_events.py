"""Payments that a restore or a failover took from the log, taken up again.

What a payment was is in its published events: its id, its payer, its split. What became of it at
the bank the bank says itself, by the number of the order, which follows from the id. So payer,
ledger and bank agree again under the same ids, and nobody is charged or credited twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.payments import application, snapshots
from services.payments.acquirers import Done, Order, OrderReport, OrderState
from services.payments.application import CapturePayment, RecordReturns
from services.payments.configured import acquirers_of
from services.payments.domain import PaymentOrder, order_number_of
from services.payments.events import Line, RefundLine, Split
from services.payments.lost_event_advice import (
    CONTRADICTED,
    OF_BANK,
    OF_BANK_UNNUMBERED,
    UNPUBLISHED,
)
from services.payments.polling import Acquirers, PollOutcome, poll_acquirer
from services.payments.postings_again import RecordPostings, record_postings
from services.payments.refunds import LostRefund
from services.payments.registration import MOST_ORDERS
from services.payments.scheduling import POLL_AFTER
from services.payments.snapshots import PaymentSnapshot
from services.payments.state import State
from shared.account_key import FIRST, key_of
from shared.bus import Services
from shared.bus.readable_losses import UNKNOWN
from shared.contracts.payments import Failure
from shared.errors import Conflict, Unavailable
from shared.eventstore import Session, Store
from shared.eventstore.lost_events import Advice, Fate, Judged, LostEvent
from shared.logs import get_logger

log = get_logger(__name__)

_CHARGED: Final = frozenset({OrderState.PAID, OrderState.RETURNED, OrderState.HELD})
_THREADS: Final = 8
_REASON: Final = "taken up again as it was credited before the log was restored"
_TAKEN_UP: Final = frozenset({"payment_started", "payment_captured", "payment_refunded"})
_BY_ITSELF: Final = frozenset({"payment_failed", "payment_completed", "payment_mismatched"})


class TakeUpPayment(msgspec.Struct, frozen=True, kw_only=True):
    """Record a lost payment again; ``is_absent``: no bank knows an order of it."""

    payment_id: UUID
    person_id: UUID
    lines: Split
    order_number: str
    acquirer: str
    is_absent: bool


class AdoptOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An acquirer has an order of a payment that the log does not know."""

    payment_id: UUID
    order_number: str
    acquirer: str
    is_charged: bool


class TakeUpRefund(msgspec.Struct, frozen=True, kw_only=True):
    """Record a lost refund again; ``returned`` is what went back in all, by the bank."""

    payment_id: UUID
    refund: LostRefund
    returned: int


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An order of a payment, as the acquirer of this name has it."""

    acquirer: str
    order: Order
    report: OrderReport


def judge(session: Session, lost: Sequence[LostEvent]) -> list[Judged]:
    """Return what is to become of lost events."""
    return [_judged(session, event) for event in lost]


def _judged(session: Session, event: LostEvent) -> Judged:
    if event.type in _BY_ITSELF:
        return Judged(event=event, fate=Fate.BY_ITSELF)
    payment_id = UUID(event.data["payment_id"])
    if event.type == "bank_payment_accepted":
        return _of_bank(session, event, payment_id)
    payment = session.load(PaymentOrder, payment_id)
    match event.type:
        case "payment_started":
            known = payment.state is not State.NONE
        case "payment_captured":
            known = payment.is_captured
        case "payment_refunded":
            known = _is_made(payment, event)
        case _:
            return Judged(event=event, fate=Fate.STAFF, advice=UNKNOWN)
    return Judged(event=event, fate=Fate.NOTHING if known else Fate.BROUGHT_BACK)


def _of_bank(session: Session, event: LostEvent, payment_id: UUID) -> Judged:
    row = session.peek.registers.payment(payment_id)
    if row is not None and row["state"] not in {"suspended", "known"}:
        return Judged(event=event, fate=Fate.NOTHING)
    advice = OF_BANK if event.data["document"] else OF_BANK_UNNUMBERED
    return Judged(event=event, fate=Fate.STAFF, advice=advice.about(event.data))


def _is_made(payment: PaymentOrder, event: LostEvent) -> bool:
    refund = payment.refunds.get(UUID(event.data["refund_id"]))
    return refund is not None and refund.state == "made"


def bring_back(services: Services, lost: Sequence[LostEvent]) -> Iterator[Judged]:
    """Take up what was lost, a payment at a time; yield what has become of each event.

    May be repeated. Raises Unavailable where a bank or the ledger does not answer.
    """
    acquirers = acquirers_of(services.settings)
    recovery = PaymentRecovery(services.store, acquirers, services.call)
    subjects: dict[str, list[LostEvent]] = {}
    for event in lost:
        subjects.setdefault(event.subject, []).append(event)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="recovery") as threads:
        # A bank is asked about each: one after the other that may take long.
        taken = [
            threads.submit(copy_context().run, recovery.take_up, events)
            for events in subjects.values()
        ]
        try:
            for one in taken:
                yield from one.result()
        finally:
            # Where a bank does not answer, the others need not wait for that, too.
            threads.shutdown(cancel_futures=True)


class PaymentRecovery:
    """Takes up lost payments; ``call`` asks the ledger."""

    def __init__(self, store: Store, acquirers: Acquirers, call: Any) -> None:
        self._store = store
        self._acquirers = acquirers
        self._call = call

    def take_up(self, events: Sequence[LostEvent]) -> list[Judged]:
        """Take up one payment by its lost events, in their order; return what became of each."""
        judged = self._store.query(lambda session: judge(session, events))
        if not any(event.type in _TAKEN_UP for event in events):
            return judged
        payment_id = UUID(events[0].data["payment_id"])
        wanted = [one.event for one in judged if one.fate is Fate.BROUGHT_BACK]
        if wanted:
            self._record_again(payment_id, wanted)
        elif any(event.type == "payment_captured" for event in events):
            # The event names no order: it may have been another one than the log knows.
            found = self._find_order(payment_id)
            if found is not None:
                self._adopt_order(payment_id, found)
        self._take_over_postings(payment_id)
        return self._outcomes(judged)

    def _record_again(self, payment_id: UUID, wanted: Sequence[LostEvent]) -> None:
        found = self._find_order(payment_id)
        if self._snapshot_of(payment_id) is None:
            self._record_start(payment_id, wanted, found)
        if found is not None:
            self._adopt_order(payment_id, found)
            self._capture_again(payment_id, wanted, found)
            self._refund_again(payment_id, wanted, found)
            self._let_bank_decide(payment_id)
        log.warning("payment_taken_up", payment_id=str(payment_id), events=len(wanted))

    def _outcomes(self, judged: Sequence[Judged]) -> list[Judged]:
        """Return what has become of events that were to be brought back: the bank may differ."""
        now = self._store.query(lambda session: judge(session, [one.event for one in judged]))
        return [
            before
            if before.fate is not Fate.BROUGHT_BACK or after.fate is Fate.NOTHING
            else msgspec.structs.replace(
                before, fate=Fate.STAFF, advice=CONTRADICTED.about(before.event.data)
            )
            for before, after in zip(judged, now, strict=True)
        ]

    # The order at the bank

    def _find_order(self, payment_id: UUID) -> Found | None:
        """Return the order that was charged, or else the last one that a bank knows."""
        known: list[Found] = []
        for number, names in self._store.query(lambda s: _orders(s, payment_id)).items():
            for name, acquirer in self._acquirers.by_name.items():
                if names and name not in names:
                    continue
                order = Order(order_number=number, order_id=None)
                report = acquirer.find_order(order)
                if report is None:
                    continue
                if report.state is OrderState.UNKNOWN:
                    raise Unavailable(
                        "acquirer_unavailable",
                        f"The acquirer {name} does not say what has become of an order.",
                        acquirer=name,
                    )
                known.append(Found(acquirer=name, order=order, report=report))
        charged = [one for one in known if one.report.state in _CHARGED]
        payment = self._snapshot_of(payment_id)
        own = [one for one in known if payment and one.order.order_number == payment.order_number]
        own_charged = [one for one in own if one in charged]
        candidates = own_charged or charged or own or known
        chosen = candidates[-1] if candidates else None
        self._close_others(known, chosen)
        return chosen

    def _close_others(self, known: Sequence[Found], chosen: Found | None) -> None:
        """Close other orders that might still be paid: the payment is one."""
        for one in known:
            if one is not chosen and one.report.state is OrderState.PENDING:
                outcome = self._acquirers.by_name[one.acquirer].close(one.order)
                if outcome != Done():
                    log.warning("order_not_closed", order_number=one.order.order_number)

    # What is recorded again

    def _record_start(
        self, payment_id: UUID, lost: Sequence[LostEvent], found: Found | None
    ) -> None:
        first = lost[0]
        command = TakeUpPayment(
            payment_id=payment_id,
            person_id=UUID(first.data["person_id"]),
            lines=_lines(first.data),
            order_number=found.order.order_number if found else order_number_of(payment_id, 0),
            acquirer=found.acquirer if found else self._acquirers.first,
            is_absent=found is None,
        )
        if first.type in {"payment_started", "payment_captured"}:
            self._store.transact(take_up_payment, command)

    def _adopt_order(self, payment_id: UUID, found: Found) -> None:
        """Know a payment by the order that was charged, where the log has lost that order."""
        command = AdoptOrder(
            payment_id=payment_id,
            order_number=found.order.order_number,
            acquirer=found.acquirer,
            is_charged=found.report.state in _CHARGED,
        )
        self._store.transact(adopt_order, command)

    def _capture_again(self, payment_id: UUID, lost: Sequence[LostEvent], found: Found) -> None:
        captured = [event for event in lost if event.type == "payment_captured"]
        if not captured or found.report.state not in {OrderState.PAID, OrderState.RETURNED}:
            return
        data = captured[-1].data
        own = self._store.query(lambda session: session.load(PaymentOrder, payment_id))
        lines = _lines(data)
        same = lines == own.lines
        command = CapturePayment(
            payment_id=payment_id,
            amount=found.report.charged,
            captured_at=found.report.charged_at or datetime.fromisoformat(data["captured_at"]),
            masked_card=found.report.masked_card,
            credited=None if same else lines,
            reason="" if same else _REASON,
            order_number=found.order.order_number,
        )
        try:
            self._store.transact(application.capture_payment, command)
        except Conflict as error:
            if error.code != "amount_mismatch":
                raise
            log.error("amount_mismatch", **error.params)  # noqa: TRY400 - decided, not crashed

    def _refund_again(self, payment_id: UUID, lost: Sequence[LostEvent], found: Found) -> None:
        for event in lost:
            if event.type == "payment_refunded":
                command = TakeUpRefund(
                    payment_id=payment_id, refund=_refund(event), returned=found.report.returned
                )
                self._store.transact(take_up_refund, command)
        if found.report.state in {OrderState.PAID, OrderState.RETURNED}:
            rest = RecordReturns(payment_id=payment_id, returned=found.report.returned)
            self._store.transact(application.note_returns, rest)

    def _let_bank_decide(self, payment_id: UUID) -> None:
        """Let the bank decide what is not decided by that."""
        payment = self._snapshot_of(payment_id)
        if payment is None:
            return
        if poll_acquirer(self._store, self._acquirers, payment) is PollOutcome.UNKNOWN:
            log.info("taken_up_undecided", payment_id=str(payment_id))

    def _take_over_postings(self, payment_id: UUID) -> None:
        """Note what the ledger has of the payment: it says so only once, and may have said it."""
        rows = self._call("ledger", "payments_posted", payment_ids=[str(payment_id)])["payments"]
        command = RecordPostings(payment_id=payment_id, rows=rows)
        self._store.transact(record_postings, command)

    def _snapshot_of(self, payment_id: UUID) -> PaymentSnapshot | None:
        return self._store.query(lambda session: snapshots.snapshot(session, payment_id))


def take_up_payment(session: Session, command: TakeUpPayment) -> None:
    """Record the start of a lost payment again; fail it where no bank knows an order of it."""
    payment = session.load(PaymentOrder, command.payment_id)
    payment.take_up(command.person_id, command.lines, command.order_number, command.acquirer)
    if command.is_absent:
        payment.fail(Failure.NOT_REGISTERED)
    else:
        soon = session.now + POLL_AFTER[0]
        session.read.polls.put(payment.id, session.now, 0, soon, PollOutcome.UNKNOWN.value)


def adopt_order(session: Session, command: AdoptOrder) -> None:
    """Take a lost order in place of the one that is known.

    Only the order that was charged reopens a payment that has been closed since.
    """
    payment = session.load(PaymentOrder, command.payment_id)
    if payment.is_open or command.is_charged:
        payment.adopt_order(command.order_number, command.acquirer)


def take_up_refund(session: Session, command: TakeUpRefund) -> bool:
    """Record a lost refund again; return False where the bank has not returned as much."""
    payment = session.load(PaymentOrder, command.payment_id)
    return payment.take_up_refund(command.refund, command.returned)


def _orders(session: Session, payment_id: UUID) -> Mapping[str, set[str]]:
    """Return the numbers that orders of a payment may have, each with its acquirers, if known."""
    numbers = {order_number_of(payment_id, lost): set[str]() for lost in range(MOST_ORDERS + 1)}
    for row in session.read.orders(payment_id):
        if row["acquirer"]:
            numbers[row["order_number"]] = {row["acquirer"]}
        else:
            numbers.setdefault(row["order_number"], set())
    return numbers


def _lines(data: Mapping[str, Any]) -> Split:
    return tuple(Line(_key(line), line["amount"], line["penalty"]) for line in data["lines"])


def _key(line: Mapping[str, Any]) -> str:
    return key_of(line["account"], line.get("tenure", FIRST))


def _refund(event: LostEvent) -> LostRefund:
    return LostRefund(
        refund_id=UUID(event.data["refund_id"]),
        lines=tuple(RefundLine(_key(line), line["amount"]) for line in event.data["lines"]),
        total=event.data["total"],
        returned_at=event.occurred_at,
        refunded_on=date.fromisoformat(event.data["refunded_on"]),
        cause=event.data["reason"],
    )


def protect(services: Services, lost: Sequence[LostEvent], *, whole: bool) -> None:
    """Do nothing: whatever might go wrong before recovery waits for it (`LostLog.is_open`)."""


def unpublished() -> Sequence[Advice]:
    """Return what staff do about lost events that were never published."""
    return UNPUBLISHED
