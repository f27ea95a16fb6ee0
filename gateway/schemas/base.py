"""The fields of the schemas.

Every message is a code of the gateway's catalogue (``field_required``), followed by its numbers
(``field_length 1 200``). The text is chosen when the person's language is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from gateway.schemas import patterns
from shared.account_spelling import MAX_TYPED, clean_els, clean_number
from shared.money import MAX_AMOUNT

_CODES = {
    ("Integer", "invalid"): "field_integer",
    ("String", "invalid"): "field_string",
    ("Boolean", "invalid"): "field_boolean",
    ("List", "invalid"): "field_list",
    ("Date", "invalid"): "field_date",
    ("Date", "format"): "field_date",
    ("Nested", "type"): "field_object",
}
_CODES_OF_ALL = {
    "required": "field_required",
    "null": "field_required",
    "characters": "field_characters",
    "moment": "field_date",
}

ID_EXAMPLE = "0b6e7c1e-4d2a-4f65-9c55-0f3a1d9a7b10"


def _use_codes(field: fields.Field[Any]) -> None:
    kinds = [cls.__name__ for cls in type(field).__mro__]
    for key in field.error_messages:
        specific = next((_CODES[kind, key] for kind in kinds if (kind, key) in _CODES), None)
        field.error_messages[key] = specific or _CODES_OF_ALL.get(key, "field_refused")
    if isinstance(field, fields.List):
        _use_codes(field.inner)


@cache
def instance_of(schema: type[Schema]) -> Schema:
    """Return the instance of a schema that the process keeps.

    Making one copies all of its fields, for nested schemas again; loading and dumping change none.
    """
    return schema()


class Shape(Schema):
    """A request: unknown fields are refused."""

    class Meta:
        unknown = RAISE

    joint_rules: ClassVar[Mapping[str, Any]] = {}
    """What the description tells beside the fields: keywords of JSON Schema that join several."""

    error_messages = {"type": "field_object", "unknown": "field_unknown"}  # noqa: RUF012

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        _use_codes(field_obj)


class Result(Shape):
    """A result: unknown fields are not sent."""


class Pattern(validate.Validator):
    """The rule that a whole text matches a pattern of ``gateway.schemas.patterns``."""

    def __init__(self, pattern: str, *, error: str) -> None:
        self.regex = re.compile(pattern)
        self._message = error

    def __call__(self, value: str) -> str:
        if self.regex.fullmatch(value) is None:
            raise ValidationError(self._message)
        return value


class Text(fields.String):
    """Text without control characters.

    Its validators see it as it was sent, which is what the description speaks of; then it is
    stripped, unless ``strip`` is false.
    """

    _UNUSABLE = re.compile(rf"[{patterns.CONTROL}\ud800-\udfff]")

    default_error_messages = {"characters": "field_characters", "moment": "field_date"}  # noqa: RUF012

    def __init__(self, *, strip: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.strip = strip

    def deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super().deserialize(value, *args, **kwargs)
        return text.strip() if self.strip and isinstance(text, str) else text

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if self._UNUSABLE.search(text):
            raise self.make_error("characters")
        return text


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    _DAY.pattern + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)


class Day(fields.Date):
    """A day as 2026-12-31, without the other forms of ISO 8601."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        return super()._deserialize(value, attr, data, **kwargs)


class Moment(Text):
    """A day, or an instant with an offset (RFC 3339)."""

    def __init__(self, *, metadata: Mapping[str, Any], **kwargs: Any) -> None:
        formats = [{"format": "date"}, {"format": "date-time"}]
        super().__init__(metadata={**metadata, "anyOf": formats}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        # A plus sign that was not percent-encoded arrives as a space.
        moment = super()._deserialize(value, attr, data, **kwargs).replace(" ", "+")
        try:
            if _DAY.fullmatch(moment):
                date.fromisoformat(moment)
            elif _INSTANT.fullmatch(moment):
                datetime.fromisoformat(moment).astimezone(UTC)
            else:
                raise self.make_error("moment")
        except (ValueError, OverflowError):
            raise self.make_error("moment") from None
        return moment


class Flag(fields.Boolean):
    """JSON's ``true`` or ``false``, without marshmallow's other spellings."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class QueryInteger(fields.Integer):
    """Digits of a query parameter."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,9}", value):
            raise self.make_error("invalid", input=value)
        return int(value)


def described(description: str, example: Any = None, **more: Any) -> Mapping[str, Any]:
    """Return the metadata of a field that OpenAPI shows."""
    examples = {} if example is None else {"examples": [example]}
    return {"description": description, **examples, **more}


def length(least: int, most: int) -> validate.Length:
    """Return the rule for the length of a text or list."""
    return validate.Length(min=least, max=most, error=f"field_length {least} {most}")


def one_of(*choices: str) -> validate.OneOf:
    """Return the rule that a value is one of the choices."""
    return validate.OneOf(choices, error="field_choice")


def written(least: int, most: int) -> list[validate.Validator]:
    """Return the rules for a text that a person writes: its length, and something to see in it."""
    visible = Pattern(patterns.VISIBLE if least else patterns.TEXT, error=f"field_length 1 {most}")
    return [length(least, most), visible]


def formed(pattern: str, most: int, error: str = "field_refused") -> list[validate.Validator]:
    """Return the rules for a text of a given form."""
    return [length(1, most), Pattern(pattern, error=error)]


def input_text(
    description: str,
    example: str,
    *,
    least: int = 1,
    most: int,
    told: Mapping[str, Any] | None = None,
    **more: Any,
) -> Text:
    """Return a text field of a request.

    ``told`` are rules of JSON Schema that a service enforces, with words of its own; the
    description tells them beforehand.
    """
    more.setdefault("required", True)
    metadata = described(description, example, **(told or {}))
    return Text(validate=written(least, most), metadata=metadata, **more)


def secret(
    description: str,
    example: str,
    *,
    most: int = 500,
    told: Mapping[str, Any] | None = None,
    **more: Any,
) -> Text:
    """Return a field for a password of a request; it is not stripped, and never shown."""
    metadata = described(description, example, format="password", **(told or {}))
    rules = [length(1, most), Pattern(patterns.TEXT, error="field_characters")]
    return Text(strip=False, required=True, validate=rules, metadata=metadata, **more)


def email_address(description: str) -> Text:
    """Return the field for an e-mail address of a request."""
    told = {"pattern": patterns.EMAIL}
    return input_text(description, "ivanov@example.org", least=3, most=254, told=told)


def chosen_password() -> Text:
    """Return the field for a password that a person chooses, as identity's policy takes it."""
    return secret(
        "The new password, never to be shared (S10).",
        "четыре синих чайника",
        told={"minLength": 8, "maxLength": 200},
    )


def link_token() -> Text:
    """Return the field for the token at the end of a link in a letter."""
    return Text(
        required=True,
        validate=formed(patterns.LINK_TOKEN, 43),
        metadata=described(
            "The last part of the link in the letter.",
            "q0Zb3m1V7xR5sT9uY2wC4eG6hJ8kL0nP1aD3fF5gH7j",
        ),
    )


class AccountNumber(Text):
    """The number of a personal account in any spelling, loaded as its digits (S12).

    ``els``: an ЕЛС of ГИС ЖКХ will do, too; the service finds its account.
    """

    def __init__(self, *, els: bool = False, **kwargs: Any) -> None:
        pattern = patterns.ACCOUNT_OR_ELS if els else patterns.ACCOUNT
        rules = [length(1, MAX_TYPED), Pattern(pattern, error="field_account")]
        super().__init__(validate=rules, **kwargs)

    def deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super().deserialize(value, *args, **kwargs)
        return (clean_number(text) or clean_els(text)) if isinstance(text, str) else text


def account_number(**more: Any) -> AccountNumber:
    """Return the field for the number of a personal account in a request."""
    more.setdefault("required", True)
    return AccountNumber(
        metadata=described(
            "The personal account («лицевой счёт»), leading zeros kept; spaces, hyphens and "
            "full-width digits are forgiven.",
            "0001234",
        ),
        **more,
    )


def account_or_els() -> AccountNumber:
    """Return the field for an account's number, or its ЕЛС."""
    return AccountNumber(
        els=True,
        required=True,
        metadata=described(
            "The personal account («лицевой счёт») in any spelling, or its ЕЛС of ГИС ЖКХ.",
            "0001234",
        ),
    )


def input_amount(description: str, example: int, most: int = MAX_AMOUNT) -> fields.Integer:
    """Return the field for an amount of a request, in kopecks, never negative."""
    return fields.Integer(
        strict=True,
        required=True,
        validate=validate.Range(min=0, max=most, error=f"field_range 0 {most}"),
        metadata=described(description + ", kopecks.", example, format="int64"),
    )


def page_size(default: int, most: int) -> QueryInteger:
    """Return the query parameter ``limit``."""
    return QueryInteger(
        load_default=default,
        validate=validate.Range(min=1, max=most, error=f"field_range 1 {most}"),
        metadata=described(f"How many to return, at most {most}.", default),
    )


def cursor(description: str, example: str) -> Text:
    """Return the query parameter that takes ``next`` of the previous page."""
    return Text(
        load_default=None,
        validate=formed(patterns.CURSOR, 200, "field_cursor"),
        metadata=described(f"{description}: the `next` of the previous page.", example),
    )


def kopecks(description: str, example: int, **more: Any) -> fields.Integer:
    """Return the field for an amount of a result, in kopecks."""
    return fields.Integer(
        required=True,
        metadata=described(description + ", kopecks.", example, format="int64"),
        **more,
    )


def output_text(description: str, example: Any = None, **more: Any) -> fields.String:
    """Return a text field of a result."""
    return fields.String(required=True, metadata=described(description, example), **more)


def notice() -> fields.String:
    """Return the field for the message to the person (S26)."""
    return fields.String(
        required=True,
        metadata=described(
            "For the person, in the requested language: what happened, and what to do next."
        ),
    )


class Notice(Result):
    """The action is done."""

    message = notice()


def identifier(description: str) -> fields.String:
    """Return the field for an id of a result."""
    return fields.String(required=True, metadata=described(description, ID_EXAMPLE, format="uuid"))


def instant(description: str, **more: Any) -> fields.String:
    """Return the field for an instant of a result, ISO 8601 with an offset."""
    metadata = described(description, "2026-05-14T09:30:00+00:00", format="date-time")
    return fields.String(required=True, metadata=metadata, **more)


def day(description: str, **more: Any) -> fields.String:
    """Return the field for a day of a result, in the installation's time zone."""
    metadata = described(description, "2026-05-15", format="date")
    return fields.String(required=True, metadata=metadata, **more)


def next_cursor() -> fields.String:
    """Return the field for the cursor of the next page."""
    return fields.String(
        required=True,
        allow_none=True,
        metadata=described("The cursor of the next page; null on the last one."),
    )
