"""The fiscal receipt of a payment, or of a refund: asked for once, registered at most once."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final
from uuid import UUID

from services.payments.fiscal.receipts import Item, ReceiptKind, Seller
from shared.errors import Conflict
from shared.eventstore import Aggregate, Event
from shared.ids import NAMESPACE, derived_id
from shared.money import Kopecks


class ReceiptState(StrEnum):
    """The state of a receipt; NONE before it is requested."""

    NONE = "none"
    REQUESTED = "requested"
    REGISTERED = "registered"
    REFUSED = "refused"


class FiscalReceiptRequested(Event, frozen=True, kw_only=True):
    """A receipt has to be made: its positions and terms are final."""

    topic: ClassVar[str] = "payments.fiscal_receipt_requested.v1"
    payment_id: UUID
    refund_id: UUID | None
    kind: ReceiptKind
    items: tuple[Item, ...]
    total: Kopecks
    seller: Seller
    taxation: str
    vat: str
    method: str


class FiscalReceiptRegistered(Event, frozen=True, kw_only=True):
    """The receipt is in a fiscal drive, under these numbers (ФН, ФД, ФПД)."""

    topic: ClassVar[str] = "payments.fiscal_receipt_registered.v1"
    drive: str
    document: str
    sign: str
    register: str
    issued_at: datetime
    url: str


class FiscalReceiptRefused(Event, frozen=True, kw_only=True):
    """The registrar has refused the receipt; staff may have it sent again."""

    topic: ClassVar[str] = "payments.fiscal_receipt_refused.v1"
    reason: str


class FiscalReceiptRetried(Event, frozen=True, kw_only=True):
    """Staff have a refused receipt sent again, under the next external id."""

    topic: ClassVar[str] = "payments.fiscal_receipt_retried.v1"
    attempt: int
    reason: str


FISCAL_EVENTS: Final = (
    FiscalReceiptRequested,
    FiscalReceiptRegistered,
    FiscalReceiptRefused,
    FiscalReceiptRetried,
)


def receipt_id_of(money_id: UUID) -> UUID:
    """Return the id of the receipt of a payment or of a refund."""
    return derived_id(NAMESPACE, "payments", "fiscal", str(money_id))


def external_id_of(receipt_id: UUID, attempt: int) -> str:
    """Return by what the registrar knows a receipt.

    A receipt that was refused has the next one: the registrar keeps what it has refused.
    """
    return receipt_id.hex if attempt == 1 else f"{receipt_id.hex}-{attempt}"


class FiscalReceipt(Aggregate):
    """One receipt."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.state = ReceiptState.NONE
        self.attempt = 1

    def request(self, requested: FiscalReceiptRequested) -> None:
        """Ask for the receipt; does nothing when that was done."""
        if self.state is ReceiptState.NONE:
            self.trigger(requested)

    def record_registration(self, registered: FiscalReceiptRegistered) -> None:
        """Record the numbers of the receipt; does nothing when it has some."""
        if self.state is ReceiptState.REQUESTED:
            self.trigger(registered)

    def record_refusal(self, reason: str) -> None:
        if self.state is ReceiptState.REQUESTED:
            self.trigger(FiscalReceiptRefused(reason=reason))

    def retry(self, reason: str) -> None:
        """Have it sent again. Raises Conflict `fiscal_receipt_not_refused`."""
        if self.state is not ReceiptState.REFUSED:
            raise Conflict(
                "fiscal_receipt_not_refused",
                "Only a receipt that the registrar has refused is sent again.",
                receipt_id=str(self.id),
                state=self.state.value,
            )
        self.trigger(FiscalReceiptRetried(attempt=self.attempt + 1, reason=reason))

    def apply(self, event: Any) -> None:
        match event:
            case FiscalReceiptRequested():
                self.state = ReceiptState.REQUESTED
            case FiscalReceiptRetried(attempt=attempt):
                self.state, self.attempt = ReceiptState.REQUESTED, attempt
            case FiscalReceiptRegistered():
                self.state = ReceiptState.REGISTERED
            case FiscalReceiptRefused():
                self.state = ReceiptState.REFUSED
