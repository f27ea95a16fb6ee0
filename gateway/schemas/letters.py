"""Letters: their language, which of them come, and the last ones."""

from __future__ import annotations

from typing import Any

from gateway.schemas.base import Text, described, one_of
from shared.contracts.identity import Language


def letter_language(description: str, **more: Any) -> Text:
    """Return the field for the language of letters."""
    return Text(
        validate=one_of(*Language), metadata=described(description, Language.RUSSIAN.value), **more
    )
