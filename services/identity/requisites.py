"""What people type about themselves: checked, and brought to one form.

Every function raises ValidationFailed with a code of its own; no message repeats what was typed.
"""

from __future__ import annotations

import re
import unicodedata

import msgspec

from shared.errors import ValidationFailed

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])")
_KPP = re.compile(r"[0-9]{4}[0-9A-Z]{2}[0-9]{3}")
_PHONE_PUNCTUATION = re.compile(r"[\s().\-\u2010-\u2015]")

LONGEST_NAME = 150
"""Characters of a full name (ФИО)."""
LONGEST_ORGANISATION = 300
"""Characters of an organisation's name, with its legal form."""


class Organisation(msgspec.Struct, frozen=True, kw_only=True):
    """Who is behind a cabinet of type «Юр. лицо»; a sole trader (ИП) has no KPP."""

    name: str
    inn: str
    kpp: str | None


def parse_email(text: str) -> str:
    """Return the address to write to: trimmed, its domain in lower-case ASCII (IDNA).

    At most 254 characters (RFC 5321). The case of the part before the @ is kept, because its
    server may mind it. Raises ``email_invalid``.
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
    """Return the form under which an address is known, however it was typed.

    A text that is no address has a key too (one that nobody is known by): a sign-in with it must
    look like any other that fails.
    """
    try:
        return parse_email(text).lower()
    except ValidationFailed:
        return text.strip().lower()


def parse_organisation(name: str, inn: str, kpp: str | None) -> Organisation:
    """Return an organisation's requisites, checked.

    A legal entity has an INN of 10 digits and a KPP, a sole trader an INN of 12 and no KPP
    (приказ ФНС России от 29.06.2012 № ММВ-7-6/435@). Raises ``organisation_name_invalid``,
    ``inn_invalid``, ``kpp_invalid``, ``kpp_missing`` or ``kpp_not_expected``.
    """
    name, inn, kpp = _one_line(name), inn.strip(), (kpp or "").strip().upper()
    if not 2 <= len(name) <= LONGEST_ORGANISATION or not _printable(name):
        raise ValidationFailed(
            "organisation_name_invalid",
            f"Give the organisation's name, 2 to {LONGEST_ORGANISATION} characters.",
            max_length=LONGEST_ORGANISATION,
        )
    if not inn_is_valid(inn):
        raise ValidationFailed(
            "inn_invalid", "The INN's digits do not add up; copy it from the tax certificate."
        )
    if len(inn) == 12 and kpp:
        raise ValidationFailed("kpp_not_expected", "A sole trader has no KPP; leave it empty.")
    if len(inn) == 10 and not kpp:
        raise ValidationFailed("kpp_missing", "An organisation with this INN has a KPP; give it.")
    if kpp and not _KPP.fullmatch(kpp):
        raise ValidationFailed(
            "kpp_invalid", "A KPP has 9 characters, such as 770101001; check it."
        )
    return Organisation(name=name, inn=inn, kpp=kpp or None)


def inn_is_valid(inn: str) -> bool:
    """Return whether an INN has 10 or 12 digits and its check digits are right."""
    if not (inn.isascii() and inn.isdecimal()) or not inn.strip("0"):
        return False
    digits = [int(character) for character in inn]
    if len(digits) == 10:
        return digits[9] == _check_digit(digits, (2, 4, 10, 3, 5, 9, 4, 6, 8))
    return (
        len(digits) == 12
        and digits[10] == _check_digit(digits, (7, 2, 4, 10, 3, 5, 9, 4, 6, 8))
        and digits[11] == _check_digit(digits, (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8))
    )


def _check_digit(digits: list[int], weights: tuple[int, ...]) -> int:
    weighted = sum(digit * weight for digit, weight in zip(digits, weights, strict=False))
    return weighted % 11 % 10


def parse_phone(text: str) -> str:
    """Return a phone number in E.164: ``+79161234567``.

    Russian habits are understood (``8 (916) 123-45-67``, ``9161234567``). Raises
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


def parse_full_name(text: str) -> str:
    """Return a person's full name on one line. Raises ``full_name_invalid``."""
    name = _one_line(text)
    if not 2 <= len(name) <= LONGEST_NAME or not _printable(name):
        raise ValidationFailed(
            "full_name_invalid",
            f"Give the full name in 2 to {LONGEST_NAME} characters.",
            max_length=LONGEST_NAME,
        )
    return name


def _one_line(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _printable(text: str) -> bool:
    # A control or formatting character could turn the direction of the text on a page or a bill.
    return not any(unicodedata.category(character).startswith("C") for character in text)
