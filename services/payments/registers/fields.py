"""The fields of a bank's row: each is read strictly, and a refusal says what was expected.

All functions raise ValueError with half a sentence that names the fault. It repeats no value but
days and sums: what else stands in a wrong field may be a person's name.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from shared.money import Kopecks, format_roubles, parse_roubles
from shared.tablefiles import shown

LARGEST: Kopecks = 100_000_000_00
"""A larger sum in one row of a bank is a typing error, or no sum of roubles."""
MAX_DOCUMENT = 64
"""Characters of a document's number, as the ledger takes them."""

_DAY = re.compile(r"(?P<day>[0-9]{2})([./-])(?P<month>[0-9]{2})\2(?P<year>[0-9]{4})")
_ISO_DAY = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})")
_TIME = re.compile(r"[ T][0-9]{1,2}[:.-][0-9]{2}([:.-][0-9]{2})?\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NUMBER = re.compile(r"(?:[+-]?[0-9][0-9 \u00a0\u202f]*(?:[.,][0-9]*)?)")
_ACCOUNT = re.compile(r"[0-9]{1,20}")


class DayRange(NamedTuple):
    """The days on which a payment can have been made: the operator's first day up to today."""

    first: date
    today: date

    def check(self, found: date) -> date:
        """Return a day within the range; raises ValueError for another."""
        if found > self.today:
            raise ValueError(f"date: {found} is in the future")
        if found < self.first:
            raise ValueError(f"date: {found} is before {self.first}, the first day of payments")
        return found


@lru_cache(maxsize=4_096)
def day(text: str) -> date:
    """Read a day, `21/11/2026`, also with full stops, hyphens, a time, or as `2026-11-21`."""
    written = _TIME.sub("", text.strip())
    match = _DAY.fullmatch(written) or _ISO_DAY.fullmatch(written)
    try:
        if match is None:
            raise ValueError
        return date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        raise ValueError(f"date: {_digits(text)} is no day written as 21/11/2026") from None


def is_day(text: str) -> bool:
    """Return whether a field is a day."""
    try:
        day(text)
    except ValueError:
        return False
    return True


def paid(text: str) -> Kopecks:
    """Read what was paid, in roubles: more than zero, at most `LARGEST`."""
    amount = _sum(text, "amount")
    if amount <= 0:
        raise ValueError(f"amount: {format_roubles(amount)} is no payment: it must be above zero")
    if amount > LARGEST:
        raise ValueError(f"amount: {format_roubles(amount)} is more than one payment can be")
    return amount


def legible(text: str) -> Kopecks | None:
    """Return a sum that may be no payment, for totals; None where it cannot be read."""
    try:
        return parse_roubles(text)
    except ValueError:
        return None


def fee(text: str, amount: Kopecks) -> Kopecks:
    """Read what the bank keeps of a payment; empty is zero."""
    kept = _sum(text, "fee") if text.strip() else 0
    if not 0 <= kept <= amount:
        raise ValueError(f"fee: {format_roubles(kept)} is not from zero up to the sum")
    return kept


def total(text: str, name: str) -> Kopecks:
    """Read a sum of a line of totals, in roubles, of any size that a file can add up to."""
    return _sum(text, name)


def account(text: str) -> str:
    """Return the number of a personal account, or an empty text where the field is none."""
    number = "".join(text.split())
    return number if _ACCOUNT.fullmatch(number) else ""


def document(text: str) -> str:
    """Read the number of a document or operation; empty is allowed."""
    found = " ".join(text.split())
    if len(found) > MAX_DOCUMENT or _CONTROL.search(found):
        raise ValueError(f"document: is longer than {MAX_DOCUMENT} characters, or no text")
    return found


def _sum(text: str, name: str) -> Kopecks:
    try:
        return parse_roubles(text)
    except ValueError:
        if not text.strip():
            raise ValueError(f"{name}: is empty") from None
        raise ValueError(
            f"{name}: {_digits(text)} is no sum in roubles, or too large; write it like 4500,00"
        ) from None


def _digits(text: str) -> str:
    """Return a field in a refusal, if it is a number or a day; else not what it says."""
    written = text.strip()
    if _NUMBER.fullmatch(written) or re.fullmatch(r"[0-9./: -]+", written):
        return shown(written)
    return "the field"
