"""The test cards, and the validation of the card form.

A card number never leaves this module unmasked. Nothing here logs, and no exception quotes the
input.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Final


class IssuerResponse(Enum):
    """What the issuer does with a card."""

    APPROVE = "approve"
    DECLINE = "decline"
    CHALLENGE = "challenge"
    """Ask for a 3-D Secure code."""


TEST_CARDS: Final = {
    "4111111111111111": IssuerResponse.APPROVE,
    "4000000000000002": IssuerResponse.DECLINE,
    "4000000000003220": IssuerResponse.CHALLENGE,
}


class InvalidCardError(Exception):
    """`problems` holds a Russian sentence for each invalid field, to be shown beside it."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__(f"invalid fields: {', '.join(sorted(problems))}")
        self.problems = problems


@dataclass(frozen=True)
class Card:
    """What is kept of a valid card."""

    masked_pan: str
    issuer_response: IssuerResponse


def check_card(card_number: str, expiry: str, cvc: str, today: date) -> Card:
    """Validate the form. Raises `InvalidCardError` with all problems at once."""
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
        raise InvalidCardError(problems)
    return Card(masked_pan=f"{digits[:6]}**{digits[-4:]}", issuer_response=TEST_CARDS[digits])


def passes_luhn(digits: str) -> bool:
    """Return whether the check digit of ISO/IEC 7812-1 is right."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_valid_on(expiry: str, today: date) -> bool:
    """Return whether the card is valid: through the last day of the month printed on it."""
    match = re.fullmatch(r"\s*(0?[1-9]|1[0-2])\s*[/.-]?\s*((?:20)?[0-9]{2})\s*", expiry)
    if match is None:
        return False
    month, year = int(match[1]), int(match[2][-2:]) + 2000
    return (year, month) >= (today.year, today.month)
