"""Linking accounts: the look-up, the proof, and the linked ones."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.base import (
    Result,
    Shape,
    account_or_els,
    day,
    described,
    input_text,
    instant,
    notice,
    output_text,
)


def role_field() -> fields.String:
    """Return the field for what a person may do with an account."""
    return output_text(
        "`owner` (reads, pays, shares), `payer` (reads and pays) or `viewer` (reads).", "owner"
    )


class LookUp(Shape):
    """The account to look up: «Проверить» (S11)."""

    number = account_or_els()


class Preview(Result):
    """A preview of a contract before it is linked, without anything that names a person."""

    number = output_text("The personal account.", "0001234")
    address = output_text("The address without the flat.", "г. Рязань, ул. Ленина, д. 5, кв. **")
    holder = output_text("The initials of the holder.", "И*** И*** И***")
    linked = fields.Boolean(
        required=True, metadata=described("Whether it is already in this cabinet.", False)
    )
    proof = fields.List(
        fields.String(),
        required=True,
        metadata=described(
            "What links it, any of these: `control_code` of the last bill, `total_and_period` of "
            "it, or its `number` alone.",
            ["control_code"],
        ),
    )


class Link(Shape):
    """An account, and the proof of ownership: a fact of its last bill."""

    number = account_or_els()
    proof = input_text(
        "The control code of the bill in any spelling; or, where the operator accepts it, its "
        "total and month, as `4500,00 10.2026`.",
        "7K4M-Q2XD",
        least=0,
        most=64,
        required=False,
        load_default="",
    )


class Linked(Result):
    """The linked account."""

    number = output_text("The personal account.", "0001234")
    message = notice()


class Account(Result):
    """A linked account with the details of its contract."""

    number = output_text("The personal account.", "0001234")
    address = output_text(
        "The address; null if erased.", "г. Рязань, ул. Ленина, д. 5", allow_none=True
    )
    holder = output_text("The holder; null if erased.", "Иванов Иван Иванович", allow_none=True)
    residents = fields.Integer(
        required=True, allow_none=True, metadata=described("The number of residents.", 3)
    )
    total_area = output_text("Total area, square metres.", "54.3", allow_none=True)
    living_area = output_text("Living area, square metres.", "38.6", allow_none=True)
    heated_area = output_text("Heated area, square metres.", "54.3", allow_none=True)
    els = output_text(
        "The single personal account of ГИС ЖКХ («единый лицевой счёт»).",
        "51АД600037",
        allow_none=True,
    )
    services = fields.List(
        fields.String(), required=True, metadata=described("What is billed.", ["Отопление"])
    )
    payee = output_text("The id of who receives the payments.", "main", allow_none=True)
    role = role_field()
    since = day("The first day that the person sees; null: from the beginning.", allow_none=True)
    until = day("The last day that the person sees; null: it is open.", allow_none=True)
    state = output_text(
        "`open`, or `closed`: nothing is paid any more, and all stays readable.", "open"
    )
    linked_at = instant("When it was linked.")


class Accounts(Result):
    """The accounts of the cabinet, up to 10 (S15)."""

    accounts = fields.List(fields.Nested(Account), required=True)
