"""Use cases of fiscal receipts: each one transaction, each harmless when repeated.

Which money needs a receipt is read from the log, from where a registrar was first configured: what
was taken before had its receipt elsewhere, or none.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from services.payments.events import MoneyReturned, PaymentCaptured
from services.payments.fiscal import Registered
from services.payments.fiscal.domain import (
    FiscalReceipt,
    FiscalReceiptRegistered,
    FiscalReceiptRequested,
    ReceiptState,
    receipt_id_of,
)
from services.payments.fiscal.receipts import (
    KIND_CODES,
    MEASURE,
    QUANTITY,
    SUBJECT_CODES,
    Item,
    ReceiptKind,
    Seller,
    code_text,
    paid_items,
    positions,
    returned_items,
)
from services.payments.fiscal.tables import LONGEST_PAUSE, LoggedMoney
from shared.errors import NotFound
from shared.eventstore import EventTypes, Session
from shared.fiscal_settings import METHODS, TAXATIONS, VAT_RATES

_MONEY: Final = EventTypes(PaymentCaptured, MoneyReturned)


class RequestReceipts(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for the receipts of money that came or went since; on these terms."""

    seller: Seller
    taxation: str
    vat: str
    method: str


class RecordRegistration(msgspec.Struct, frozen=True, kw_only=True):
    """The registrar has registered a receipt."""

    receipt_id: UUID
    registered: Registered


class RecordRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """The registrar has refused a receipt."""

    receipt_id: UUID
    reason: str


class Postpone(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the registrar again later; `reference` once it has accepted the receipt."""

    receipt_id: UUID
    tries: int
    reference: str | None


class RetryReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """Send a refused receipt again; `reason` says why, for good."""

    receipt_id: UUID
    reason: str


def begin(session: Session, _: None = None) -> None:
    """Have receipts made of the money from here on; does nothing where that began before."""
    session.read.fiscal.begin()


def request_receipts(session: Session, command: RequestReceipts) -> int:
    """Ask for the receipts of the money in the next part of the log; return their number."""
    tables = session.read.fiscal
    position = tables.position()
    if position is None:
        begin(session)
        return 0
    found, reached = tables.money_after(position, sorted(_MONEY.topics))
    for money in found:
        _request(session, money, command)
    if reached > position:
        session.read.fiscal.move_to(reached)
    return len(found)


def record_registration(session: Session, command: RecordRegistration) -> None:
    """Record the numbers of a receipt."""
    session.load(FiscalReceipt, command.receipt_id).record_registration(
        FiscalReceiptRegistered(**msgspec.structs.asdict(command.registered))
    )


def record_refusal(session: Session, command: RecordRefusal) -> None:
    """Record that a receipt was refused: staff look at it."""
    session.load(FiscalReceipt, command.receipt_id).record_refusal(command.reason)


def postpone(session: Session, command: Postpone) -> None:
    """Set when the registrar is asked next: 2 s later, then twice that, up to ten minutes."""
    pause = min(timedelta(seconds=2 ** min(command.tries + 1, 10)), LONGEST_PAUSE)
    session.read.fiscal.postpone(command.receipt_id, session.now + pause, command.reference)


def retry_receipt(session: Session, command: RetryReceipt) -> dict[str, Any]:
    """Have a refused receipt sent again; return {receipt_id, attempt}.

    Raises NotFound `fiscal_receipt_not_found`, Conflict `fiscal_receipt_not_refused`.
    """
    receipt = session.load(FiscalReceipt, command.receipt_id)
    if receipt.state is ReceiptState.NONE:
        raise NotFound("fiscal_receipt_not_found", "There is no such fiscal receipt.")
    receipt.retry(command.reason)
    return {"receipt_id": str(receipt.id), "attempt": receipt.attempt}


def due_receipts(session: Session, limit: int) -> list[dict[str, Any]]:
    """Return the receipts to ask the registrar about now."""
    rows: list[dict[str, Any]] = session.read.fiscal.due(session.now, limit)
    return rows


def open_receipts(session: Session, limit: int) -> dict[str, Any]:
    """Return {receipts} that are pending or refused, the oldest first, for staff."""
    rows = session.read.fiscal.open_receipts(limit)
    return {
        "receipts": [
            {
                "receipt_id": str(row["receipt_id"]),
                "payment_id": str(row["payment_id"]),
                "kind": row["kind"],
                "state": row["state"],
                "total": row["total"],
                "requested_at": row["requested_at"].isoformat(),
                "tries": row["tries"],
                "attempt": row["attempt"],
                "reason": row["reason"],
            }
            for row in rows
        ]
    }


def receipts_of(
    session: Session, payment_id: UUID, timezone: str, *, offered: bool
) -> dict[str, Any]:
    """Return {offered, receipts} of a payment, the oldest first, with the codes of ФФД 1.2.

    `offered` says whether receipts are made here at all; one that was made is shown in any case.
    """
    rows = session.read.fiscal.of_payment(payment_id)
    zone = ZoneInfo(timezone)
    return {"offered": offered, "receipts": [_view(row, zone) for row in rows]}


def _request(session: Session, money: LoggedMoney, terms: RequestReceipts) -> None:
    event = _MONEY.decode(money.topic, money.state)
    if isinstance(event, PaymentCaptured):
        items = paid_items(event.lines)
        _ask(session, money.payment_id, None, ReceiptKind.INCOME, items, terms)
    elif isinstance(event, MoneyReturned):
        tables = session.read.fiscal
        paid = tables.items_of(money.payment_id, ReceiptKind.INCOME)
        if not paid:
            # Paid before there was a registrar: the receipt of the payment was made elsewhere.
            return
        back = tables.items_of(money.payment_id, ReceiptKind.INCOME_RETURN)
        items = returned_items(paid, back, event.lines, event.total)
        _ask(session, money.payment_id, event.refund_id, ReceiptKind.INCOME_RETURN, items, terms)


def _ask(
    session: Session,
    payment_id: UUID,
    refund_id: UUID | None,
    kind: ReceiptKind,
    items: tuple[Item, ...],
    terms: RequestReceipts,
) -> None:
    if not items:
        return
    session.load(FiscalReceipt, receipt_id_of(refund_id or payment_id)).request(
        FiscalReceiptRequested(
            payment_id=payment_id,
            refund_id=refund_id,
            kind=kind,
            items=items,
            total=sum(item.amount for item in items),
            seller=terms.seller,
            taxation=terms.taxation,
            vat=terms.vat,
            method=terms.method,
        )
    )


def _view(row: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    kind, issued_at = ReceiptKind(row["kind"]), row["issued_at"]
    code = None
    if row["state"] == ReceiptState.REGISTERED:
        local = issued_at.astimezone(zone)
        code = code_text(kind, row["total"], local, row["drive"], row["document"], row["sign"])
    refund_id = row["refund_id"]
    return {
        "receipt_id": str(row["receipt_id"]),
        "refund_id": str(refund_id) if refund_id else None,
        "kind": kind.value,
        "kind_code": KIND_CODES[kind],
        "state": row["state"],
        "total": row["total"],
        "seller": {"name": row["seller"], "inn": row["inn"], "place": row["place"]},
        "taxation": row["taxation"],
        "taxation_code": TAXATIONS[row["taxation"]],
        "items": [
            {
                "name": one.name,
                "price": one.amount,
                "quantity": QUANTITY,
                "measure_code": MEASURE,
                "sum": one.amount,
                "vat": one.vat,
                "vat_code": VAT_RATES[one.vat],
                "subject_code": SUBJECT_CODES[one.subject],
                "method_code": METHODS[one.method],
            }
            for one in positions(row["items"], row["vat"], row["method"])
        ],
        "requested_at": row["requested_at"].isoformat(),
        "issued_at": issued_at.isoformat() if issued_at else None,
        "drive": row["drive"],
        "document": row["document"],
        "sign": row["sign"],
        "register": row["register"],
        "url": row["url"] or None,
        "code": code,
    }
