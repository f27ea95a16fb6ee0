"""Facts that prove whose an account is, kept only as keyed digests.

The control code of a bill is a random text that cannot be derived from another bill's. A total
and a month are few enough to be guessed by whoever holds a plain hash, so each fact is an
HMAC-SHA256 under a key of the service, over the account number as well: equal facts of two
accounts do not look equal.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import Literal

import msgspec

from shared.account_spelling import compact
from shared.money import Kopecks, parse_roubles

KEY_PURPOSE = "bill-proof"
"""The purpose under which ``store.hash_key`` gives the key."""

SHORTEST_CODE, LONGEST_CODE = 8, 32
"""Significant characters of a control code: letters and digits."""

Fact = Literal["control_code", "total_and_period"]
"""A fact of the last bill that may prove ownership."""

_CODE = re.compile(rf"[0-9A-Z]{{{SHORTEST_CODE},{LONGEST_CODE}}}")
_LOOK_ALIKES = str.maketrans("АВСЕНКМОРТХУILO", "ABCEHKM0PTXY110")
"""Cyrillic letters for Latin ones, and letters for digits, as people copy a printed code."""
_MONTHS = ("янв", "фев", "мар", "апр", "ма", "июн", "июл", "авг", "сен", "окт", "ноя", "дек")
_MONTH = (
    r"(?:(?P<m>\d{1,2})[./-](?P<y>\d{4})|(?P<iy>\d{4})-(?P<im>\d{2})"
    r"|(?P<w>[а-я]{3,8})\s+(?P<wy>\d{4})(?:\s*г(?:\.|ода)?)?)"
)
_PERIOD_LAST = re.compile(rf"(?P<total>.+?)[\s,;]+(?:за\s+)?{_MONTH}")
_PERIOD_FIRST = re.compile(rf"(?:за\s+)?{_MONTH}[\s,;]+(?P<total>.+)")
_CURRENCY = re.compile(r"\s*(?:руб(?:лей|ля|ль)?\.?|р\.?|₽)$")


class ProofDigests(msgspec.Struct, frozen=True, kw_only=True):
    """The digests of the facts of one bill, or of an answer; None: no such fact."""

    control_code: str | None = None
    total_and_period: str | None = None


class ProofSeal:
    """Turns facts of a bill into digests."""

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod="sha256")

    def of_bill(
        self,
        account: str,
        *,
        control_code: str | None = None,
        total: Kopecks | None = None,
        period: str | None = None,
    ) -> ProofDigests:
        """Return the digests to keep for a bill; ``period`` is its month, as ``2026-10``.

        A total of 0 proves nothing, since anybody would try it first. Raises ValueError for a
        code that `significant_code` does not take.
        """
        code = significant_code(control_code) if control_code else None
        known = f"{total}/{period}" if total and period else None
        return ProofDigests(
            control_code=self._digest(account, "control-code", code),
            total_and_period=self._digest(account, "total-and-period", known),
        )

    def of_answer(self, account: str, answer: str) -> ProofDigests:
        """Return the digests of what a person typed, read as a code and as total and month.

        ``7K4M-Q2XD``, ``7к4м q2xd``, ``4 500,00 10.2026`` and ``октябрь 2026 4500`` are all
        understood, without a choice of which of the two it is.
        """
        try:
            code: str | None = significant_code(answer)
        except ValueError:
            code = None
        total, period = next(_totals_and_periods(answer), (None, None))
        return self.of_bill(account, control_code=code, total=total, period=period)

    def _digest(self, account: str, fact: str, value: str | None) -> str | None:
        if value is None:
            return None
        text = "\x1f".join((account, fact, value))
        digest = self._keyed.copy()  # half the time of a new one, a million times in a registry
        digest.update(text.encode())
        return digest.hexdigest()


def significant_code(text: str) -> str:
    """Return a control code as it is compared: without spaces and hyphens, in one spelling.

    Raises ValueError when it is not 8 to 32 letters and digits.
    """
    code = compact(text).upper().translate(_LOOK_ALIKES)
    if not _CODE.fullmatch(code):
        raise ValueError(f"must have {SHORTEST_CODE} to {LONGEST_CODE} letters and digits")
    return code


def proven_fact(
    kept: ProofDigests, answered: ProofDigests, accepted: Collection[str]
) -> Fact | None:
    """Return the accepted fact that is the same, None for none; takes the same time either way."""
    code = _same(kept.control_code, answered.control_code) and "control_code" in accepted
    total = (
        _same(kept.total_and_period, answered.total_and_period) and "total_and_period" in accepted
    )
    if code:
        return "control_code"
    return "total_and_period" if total else None


def _same(kept: str | None, answered: str | None) -> bool:
    equal = hmac.compare_digest(kept or "", answered or "")
    return equal and kept is not None and answered is not None


def _totals_and_periods(answer: str) -> Iterator[tuple[Kopecks, str]]:
    typed = unicodedata.normalize("NFKC", answer).strip().lower().removesuffix(".")
    for pattern in (_PERIOD_LAST, _PERIOD_FIRST):
        match = pattern.fullmatch(typed)
        period = _period(match) if match else None
        if match is None or period is None:
            continue
        try:
            yield parse_roubles(_CURRENCY.sub("", match["total"])), period
        except ValueError:
            continue


def _period(match: re.Match[str]) -> str | None:
    year = match["y"] or match["iy"] or match["wy"]
    if match["w"]:
        named = [at for at, name in enumerate(_MONTHS, 1) if match["w"].startswith(name)]
        # «март» begins with «ма», too, and stands before «май» in the list.
        month = named[0] if named else 0
    else:
        month = int(match["m"] or match["im"])
    return f"{year}-{month:02d}" if 1 <= month <= 12 else None
