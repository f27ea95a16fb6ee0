"""The policy for passwords that people choose.

Length counts, mixtures of character classes do not (NIST SP 800-63B): passwords are refused that
are guessed first, by everybody (`common_passwords`) or by who knows the person.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from services.identity.common_passwords import (
    folded,
    in_either_layout,
    in_latin_letters,
    is_common,
)
from shared.errors import ValidationFailed

MIN_LENGTH = 8
MAX_LENGTH = 200

_SEPARATORS = re.compile(r"[\W_]+")
_MIN_PART = 4
"""A shorter part of a name or an address is no hint: it is in too many words."""


def check_password(
    password: str,
    *,
    email: str | None = None,
    names: Iterable[str | None] = (),
    previous: str | None = None,
    is_temporary: bool = False,
) -> None:
    """Raise ValidationFailed for a password that is easily guessed or not new.

    ``email`` is the person's address if known, ``names`` are the person's and the organisation's,
    ``previous`` is the password being changed, ``is_temporary`` whether this one was in a letter.
    The codes are ``password_too_short`` (``min_length``), ``password_too_long`` (``max_length``),
    ``password_too_common``, ``password_has_email``, ``password_has_name``, ``password_unchanged``,
    ``password_was_temporary``.
    """
    plain = unicodedata.normalize("NFKC", password)
    if len(plain) < MIN_LENGTH:
        raise ValidationFailed(
            "password_too_short",
            f"Choose a password of at least {MIN_LENGTH} characters; a phrase is easy to remember.",
            min_length=MIN_LENGTH,
        )
    if len(plain) > MAX_LENGTH:
        raise ValidationFailed(
            "password_too_long",
            f"Choose a password of at most {MAX_LENGTH} characters.",
            max_length=MAX_LENGTH,
        )
    if is_common(plain):
        raise ValidationFailed(
            "password_too_common", "This password is among the first to be guessed; choose another."
        )
    if email is not None and _contains(plain, _parts(email.rpartition("@")[0])):
        raise ValidationFailed(
            "password_has_email",
            "The password must not contain the e-mail address; choose another.",
        )
    if _contains(plain, (part for name in names if name for part in _parts(name))):
        raise ValidationFailed(
            "password_has_name", "The password must not contain your name; choose another."
        )
    if previous is not None and plain == unicodedata.normalize("NFKC", previous):
        raise ValidationFailed(
            "password_unchanged", "The new password is the current one; choose another."
        )
    if is_temporary:
        raise ValidationFailed(
            "password_was_temporary", "This password was in a letter; choose one of your own."
        )


def _parts(text: str) -> Iterator[str]:
    """Return what of a name or an address must not be in a password, in Latin letters."""
    known = folded(text)
    for part in (*_SEPARATORS.split(known), _SEPARATORS.sub("", known)):
        if len(part) >= _MIN_PART:
            yield in_latin_letters(part)


def _contains(password: str, parts: Iterable[str]) -> bool:
    text = folded(password)
    forms = {
        in_latin_letters(form)
        for each in (text, _SEPARATORS.sub("", text))
        for form in in_either_layout(each)
    }
    return any(part in form for part in parts for form in forms)
