"""E-mail addresses and phone numbers as people type them, checked and brought to one form.

Every function raises ValidationFailed with a code of its own; no message repeats what was typed.
"""

from __future__ import annotations

import re

from shared.errors import ValidationFailed

_PHONE_PUNCTUATION = re.compile(r"[\s().\-\u2010-\u2015]")


def parse_phone(text: str) -> str:
    """Return a phone number in E.164: ``+79161234567``.

    Russian spellings are accepted (``8 (916) 123-45-67``, ``9161234567``). Raises
    ``phone_invalid``.
    """
    digits = _PHONE_PUNCTUATION.sub("", text)
    if re.fullmatch(r"[78][0-9]{10}", digits):
        digits = f"+7{digits[1:]}"
    elif re.fullmatch(r"9[0-9]{9}", digits):
        digits = f"+7{digits}"
    russian = digits.startswith("+7")
    if not re.fullmatch(r"\+7[0-9]{10}" if russian else r"\+[1-9][0-9]{7,14}", digits):
        raise ValidationFailed(
            "phone_invalid", "Give the phone number with its code, such as +7 916 123-45-67."
        )
    return digits
