"""E-mail addresses and phone numbers as people type them, checked and brought to one form.

Every function raises ValidationFailed with a code of its own; no message repeats what was typed.
"""

from __future__ import annotations

import re

from shared.errors import ValidationFailed

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])")
_PHONE_PUNCTUATION = re.compile(r"[\s().\-\u2010-\u2015]")


def parse_email(text: str) -> str:
    """Return the address to write to: trimmed, its domain in lower-case ASCII (IDNA).

    At most 254 characters (RFC 5321). The part before the @ keeps its case, which its server may
    distinguish. Raises ``email_invalid``.
    """
    local, at, domain = text.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode().lower()
    except UnicodeError:
        domain = ""
    address = f"{local}{at}{domain}"
    fits = len(local) <= 64 and len(address) <= 254
    if not (fits and _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain)):
        raise ValidationFailed(
            "email_invalid", "This is not an e-mail address; check it for typing errors."
        )
    return address


def email_key(text: str) -> str:
    """Return the normal form of an address, by which it is looked up.

    A text that is not an address has a key too, one that nobody has: a sign-in with it must fail
    like any other.
    """
    try:
        return parse_email(text).lower()
    except ValidationFailed:
        return text.strip().lower()


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
