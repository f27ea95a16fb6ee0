"""What is owed by the end of a day, and the certificates of it."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.accounts import ServiceBalance
from gateway.schemas.base import (
    Day,
    Result,
    Shape,
    day,
    described,
    kopecks,
    one_of,
    output_text,
)


class DebtQuery(Shape):
    """The day of the debt."""

    on = Day(
        load_default=None,
        metadata=described("Today or a past day; today otherwise.", "2026-06-30"),
    )


class CertificateQuery(DebtQuery):
    """The day of a certificate, and what it certifies."""

    kind = fields.String(
        load_default="no_debt",
        validate=one_of("no_debt", "debt"),
        metadata=described("That nothing is owed, or what is owed.", "no_debt"),
    )


class Debt(Result):
    """What an account owes by the end of a day."""

    number = output_text("The personal account.", "0001234")
    on = day("The last day that counts.")
    services = fields.List(fields.Nested(ServiceBalance), required=True)
    principal = kopecks("The debt for services", 450000)
    penalty = kopecks("The penalty («пени») by the rules through that day", 1425)
    advance = kopecks("Paid in advance", 0)
    owed = kopecks("All that is owed, the advance subtracted; zero: nothing", 451425)
