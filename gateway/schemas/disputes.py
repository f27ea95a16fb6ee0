"""Lines of bills that persons dispute."""

from __future__ import annotations

from marshmallow import fields, validate

from gateway.schemas import patterns
from gateway.schemas.base import (
    ID_EXAMPLE,
    Pattern,
    Result,
    Shape,
    Text,
    account_number,
    described,
    input_text,
    instant,
    output_text,
)

STATES = (
    "`under_review`: the department checks the line; `corrected`: a recalculation was made, it "
    "stands among the adjustments of the month; `rejected`: the line stays as it is."
)


class BilledLine(Shape):
    """A line of the bill of a month."""

    period = Text(
        required=True,
        validate=Pattern(patterns.MONTH, error="field_refused"),
        metadata=described("The month of the bill, YYYY-MM.", "2026-10"),
    )
    service = input_text("The code of the service, of `GET /charges`.", "heating", most=64)


def disputed_line() -> fields.Nested:
    """Return the field for the line that a question disputes."""
    return fields.Nested(
        BilledLine,
        required=False,
        load_default=None,
        allow_none=True,
        metadata=described(
            "The line of a bill of `account` that the person does not agree with; null: none."
        ),
    )


class DisputesQuery(Shape):
    """Which of the linked accounts."""

    account = account_number(required=False, load_default=None, allow_none=True)


class DisputedLine(Result):
    """A line that is disputed, and what has become of it."""

    account = output_text("The account.", "0001234")
    period = output_text("The month of the bill, YYYY-MM.", "2026-10")
    service = output_text("The code of the service.", "heating")
    state = fields.String(
        required=True,
        validate=validate.OneOf(("under_review", "corrected", "rejected")),
        metadata=described(STATES, "under_review"),
    )
    since = instant("Since when it is so.")


class Dispute(DisputedLine):
    """The same for everybody who may read the account."""

    question_id = fields.String(
        required=True,
        allow_none=True,
        metadata=described(
            "The question, for whoever asked it; null: somebody else did.",
            ID_EXAMPLE,
            format="uuid",
        ),
    )


class Disputes(Result):
    """The disputed lines of accounts, the newest change first."""

    disputes = fields.List(fields.Nested(Dispute), required=True)
