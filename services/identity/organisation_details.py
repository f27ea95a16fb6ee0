"""The details of an organisation as people type them: name, INN, KPP.

Every function raises ValidationFailed with a code of its own; no message repeats what was typed.
"""

from __future__ import annotations

import re

import msgspec

from services.identity.names import one_line
from shared.errors import ValidationFailed

_KPP = re.compile(r"[0-9]{4}[0-9A-Z]{2}[0-9]{3}")

MAX_ORGANISATION_NAME_LENGTH = 300
"""Characters of an organisation's name, with its legal form."""


class Organisation(msgspec.Struct, frozen=True, kw_only=True):
    """The organisation behind a cabinet of type «Юр. лицо»; a sole trader (ИП) has no KPP."""

    name: str
    inn: str
    kpp: str | None


def parse_organisation(name: str, inn: str, kpp: str | None) -> Organisation:
    """Return an organisation's checked details.

    A legal entity has an INN of 10 digits and a KPP, a sole trader an INN of 12 and no KPP
    (приказ ФНС России от 29.06.2012 № ММВ-7-6/435@). Raises ``organisation_name_invalid``,
    ``inn_invalid``, ``kpp_invalid``, ``kpp_missing`` or ``kpp_not_expected``.
    """
    inn, kpp = inn.strip(), (kpp or "").strip().upper()
    registered_name = one_line(name, MAX_ORGANISATION_NAME_LENGTH)
    if registered_name is None:
        raise ValidationFailed(
            "organisation_name_invalid",
            f"Give the organisation's name, 2 to {MAX_ORGANISATION_NAME_LENGTH} characters.",
            max_length=MAX_ORGANISATION_NAME_LENGTH,
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
    return Organisation(name=registered_name, inn=inn, kpp=kpp or None)


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
