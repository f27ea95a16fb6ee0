"""The masked preview of a contract, shown before ownership is proven; and its house, without flat.

A person must recognise the own contract, and learn nothing of another one: the address ends
before the house, a name is reduced to initials. Where the text is not understood, more is hidden,
not less.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from shared.payer_kinds import PayerKind

HIDDEN = "***"
"""Shown in place of what cannot be masked."""

_FLATS = "квартира|кв|комната|комн|ком|помещение|помещ|пом|офис|оф|гараж|бокс"
_HOUSES = (
    "дом|д|домовладение|владение|влд|вл|участок|уч|строение|стр|корпус|корп|к|литера|лит|" + _FLATS
)


def _numbered(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w])(?:{words})\.?\s*№?\s*\d", re.IGNORECASE)


_HOUSE, _FLAT = _numbered(_HOUSES), _numbered(_FLATS)
_FLAT_BEHIND_HOUSE = re.compile(r"(\d[\w/]*)-\w+\.?$")
_POSTCODE = re.compile(r"\d{6}")
_BARE_HOUSE = re.compile(r"№?\d+[\w]{0,2}(?:[/\-]\w+)*\.?", re.IGNORECASE)
_ORDINAL = re.compile(r"\d+-?(?:й|я|е|ая|ый|ой|ий|го)", re.IGNORECASE)
_LEGAL_FORM = re.compile(r"[A-ZА-ЯЁ]{2,5}")
_WORD = re.compile(r"\w[\w\-]*")


def mask_address(address: str) -> str:
    """Return an address up to its street: ``г. Вымыслов, ул. Придуманная``."""
    house = _HOUSE.search(address)
    parts = [part.strip() for part in address[: house.start() if house else None].split(",")]
    shown: list[str] = []
    for part in parts:
        if not part or _POSTCODE.fullmatch(part):
            continue
        if _is_house(part):
            break
        shown.append(part)
    if shown:
        shown[-1] = _without_trailing_house(shown[-1])
    return ", ".join(shown) or HIDDEN


def house_of(address: str) -> str:
    """Return an address up to its house, without postcode and flat; "" where there is no house."""
    flat = _FLAT.search(address)
    shown: list[str] = []
    for part in (part.strip() for part in address[: flat.start() if flat else None].split(",")):
        if not part or _POSTCODE.fullmatch(part):
            continue
        if shown and _is_house(part) and _has_house(shown[-1]):
            break
        shown.append(part)
    if not shown or not any(map(_has_house, shown)):
        return ""
    shown[-1] = _FLAT_BEHIND_HOUSE.sub(r"\1", shown[-1])
    return ", ".join(shown)


def mask_holder(holder: str, payer_kind: PayerKind) -> str:
    """Return initials: ``И. И. И.``; for an organisation its form and initials: ``ООО «Р…»``."""
    return MASKS[payer_kind](holder) or HIDDEN


def _mask_person(name: str) -> str:
    return " ".join(f"{word[0].upper()}." for word in _WORD.findall(name))


def _mask_organisation(name: str) -> str:
    return _WORD.sub(_mask_word, name)


MASKS: Mapping[PayerKind, Callable[[str], str]] = {
    PayerKind.HOUSEHOLD: _mask_person,
    PayerKind.CAPITAL_REPAIR: _mask_person,
    PayerKind.ORGANISATION: _mask_organisation,
    PayerKind.MANAGING_COMPANY: _mask_organisation,
}
"""Payer kind -> how its holder's name is masked."""


def _is_house(part: str) -> bool:
    return _BARE_HOUSE.fullmatch(part) is not None and _ORDINAL.fullmatch(part) is None


def _has_house(part: str) -> bool:
    return (
        _HOUSE.search(part) is not None or _without_trailing_house(part) != part or _is_house(part)
    )


def _without_trailing_house(part: str) -> str:
    words = part.split()
    while len(words) > 1 and _is_house(words[-1]):
        words.pop()
    return " ".join(words)


def _mask_word(match: re.Match[str]) -> str:
    word = match.group()
    return word if _LEGAL_FORM.fullmatch(word) else f"{word[0]}…"
