"""The masked preview of a contract, shown before ownership is proven.

A person must recognise the own contract, and learn nothing of another one: the address ends
before the house, a name is reduced to initials. Where the text is not understood, more is hidden,
not less.
"""

from __future__ import annotations

import re

from shared.contracts.accounts import PayerKind

HIDDEN = "***"
"""Shown in place of what cannot be masked."""

_HOUSE = re.compile(
    r"(?<![\w])(?:дом|д|домовладение|владение|влд|вл|участок|уч|строение|стр|корпус|корп|к|"
    r"литера|лит|квартира|кв|комната|комн|ком|помещение|помещ|пом|офис|оф|гараж|бокс)"
    r"\.?\s*№?\s*\d",
    re.IGNORECASE,
)
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


def mask_holder(holder: str, payer_kind: PayerKind) -> str:
    """Return initials: ``И. И. И.``; for an organisation its form and initials: ``ООО «Р…»``."""
    if payer_kind in ("organisation", "managing_company"):
        return _WORD.sub(_mask_word, holder) or HIDDEN
    return " ".join(f"{word[0].upper()}." for word in _WORD.findall(holder)) or HIDDEN


def _is_house(part: str) -> bool:
    return _BARE_HOUSE.fullmatch(part) is not None and _ORDINAL.fullmatch(part) is None


def _without_trailing_house(part: str) -> str:
    words = part.split()
    while len(words) > 1 and _is_house(words[-1]):
        words.pop()
    return " ".join(words)


def _mask_word(match: re.Match[str]) -> str:
    word = match.group()
    return word if _LEGAL_FORM.fullmatch(word) else f"{word[0]}…"
