"""Statements of an account: its months with their lines, and its movements.

Both are computed from the account's events, which are few and exact, not from tables of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.ledger.domain import Account, account_id
from services.ledger.domain.decision import BY_FACTS, BY_LATER_ENTRY
from services.ledger.domain.events import (
    AccountClosed,
    AccountOpened,
    AdvanceSettled,
    ChargeLine,
    ChargesAdjusted,
    ChargesPosted,
    OpeningPosted,
    PayerKindChanged,
    PaymentPosted,
    PaymentRefunded,
    PaymentReversed,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltyWrittenOff,
)
from services.ledger.domain.tenures import MovedMonths, own_bills
from shared.cooperation import cooperatively
from shared.errors import NotFound
from shared.eventstore import Recorded, Session
from shared.money import Kopecks


def charges(session: Session, number: str, before: str | None, limit: int) -> dict[str, Any]:
    """Return up to ``limit`` months before a period, newest first, each with its lines."""
    return _months(recorded_events(session, number), before, limit)


def charges_of_accounts(session: Session, numbers: Sequence[str], limit: int) -> dict[str, Any]:
    """Return the newest months of accounts in the order given; none where nothing is booked."""
    found = session.histories([account_id(number) for number in numbers])
    return {
        "accounts": [
            {"number": number, **_months(found.get(account_id(number), ()), None, limit)}
            for number in numbers
        ]
    }


def _months(history: Sequence[Recorded], before: str | None, limit: int) -> dict[str, Any]:
    events: list[Any] = [recorded.event for recorded in cooperatively(history)]
    adjustments: dict[str, list[ChargesAdjusted]] = {}
    for event in events:
        if isinstance(event, ChargesAdjusted):
            adjustments.setdefault(event.period, []).append(event)
    own = own_bills(events)
    bills = [own[period] for period in sorted(own, reverse=True)]
    below = [bill for bill in bills if before is None or bill.period < before]
    page = below[:limit]
    return {
        "months": [_month(bill, adjustments.get(bill.period, ())) for bill in page],
        "next": page[-1].period if len(below) > limit else None,
    }


class HiddenMonths(MovedMonths):
    """Moved months as statements leave them out, also of the balance after each movement."""

    def __init__(self, events: Sequence[Any]) -> None:
        super().__init__(events)
        self._amount: Kopecks = 0

    def hides(self, event: Any) -> bool:
        """Return whether an event is hidden; its amount is left out of the balances after it."""
        if not self.has(event):
            return False
        self._amount += _kind_of(event)[2]
        return True

    def shown(self, movement: dict[str, Any]) -> dict[str, Any]:
        """Return a movement with the balance that leaves out what is hidden before it."""
        return {**movement, "balance": movement["balance"] - self._amount}


def statement(session: Session, number: str, after: int | None, limit: int) -> dict[str, Any]:
    """Return movements after a position of the log, with the balance after each.

    ``amount`` and ``penalty`` are positive where the debt grows; ``balance`` is principal plus
    penalty minus advance, in kopecks (negative: the payer is in credit). Months that are the next
    holder's are left out, as `HiddenMonths` has it.
    """
    account, page, more = Account(account_id(number)), list[dict[str, Any]](), False
    history = recorded_events(session, number)
    moved = HiddenMonths([recorded.event for recorded in history])
    for recorded in cooperatively(history):
        more = len(page) == limit
        if more:
            break
        account.replay(recorded.event)
        if not moved.hides(recorded.event) and recorded.position > (after or 0):
            page.append(moved.shown(movement(recorded, account)))
    return {"movements": page, "next": page[-1]["position"] if more else None}


def payment_postings(session: Session, payment_id: UUID) -> dict[str, Any]:
    """Return the postings of a payment by account, none if it is not in the ledger yet."""
    return {"postings": _with_names(session, session.read.postings_of(payment_id))}


def postings_of_payments(session: Session, payment_ids: Sequence[UUID]) -> dict[str, Any]:
    """Return the postings of several payments, each with its ``payment_id``."""
    return {"postings": _with_names(session, session.read.postings_of_all(payment_ids))}


def _with_names(session: Session, postings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return postings with the ``name`` of each service that they have paid."""
    paid = {
        (posting["account"], part["service"])
        for posting in postings
        for part in posting["allocation"]
    }
    accounts = sorted({account for account, _ in paid})
    names: dict[str, dict[str, str]] = session.read.service_names(accounts)
    older = sorted({account for account, service in paid if service not in names.get(account, {})})
    if older:
        # A service that is charged in winter alone is not on the bills of summer.
        names = {**names, **session.read.service_names_of_late_bills(older)}

    def name_of(account: str, service: str) -> str:
        return names.get(account, {}).get(service, service)

    return [
        {
            **posting,
            "allocation": [
                {**part, "name": name_of(posting["account"], part["service"])}
                for part in posting["allocation"]
            ],
        }
        for posting in postings
    ]


def recorded_events(session: Session, number: str) -> list[Recorded]:
    """Return the recorded events of an account; raises NotFound ``account_not_found``."""
    events = list(session.history(account_id(number)))
    if not events:
        raise NotFound(
            "account_not_found", "There is no such account in the ledger.", account=number
        )
    return events


def _month(bill: ChargesPosted, adjusted: Sequence[ChargesAdjusted]) -> dict[str, Any]:
    """Return a month: its bill as posted, and each later adjustment apart."""
    return {
        "period": bill.period,
        "bill_number": bill.bill_number or None,
        "due_on": bill.due_on.isoformat(),
        "total": sum(line.payable for line in bill.lines)
        + sum(line.amount for event in adjusted for line in event.lines),
        "lines": [line_of_bill(line) for line in bill.lines],
        "adjustments": [
            {
                "effective_on": event.effective_on.isoformat(),
                "reason": event.reason,
                "lines": [{"service": line.service, "amount": line.amount} for line in event.lines],
            }
            for event in adjusted
        ],
    }


def line_of_bill(line: ChargeLine) -> dict[str, Any]:
    """Return a line of a bill; None for what the bill does not say."""
    return {
        "service": line.service,
        "name": line.name,
        "unit": line.unit,
        "tariff": line.tariff or None,
        "volume": line.volume or None,
        "charged": line.charged,
        "recalculation": line.recalculation,
        "concession": line.concession,
        "payable": line.payable,
        "explanation": line.explanation or None,
    }


def movement(recorded: Recorded, account: Account) -> dict[str, Any]:
    """Return an event as a line of a statement; ``account`` is its state after the event."""
    kind, text, amount, penalty = _kind_of(recorded.event)
    event: Any = recorded.event
    return {
        "position": recorded.position,
        "effective_on": event.effective_on.isoformat(),
        "recorded_at": recorded.recorded_at.isoformat(),
        "kind": kind,
        "text": text,
        "period": getattr(event, "period", None),
        "reason": getattr(event, "reason", None),
        "payment_id": _id_of_payment(event),
        "taken": _taken(event),
        "other_account": _other_account(event),
        "amount": amount,
        "penalty": penalty,
        "balance": account.principal + account.penalty - account.advance,
    }


def _id_of_payment(event: Any) -> str | None:
    of_payments = PaymentPosted | PaymentReversed | PaymentRefunded
    return str(event.payment_id) if isinstance(event, of_payments) else None


def _other_account(event: Any) -> str | None:
    """Return the account that a payment was moved to or from; it is for staff, not for payers."""
    return getattr(event, "moved_to", "") or getattr(event, "moved_from", "") or None


def _taken(event: Any) -> dict[str, str] | None:
    """Return where staff took a payment, and by which document; the reason is not the payer's."""
    taken = event.taken if isinstance(event, PaymentPosted) else None
    return {"place": taken.place, "document": taken.document} if taken else None


_PLACES = {"cash_desk": "Оплата в кассе", "bank": "Оплата через банк"}


_OWN_REASONS = {
    BY_FACTS: "оплата или перерасчёт",
    BY_LATER_ENTRY: "запись, внесённая позже своего дня",
}


def _kind_of_payment(
    event: PaymentPosted | PaymentReversed | PaymentRefunded,
) -> tuple[str, str, int, int]:
    match event:
        case PaymentPosted(moved_from=""):
            return "payment", _text_of_payment(event), -event.amount, -event.penalty
        case PaymentPosted():
            text = "Оплата перенесена с другого лицевого счёта"
            return "payment_moved_here", text, -event.amount, -event.penalty
        case PaymentReversed(moved_to=""):
            return "payment_reversal", "Отмена оплаты", event.amount, event.penalty
        case PaymentReversed():
            text = "Оплата перенесена на другой лицевой счёт"
            return "payment_moved_away", text, event.amount, event.penalty
        case PaymentRefunded():
            penalty = event.penalty_restored
            return "payment_refund", "Возврат оплаты", event.amount - penalty, penalty


def _text_of_payment(event: PaymentPosted) -> str:
    if event.taken is None:
        return "Оплата"
    document = f": № {event.taken.document}" if event.taken.document else ""
    return _PLACES[event.taken.place] + document


def _kind_of(event: Any) -> tuple[str, str, int, int]:  # noqa: PLR0911 - one return per event
    match event:
        case AccountOpened() | OpeningPosted():
            opening = sum(item.amount for item in event.opening)
            return "opening", "Входящее сальдо", opening, 0
        case ChargesPosted():
            total = sum(line.payable for line in event.lines)
            return "charges", f"Начисления за {event.period}", total, 0
        case ChargesAdjusted():
            total = sum(line.amount for line in event.lines)
            return "adjustment", f"Перерасчёт за {event.period}: {event.reason}", total, 0
        case PenaltyAccrued():
            return "penalty", "Пени", 0, event.amount
        case PenaltyCorrected():
            changed = event.amount + event.waived
            reason = _OWN_REASONS.get(event.reason, event.reason)
            return "penalty_correction", f"Уточнение пеней: {reason}", 0, changed
        case PenaltyWrittenOff():
            return "penalty_write_off", f"Списание пеней: {event.reason}", 0, -event.amount
        case PaymentPosted() | PaymentReversed() | PaymentRefunded():
            return _kind_of_payment(event)
        case PayerKindChanged():
            return "payer_kind", "Изменён вид плательщика", 0, 0
        case AdvanceSettled():
            return "advance_settled", "Зачёт аванса", 0, 0
        case AccountClosed():
            return "closed", "Лицевой счёт закрыт", 0, 0
    raise TypeError(f"a statement knows no {type(event).__name__}")
