"""What a posting may be, whoever asks for it; a refusal says what to do next."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.ledger.events import ChargeLine
from services.ledger.state import OPENING_PERIOD
from shared.errors import ValidationFailed
from shared.money import MAX_AMOUNT, Kopecks

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
# Turnover and trial balance have rows of these names beside those of the services.
_RESERVED = frozenset(("advance", "penalty"))


def check_amount(amount: Kopecks, what: str) -> None:
    """Refuse a signed sum that is beyond what one posting may be."""
    if not -MAX_AMOUNT <= amount <= MAX_AMOUNT:
        raise ValidationFailed("invalid_amount", f"The {what} is beyond what one posting may be.")


def check_positive(amount: Kopecks, what: str) -> None:
    """Refuse what is not a sum above zero."""
    if not 0 < amount <= MAX_AMOUNT:
        raise ValidationFailed("invalid_amount", f"The {what} must be a positive sum of kopecks.")


def check_month(period: str) -> None:
    """Refuse what is no month of a bill; the opening balance has a period that no bill has."""
    if not _MONTH.fullmatch(period) or period == OPENING_PERIOD:
        raise ValidationFailed(
            "invalid_charges", "A bill is of a month, written as 2026-10.", period=period
        )


def check_services(services: Sequence[str], code: str) -> None:
    """Refuse a service that comes twice, or has a code that is not for services."""
    once = set(services)
    if len(once) != len(services):
        raise ValidationFailed(code, "Each service comes once.")
    if not _RESERVED.isdisjoint(once):
        raise ValidationFailed(code, "No service can have the code of penalty or advance.")


def check_line(line: ChargeLine) -> None:
    """Refuse a line that does not add up, or goes beyond what one posting may be."""
    charged, recalculation, privilege = line.charged, line.recalculation, line.privilege
    if line.payable != charged + recalculation - privilege:
        raise ValidationFailed(
            "invalid_charges",
            f"Line {line.service}: payable must be charged + recalculation - privilege.",
        )
    # A billing run comes here a million times: a call each, or a text made in vain, would tell.
    if not (
        -MAX_AMOUNT <= charged <= MAX_AMOUNT
        and -MAX_AMOUNT <= recalculation <= MAX_AMOUNT
        and -MAX_AMOUNT <= privilege <= MAX_AMOUNT
    ):
        for amount in (charged, recalculation, privilege):
            check_amount(amount, f"line {line.service}")
