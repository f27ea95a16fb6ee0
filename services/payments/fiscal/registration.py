"""Having receipts registered: what the worker does, step by step.

A kill between the registrar's answer and its record repeats the call; the registrar knows the
receipt by our id and makes no second one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID
from weakref import WeakSet

from services.payments.fiscal import (
    Accepted,
    FiscalRegistrar,
    NewReceipt,
    Outcome,
    Refused,
    Registered,
    UnknownOutcome,
    application,
)
from services.payments.fiscal.domain import external_id_of
from services.payments.fiscal.receipts import ReceiptKind, Seller, positions
from shared.eventstore import Store
from shared.fiscal_settings import FiscalSettings
from shared.logs import get_logger

log = get_logger(__name__)

_BATCH: Final = 20

#: The buyer's e-mail, by the person's id; None while it cannot be asked.
Buyer = Callable[[UUID], str | None]


_begun: Final[WeakSet[Store]] = WeakSet()


def begin(store: Store, settings: FiscalSettings | None) -> None:
    """Have receipts made of the payments that are started from here on, where there is a registrar.

    The worker would begin as well, but a first payment may be captured before its first turn.
    """
    if settings is not None and store not in _begun:
        store.transact(application.begin, None)
        _begun.add(store)


def request_new(store: Store, settings: FiscalSettings) -> int:
    """Ask for the receipts of money that has come or gone since; return their number."""
    command = application.RequestReceipts(
        seller=Seller(name=settings.seller, inn=settings.inn, place=settings.place),
        taxation=settings.taxation,
        vat=settings.vat,
        method=settings.method,
    )
    return store.transact(application.request_receipts, command)


def register_due(store: Store, registrar: FiscalRegistrar, buyer: Buyer) -> int:
    """Ask the registrar about the receipts that are due; return their number."""
    due = store.look(lambda session: application.due_receipts(session, _BATCH))
    for row in due:
        _record(store, row, _asked(registrar, row, buyer))
    return len(due)


def _asked(registrar: FiscalRegistrar, row: dict[str, Any], buyer: Buyer) -> Outcome:
    if row["reference"]:
        return registrar.find(row["reference"])
    email = buyer(row["person_id"])
    if email is None:
        return UnknownOutcome("the buyer's address cannot be asked")
    return registrar.register(
        NewReceipt(
            external_id=external_id_of(row["receipt_id"], row["attempt"]),
            kind=ReceiptKind(row["kind"]),
            positions=positions(row["items"], row["vat"], row["method"]),
            total=row["total"],
            seller=Seller(name=row["seller"], inn=row["inn"], place=row["place"]),
            taxation=row["taxation"],
            buyer=email,
            requested_at=row["requested_at"],
        )
    )


def _record(store: Store, row: dict[str, Any], outcome: Outcome) -> None:
    receipt_id = row["receipt_id"]
    match outcome:
        case Registered():
            store.transact(
                application.record_registration,
                application.RecordRegistration(receipt_id=receipt_id, registered=outcome),
            )
        case Refused(reason=reason):
            log.error("fiscal_receipt_refused", receipt_id=str(receipt_id), reason=reason)
            store.transact(
                application.record_refusal,
                application.RecordRefusal(receipt_id=receipt_id, reason=reason),
            )
        case Accepted(reference=reference):
            _postpone(store, row, reference)
        case UnknownOutcome(reason=reason):
            log.warning("fiscal_registrar_silent", receipt_id=str(receipt_id), reason=reason)
            _postpone(store, row, None)


def _postpone(store: Store, row: dict[str, Any], reference: str | None) -> None:
    command = application.Postpone(
        receipt_id=row["receipt_id"], tries=row["tries"], reference=reference
    )
    store.transact(application.postpone, command)
