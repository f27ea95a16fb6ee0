"""What a fiscal receipt says: its positions, of a payment or of what went back of it.

One position for the services of each account, one for its penalty. Money is integer kopecks, and
the positions always add up to what was paid, or went back, to the kopeck.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from shared.account_key import number_of
from shared.money import Kopecks

NO_VAT: Final = "none"


class ReceiptKind(StrEnum):
    """Tag 1054, «признак расчёта»."""

    INCOME = "income"
    """«Приход»: the buyer has paid."""
    INCOME_RETURN = "income_return"
    """«Возврат прихода»: the money went back to the buyer."""


class Subject(StrEnum):
    """Tag 1212, «признак предмета расчёта»."""

    SERVICE = "service"
    PAYMENT = "payment"
    """«Платёж»: penalties and fines among others."""


#: The codes of tags 1054 and 1212.
KIND_CODES: Final = {ReceiptKind.INCOME: 1, ReceiptKind.INCOME_RETURN: 2}
SUBJECT_CODES: Final = {Subject.SERVICE: 4, Subject.PAYMENT: 10}

#: Tag 2108, «мера количества предмета расчёта»: by the piece.
MEASURE: Final = 0
QUANTITY: Final = 1


class Seller(msgspec.Struct, frozen=True, kw_only=True):
    """Whose receipt it is: an organisation, by its settings of the day."""

    name: str
    """Tag 1048."""
    inn: str
    """Tag 1018."""
    place: str
    """Tag 1187."""


class Item(msgspec.Struct, frozen=True):
    """A sum of a receipt: for the services of an account, or its penalty."""

    account: str
    penalty: bool
    amount: Kopecks


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """A position of the receipt as it is printed; its price and its sum are `amount`."""

    name: str
    """Tag 1030."""
    amount: Kopecks
    """Tags 1079 and 1043."""
    vat: str
    """Tag 1199."""
    subject: Subject
    """Tag 1212."""
    method: str
    """Tag 1214."""


class PaidLine(Protocol):
    """The line of an account in a payment."""

    @property
    def account(self) -> str: ...
    @property
    def amount(self) -> Kopecks: ...
    @property
    def penalty(self) -> Kopecks: ...


class ReturnedLine(Protocol):
    """What went back of the line of an account, principal and penalty in one sum."""

    @property
    def account(self) -> str: ...
    @property
    def amount(self) -> Kopecks: ...


def paid_items(lines: Iterable[PaidLine]) -> tuple[Item, ...]:
    """Return the items of a payment."""
    return tuple(
        Item(line.account, is_penalty, amount)
        for line in lines
        for is_penalty, amount in ((False, line.amount), (True, line.penalty))
        if amount
    )


def returned_items(
    paid: Sequence[Item], returned: Sequence[Item], lines: Iterable[ReturnedLine], total: Kopecks
) -> tuple[Item, ...]:
    """Return the items of a `total` that went back, after `returned` has gone back before.

    A part of a line is split over services and penalty as the line was paid. Rounding is by the sum
    that has gone back in all, so that parts that make the whole give back just what was paid. What
    the lines do not name is taken from the accounts in their order.
    """
    paid_of, before = _by_account(paid), _by_account(returned)
    parts = {line.account: line.amount for line in lines}
    rest = total - sum(parts.values())
    for account, sums in paid_of.items():
        left = sum(sums) - sum(before.get(account, (0, 0))) - parts.get(account, 0)
        taken = max(0, min(rest, left))
        parts[account] = parts.get(account, 0) + taken
        rest -= taken
    items: list[Item] = []
    for account, amount in parts.items():
        services, penalty = paid_of.get(account, (amount, 0))
        back_services, back_penalty = before.get(account, (0, 0))
        back = back_services + back_penalty + amount
        of_penalty = penalty * back // max(services + penalty, 1) - back_penalty
        of_penalty = min(max(of_penalty, 0), amount)
        items.append(Item(account, False, amount - of_penalty))
        items.append(Item(account, True, of_penalty))
    return tuple(item for item in items if item.amount)


def positions(items: Iterable[Item], vat: str, method: str) -> list[Position]:
    """Return the positions of a receipt; a penalty is a payment without VAT."""
    return [
        Position(
            name=_name(item),
            amount=item.amount,
            vat=NO_VAT if item.penalty else vat,
            subject=Subject.PAYMENT if item.penalty else Subject.SERVICE,
            method=method,
        )
        for item in items
    ]


def code_text(
    kind: ReceiptKind, total: Kopecks, issued_at: datetime, drive: str, document: str, sign: str
) -> str:
    """Return what the QR of a registered receipt says; `issued_at` in the register's own zone."""
    return (
        f"t={issued_at:%Y%m%dT%H%M}&s={total // 100}.{total % 100:02}"
        f"&fn={drive}&i={document}&fp={sign}&n={KIND_CODES[kind]}"
    )


def _name(item: Item) -> str:
    # Of the receipt, which is Russian by law.
    what = "Пени" if item.penalty else "Оплата жилищно-коммунальных услуг"
    return f"{what}, лицевой счёт {number_of(item.account)}"


def _by_account(items: Iterable[Item]) -> Mapping[str, tuple[Kopecks, Kopecks]]:
    """Return (services, penalty) by account."""
    sums: dict[str, tuple[Kopecks, Kopecks]] = {}
    for item in items:
        services, penalty = sums.get(item.account, (0, 0))
        if item.penalty:
            penalty += item.amount
        else:
            services += item.amount
        sums[item.account] = services, penalty
    return sums
