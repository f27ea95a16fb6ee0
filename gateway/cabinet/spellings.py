"""What people type, as the API takes it: account numbers, sums, days, codes, telephones.

Forgiving: spaces of any kind, hyphens, full-width digits, look-alike letters, either decimal sign.
Never guessing: what could be read in two ways is left as it was typed, and the shape of the API
refuses it beside its field.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from shared.money import Kopecks, parse_roubles

_LOOK_ALIKES = str.maketrans("OОoоlI|", "0000111")
"""Letters that stand for digits where only digits can be meant: O and l, Latin and Cyrillic."""
_CURRENCY = re.compile(r"(руб(лей|ля|ль)?\.?|р\.?|rub(les?)?|₽)$", re.IGNORECASE)
_MONTHS = ("янв", "фев", "мар", "апр", "ма", "июн", "июл", "авг", "сен", "окт", "ноя", "дек")
_ENGLISH_MONTHS = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip


def plain(text: str) -> str:
    """Return a text with its full-width and compatibility characters as ordinary ones."""
    return unicodedata.normalize("NFKC", text).strip()


def digits(text: str) -> str:
    """Return an account number or a code without the spaces and hyphens between its digits.

    A text that holds anything else comes back as it was typed, to be refused.
    """
    found = re.sub(r"[\s\-\u2010-\u2015\u2212.]", "", plain(text)).translate(_LOOK_ALIKES)
    return found if found.isascii() and found.isdigit() else text.strip()


def sum_of_money(text: str) -> Kopecks | str:
    """Return kopecks of a sum typed in roubles; the text itself where it is no sum.

    An empty field is 0: people clear what they do not want to pay.
    """
    found = _CURRENCY.sub("", plain(text)).strip().replace("\u2212", "-")
    if not found:
        return 0
    found = re.sub(r"\s", "", found)
    # 1,234.56 and 1.234,56: both signs, the last one separates the kopecks.
    if "," in found and "." in found:
        thousands = "," if found.rindex(".") > found.rindex(",") else "."
        if re.fullmatch(r"-?\d{1,3}([,.]\d{3})*[,.]\d{1,2}", found):
            found = found.replace(thousands, "")
    try:
        return parse_roubles(found)
    except ValueError:
        return text.strip()


def day(text: str) -> str:
    """Return a typed day as ``2026-04-15``; the text itself where it is none.

    ``15.04.2026``, ``15.04.26``, ``15/4/2026``, ``15 апреля 2026``, ``15 April 2026``.
    """
    typed = plain(text).lower().rstrip(". ").removesuffix("г").rstrip(". ")
    for pattern, order in (
        (r"(\d{4})-(\d{1,2})-(\d{1,2})", (0, 1, 2)),
        (r"(\d{1,2})[./\- ]+(\d{1,2})[./\- ]+(\d{4}|\d{2})", (2, 1, 0)),
        (r"(\d{1,2})\s*([a-zа-яё]+)\.?\s*(\d{4}|\d{2})", (2, 1, 0)),
    ):
        match = re.fullmatch(pattern, typed)
        if match is None:
            continue
        parts = match.groups()
        year, month, number = (parts[place] for place in order)
        found = _calendar_day(year, month, number)
        if found:
            return found
    return text.strip()


def telephone(text: str) -> str:
    """Return a telephone as ``+79991234567`` where it is a Russian one; else without spaces."""
    found = re.sub(r"[\s\-()\u2010-\u2015.]", "", plain(text))
    if re.fullmatch(r"8\d{10}", found):
        return "+7" + found[1:]
    if re.fullmatch(r"7\d{10}", found):
        return "+" + found
    return found


def _calendar_day(year: str, month: str, number: str) -> str | None:
    months = [
        place
        for names in (_MONTHS, _ENGLISH_MONTHS)
        for place, name in enumerate(names, start=1)
        if month.startswith(name)
    ]
    try:
        in_year = int(year) + (2000 if len(year) == 2 else 0)
        return date(in_year, months[0] if months else int(month), int(number)).isoformat()
    except ValueError:
        return None
