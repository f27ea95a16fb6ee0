"""The test cards, and the check of what was typed into the form.

A number lives in the request that brought it, and nowhere else: what leaves this module is the
masked one. Nothing here logs, and no exception quotes what was typed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Final


class Verdict(Enum):
    """What the issuer does with a card."""

    PAYS = "pays"
    DECLINES = "declines"
    ASKS_FOR_CODE = "asks_for_code"


TEST_CARDS: Final = {
    "4111111111111111": Verdict.PAYS,
    "4000000000000002": Verdict.DECLINES,
    "4000000000003220": Verdict.ASKS_FOR_CODE,
}


class CardFormInvalid(Exception):  # noqa: N818 - reads as the finding that it is
    """`problems` gives, per field of the form, the Russian sentence shown beside it."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__(f"invalid fields: {', '.join(sorted(problems))}")
        self.problems = problems


@dataclass(frozen=True)
class Card:
    """What remains of a card after its check."""

    masked_pan: str
    verdict: Verdict


def check_card(card_number: str, expiry: str, cvc: str, today: date) -> Card:
    """Read the three fields of the form. Raises `CardFormInvalid` with every problem at once."""
    digits = re.sub(r"[\s\u00a0-]", "", card_number)
    problems: dict[str, str] = {}
    if not re.fullmatch(r"[0-9]{13,19}", digits) or not passes_luhn(digits):
        problems["card_number"] = "Номер карты введён с ошибкой. Проверьте цифры на карте."
    elif digits not in TEST_CARDS:
        problems["card_number"] = "Это учебный банк: введите одну из карт, указанных под формой."
    if not _is_valid_on(expiry, today):
        problems["expiry"] = "Укажите срок действия карты: месяц и год, например 12/30."
    if not re.fullmatch(r"[0-9]{3}", cvc.strip()):
        problems["cvc"] = "Укажите три цифры с обратной стороны карты."
    if problems:
        raise CardFormInvalid(problems)
    return Card(masked_pan=f"{digits[:6]}**{digits[-4:]}", verdict=TEST_CARDS[digits])


def passes_luhn(digits: str) -> bool:
    """The check digit of ISO/IEC 7812-1."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_valid_on(expiry: str, today: date) -> bool:
    """A card is good through the last day of the month printed on it."""
    match = re.fullmatch(r"\s*(0?[1-9]|1[0-2])\s*[/.-]?\s*((?:20)?[0-9]{2})\s*", expiry)
    if match is None:
        return False
    month, year = int(match[1]), int(match[2][-2:]) + 2000
    return (year, month) >= (today.year, today.month)
