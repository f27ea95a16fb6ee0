"""E-mail addresses as people type them, checked and brought to one form.

No message repeats what was typed.
"""

from __future__ import annotations

import re

from shared.errors import ValidationFailed

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])")


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
