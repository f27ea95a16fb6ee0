"""Rows that are empty or partly readable.

Which entry they belong to, and whether a last one is whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from services.ledger.importing.kinds import Source
from shared.tablefiles import Fields

_EMPTY_CELLS = b"; \t\r"
_BLANK = (b"", b";", b" ", b"\t", b"\r")
_ACCOUNT = re.compile(rb"[0-9]{1,20}")
_ANY_TEXT = re.compile(r".*", re.DOTALL)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_WHOLE_SUM = re.compile(r".*[.,][0-9]{2}")

_WHOLE = {
    **dict.fromkeys(("charged", "recalculation", "concession", "penalty", "amount"), _WHOLE_SUM),
    **dict.fromkeys(("due_on", "effective_on"), _DAY),
    **dict.fromkeys(("name", "unit", "explanation", "reason", "payer_kind", "refusal"), _ANY_TEXT),
    "period": _MONTH,
}
"""Column -> its text when nothing can be missing at its end, or when a missing end does no harm."""


def is_empty(source: Source, raw: bytes) -> bool:
    """Whether a CSV row has nothing but empty cells, as spreadsheets leave them behind.

    One with fewer cells than the header may be the beginning of a row that was cut off.
    """
    if raw[:1] not in _BLANK or source.json_lines or raw.strip(_EMPTY_CELLS):
        return False
    return raw.count(b";") >= len(source.header) - 1


def is_whole(source: Source, raw: bytes) -> bool:
    """Whether a last row without a line end is complete, not cut.

    A JSON object shows it by itself. In a CSV row the last field may be cut: ``587,4`` may have
    been ``587,45``, so a sum must show its kopecks.
    """
    if source.json_lines:
        return True
    whole = _WHOLE.get(source.header[-1])
    last = raw.decode(source.encoding).rstrip("\r").rpartition(";")[2]
    return whole is not None and whole.fullmatch(last) is not None


def key_finder(source: Source) -> Callable[[bytes], Fields | None]:
    """Return the function that finds the key of an unreadable row; None where it shows none."""
    names = source.kind.columns[: source.kind.key]
    if source.json_lines:
        patterns = [
            re.compile(rb'"%s"\s*:\s*"?([^",}\\]+)"?\s*[,}]' % name.encode()) for name in names
        ]
        return lambda raw: _as_key([m and m[1] for m in (p.search(raw) for p in patterns)])
    places = [source.header.index(name) for name in names]
    # The last part may be cut off.
    return lambda raw: _as_key(
        [parts[place] if place < len(parts) - 1 else None for place in places]
        if (parts := raw.split(b";"))
        else []
    )


def _as_key(parts: list[bytes | None]) -> Fields | None:
    account, *others = parts
    if account is None or not _ACCOUNT.fullmatch(account):
        return None
    if not all(part and part.isascii() for part in others):
        return None
    return tuple(part.decode("ascii") for part in (account, *others) if part)
