"""What a row of a bank's file is to us: a payment, or a refusal with its reason."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import date
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from shared.ids import NAMESPACE, derived_id
from shared.money import Kopecks


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as its row tells it; see `BankPaymentReceived`."""

    payment_id: UUID
    row: int
    bank: str
    document: str
    paid_on: date
    amount: Kopecks
    fee: Kopecks
    account: str
    suspense: str = ""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A row for the quarantine: its fields as they stand there, and why it is refused.

    `amount` and `fee` are its sums, None where they cannot be read.
    """

    row: int
    fields: tuple[str, ...]
    reason: str
    amount: Kopecks | None = None
    fee: Kopecks = 0


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """The totals that the bank states for the rows before; None: not stated."""

    rows: int | None = None
    amount: Kopecks | None = None
    fee: Kopecks | None = None


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A document of a statement that is no payment to us.

    `amount` is what it moved between our accounts, which the bank counts as received.
    """

    row: int
    amount: Kopecks = 0


Found: TypeAlias = Payment | Refused | Stated | Skipped

Seal: TypeAlias = Callable[[str], str]
"""A keyed digest: who paid tells payments apart, and must not be found again from an id."""

WITHOUT_DOCUMENT: Final = "line"


def seal_by(key: bytes, text: str) -> str:
    """Return the keyed digest of a text."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def payment_id_of(bank: str, *parts: str) -> UUID:
    """Return the id of a bank's payment: the same parts have the same, in whatever file."""
    return derived_id(NAMESPACE, "payments.bank_payment", bank, *parts)


def payment_id_of_document(bank: str, paid_on: date, document: str) -> UUID:
    """Return the id of the payment by a document of a day."""
    return payment_id_of(bank, "document", paid_on.isoformat(), document)


def payment_id_of_line(
    bank: str, paid_on: date, account: str, amount: Kopecks, fee: Kopecks, ordinal: int
) -> UUID:
    """Return the id of a payment without a document: its place among equal ones of the file."""
    same = (paid_on.isoformat(), account, str(amount), str(fee), str(ordinal))
    return payment_id_of(bank, WITHOUT_DOCUMENT, *same)
