"""Texts of one line in requests: reasons that staff give, which are kept for good, and names."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields

from shared.reasons import recorded_reason


def printable(text: str) -> None:
    """Refuse a text with anything else than printable characters, in a schema."""
    # Else it could not be kept: a lone surrogate has no encoding, and PostgreSQL has no NUL.
    if not text.isprintable():
        raise ValidationError("only printable characters")


class Reason(fields.String):
    """A reason in a request; ``optional``: it may be empty."""

    def __init__(self, *, optional: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self._optional = optional

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **options))
        if self._optional and not text:
            return ""
        try:
            return recorded_reason(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None
