"""Limits of every posting; a refusal says what to do next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from services.ledger.domain.events import ChargeLine
from services.ledger.domain.order import OPENING_PERIOD
from shared.errors import ValidationFailed
from shared.money import MAX_AMOUNT, Kopecks

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
# Turnover and trial balance have rows of these names beside those of the services.
_RESERVED = frozenset(("advance", "penalty"))


def check_amount(amount: Kopecks, what: str) -> None:
    """Refuse a signed sum that is too large for one posting."""
    if not -MAX_AMOUNT <= amount <= MAX_AMOUNT:
        raise ValidationFailed("invalid_amount", f"The {what} is beyond what one posting may be.")


def check_positive(amount: Kopecks, what: str) -> None:
    """Refuse a sum that is not positive."""
    if not 0 < amount <= MAX_AMOUNT:
        raise ValidationFailed("invalid_amount", f"The {what} must be a positive sum of kopecks.")


@lru_cache(maxsize=1_024)
def check_month(period: str) -> None:
    """Refuse an invalid month of a bill; the period of the opening balance is none."""
    if not _MONTH.fullmatch(period) or period == OPENING_PERIOD:
        raise ValidationFailed(
            "invalid_charges", "A bill is of a month, written as 2026-10.", period=period
        )


def check_services(services: Sequence[str], code: str) -> None:
    """Refuse a service that comes twice, or has a reserved code."""
    once = set(services)
    if len(once) != len(services):
        raise ValidationFailed(code, "Each service comes once.")
    if not _RESERVED.isdisjoint(once):
        raise ValidationFailed(code, "No service can have the code of penalty or advance.")


def checked_sums(lines: Sequence[ChargeLine]) -> tuple[dict[str, Kopecks], Kopecks]:
    """Return the totals of a bill: what is owed by service, and the money back.

    A negative line is money back. Refuses a line that does not add up or is too large, and a
    service that comes twice. A billing run calls this a million times, so a plain line, charged
    and nothing else, takes a short path.
    """
    owed, money_back = dict[str, Kopecks](), 0
    for line in lines:
        payable = line.payable
        if (
            not 0 < payable <= MAX_AMOUNT
            or payable != line.charged
            or line.recalculation
            or line.concession
        ):
            _check_line(line)
            if payable <= 0:
                money_back -= payable
                continue
        owed[line.service] = payable
    if len(owed) < len(lines) or not _RESERVED.isdisjoint(owed):
        check_services([line.service for line in lines], "invalid_charges")
    return owed, money_back


def _check_line(line: ChargeLine) -> None:
    charged, recalculation, concession = line.charged, line.recalculation, line.concession
    if line.payable != charged + recalculation - concession:
        raise ValidationFailed(
            "invalid_charges",
            f"Line {line.service}: payable must be charged + recalculation - concession.",
        )
    for amount in (charged, recalculation, concession):
        check_amount(amount, f"line {line.service}")
