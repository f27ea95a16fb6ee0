"""Letters: their language, which of them come, and the last ones."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from gateway.schemas.base import (
    Flag,
    Notice,
    Result,
    Shape,
    Text,
    described,
    identifier,
    instant,
    link_token,
    one_of,
    output_text,
)
from shared.contracts.identity import Language

_OPTIONAL = {
    "bill_ready": "What was charged for a month, after each billing run.",
    "due_soon": "A few days before the due day, to whoever still owes.",
    "overdue": "After the due day, before the first penalty.",
}


def letter_language(description: str, **more: Any) -> Text:
    """Return the field for the language of letters."""
    return Text(
        validate=one_of(*Language), metadata=described(description, Language.RUSSIAN.value), **more
    )


def _wanted(kind: str, **more: Any) -> Flag:
    return Flag(metadata=described(_OPTIONAL[kind], True), **more)


class Letter(Result):
    """A letter: that there was one, never what it said."""

    letter_id = identifier("The id of the letter.")
    kind = output_text("The kind of letter.", "payment_receipt")
    title = output_text("Its name, in the requested language.", "Платёж прошёл: квитанция")
    state = output_text(
        "`queued`, `sent` (the mail server has it), `bounced` (the addressee's server returned "
        "it), `failed` (given up), or `not_needed` (a newer one has taken its place, or it was "
        "switched off).",
        "sent",
    )
    queued_at = instant("When it was called for.")
    sent_at = instant("When the mail server accepted it; null before.", allow_none=True)


class OptionalLetters(Result):
    """The letters that can be switched off, and whether they are wanted."""

    bill_ready = _wanted("bill_ready", required=True)
    due_soon = _wanted("due_soon", required=True)
    overdue = _wanted("overdue", required=True)


class Letters(Result):
    """The letters of the person."""

    language = output_text("`ru` or `en`.", "ru")
    optional = fields.Nested(OptionalLetters, required=True)
    bounced_since = instant(
        "Since when letters to the person's address have been returned; null while they arrive.",
        allow_none=True,
    )
    letters = fields.List(
        fields.Nested(Letter),
        required=True,
        metadata=described("The last twenty, the newest first."),
    )


class OptionalChoices(Shape):
    """Whether each of them is wanted; an absent one stays as it is."""

    bill_ready = _wanted("bill_ready")
    due_soon = _wanted("due_soon")
    overdue = _wanted("overdue")


class ChooseLetters(Shape):
    """The language of the letters, and which of the optional ones are wanted."""

    language = letter_language("The language of the letters.", required=True)
    optional = fields.Nested(
        OptionalChoices,
        required=True,
        metadata=described("The other letters, on access and payments, always come."),
    )


class Subscription(Result):
    """What a link in a letter switches off."""

    kind = output_text("The kind of letter.", "due_soon")
    title = output_text("Its name, in the requested language.", "Скоро срок оплаты")
    wanted = fields.Boolean(
        required=True,
        metadata=described("Whether such letters still come to whoever got this one.", True),
    )


class Unsubscribe(Shape):
    """The token of the link in a letter."""

    token = link_token()


class Unsubscribed(Notice):
    """Such letters do not come any more."""

    kind = output_text("The kind of letter.", "due_soon")
    title = output_text("Its name, in the requested language.", "Скоро срок оплаты")
