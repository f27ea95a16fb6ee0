"""The fields of a row: each is read strictly, and a refusal says what was expected.

All functions raise ValueError with half a sentence that names the fault. It repeats no long value,
for it is shown in the quarantine file and on screens.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

from services.ledger.penalties.timeline import LAST_DAY
from shared.money import MAX_AMOUNT, Kopecks, parse_roubles
from shared.tablefiles import shown

FIRST_DAY = date(1992, 1, 1)
"""No account owes anything older: an earlier day is a wrong year."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ACCOUNT = re.compile(r"[0-9]{1,20}")
_MONTH = re.compile(r"[1-9][0-9]{3}-(0[1-9]|1[0-2])")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DECIMAL = re.compile(r"-?[0-9]{1,12}(?:[.,][0-9]{1,6})?")
_KOPECKS_AT = -3


def kopecks(text: str, column: str) -> Kopecks:
    """Read a sum in roubles (``4500,00``) as kopecks; it may be negative. Exact, by integers."""
    if text[_KOPECKS_AT:-2] in (",", "."):  # the plain form, by far the most frequent
        digits = text[:_KOPECKS_AT] + text[-2:]
        if 3 <= len(digits) <= 13 and digits.isdecimal() and digits.isascii():
            return int(digits)
    try:
        return parse_roubles(text)
    except ValueError:
        raise ValueError(f"{column}: {_wrong_sum(text)}") from None


def positive(text: str, column: str) -> Kopecks:
    """Read a sum in roubles that must not be negative; empty is zero."""
    if not text:
        return 0
    amount = kopecks(text, column)
    if amount < 0:
        raise ValueError(f"{column}: {shown(text)} is negative")
    return amount


@lru_cache(maxsize=4_096)
def day(text: str, column: str) -> date:
    """Read a day, ``2026-03-31``; one that no bill can have is a typing error."""
    try:
        if not _DAY.fullmatch(stripped := text.strip()):  # fromisoformat reads days of a week, too
            raise ValueError
        found = date.fromisoformat(stripped)
    except ValueError:
        raise ValueError(f"{column}: {shown(text)} is no day written as 2026-03-31") from None
    if not FIRST_DAY <= found <= LAST_DAY:
        raise ValueError(f"{column}: {found} is not within {FIRST_DAY} .. {LAST_DAY}")
    return found


@lru_cache(maxsize=4_096)
def month(text: str, column: str) -> str:
    """Read a month, ``2026-03``."""
    found = text.strip()
    if not _MONTH.fullmatch(found):
        raise ValueError(f"{column}: {shown(text)} is no month written as 2026-03")
    if not FIRST_DAY.year <= int(found[:4]) <= LAST_DAY.year:
        raise ValueError(f"{column}: {found} is not within {FIRST_DAY.year} .. {LAST_DAY.year}")
    return found


def account_number(text: str) -> str:
    """Read the number of a personal account: 1 to 20 digits, leading zeros count."""
    if _ACCOUNT.fullmatch(text) or _ACCOUNT.fullmatch(text := text.strip()):
        return text
    raise ValueError(f"account: {shown(text)} is no account number (1 to 20 digits)")


def decimal(text: str, column: str) -> str:
    """Return an exact decimal of up to 6 places, written with a full stop; empty stays empty."""
    if not text:
        return ""
    if not _DECIMAL.fullmatch(text):
        if text != text.strip():
            return decimal(text.strip(), column)
        raise ValueError(f"{column}: {shown(text)} is no number with up to 6 decimals")
    return text.replace(",", ".")


def words(text: str, column: str, longest: int, *, needed: bool = False) -> str:
    """Return a text of at most ``longest`` characters, none of them a control character."""
    text = text.strip()
    if needed and not text:
        raise ValueError(f"{column}: is empty")
    if len(text) > longest:
        raise ValueError(f"{column}: is {len(text)} characters long; up to {longest} are allowed")
    if _CONTROL.search(text):
        raise ValueError(f"{column}: has control characters")
    return text


@lru_cache(maxsize=65_536)
def service_code(text: str) -> str:
    """Read the code of a service: up to 64 characters."""
    return words(text, "service", 64, needed=True)


def _wrong_sum(text: str) -> str:
    if not text.strip():
        return "is empty"
    digits = re.sub(r"[\s\u00a0\u202f]", "", text).lstrip("+-")
    if re.fullmatch(r"[0-9]{13,}([.,][0-9]{1,2})?", digits) or _beyond(digits):
        return f"{shown(text)} is more than the largest sum of one posting"
    return f"{shown(text)} is no sum in roubles; write it like 4500,00"


def _beyond(digits: str) -> bool:
    whole = re.fullmatch(r"([0-9]{1,12})(?:[.,][0-9]{1,2})?", digits)
    return whole is not None and int(whole[1]) * 100 >= MAX_AMOUNT
