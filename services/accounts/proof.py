"""Facts of the last paper bill, kept only as keyed digests.

A bill's number and total are few enough to be guessed by whoever holds a plain hash, so each is
an HMAC-SHA256 under a key of the service, over the account number as well: equal totals of two
accounts do not look equal.
"""

from __future__ import annotations

import hmac
import re

import msgspec

from shared.money import Kopecks, parse_roubles

KEY_PURPOSE = "bill-proof"
"""The purpose under which ``store.hash_key`` gives the key."""

_NOT_SIGNIFICANT = re.compile(r"[\s№#.\-/\\]")


class BillDigests(msgspec.Struct, frozen=True, kw_only=True):
    """The digests of one bill's facts; None where the bill has no such fact."""

    bill_number: str | None = None
    bill_total: str | None = None


class BillSeal:
    """Turns facts of a bill into digests."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of_bill(
        self, account: str, bill_number: str | None, bill_total: Kopecks | None
    ) -> BillDigests:
        """Return the digests to keep for a bill; its total is in kopecks.

        A total of 0 proves nothing, since anybody would try it first.
        """
        number = _significant(bill_number or "")
        return BillDigests(
            bill_number=self._digest(account, "number", number) if number else None,
            bill_total=self._digest(account, "total", str(bill_total)) if bill_total else None,
        )

    def of_answer(self, account: str, answer: str) -> BillDigests:
        """Return the digests of what a person typed, read as a number and as a total.

        ``4 500,00``, ``4500`` and ``№ 2026-10/17`` are all understood, without a choice of which
        of the two it is.
        """
        try:
            total: Kopecks | None = parse_roubles(answer)
        except ValueError:
            total = None
        return self.of_bill(account, answer, total)

    def _digest(self, account: str, fact: str, value: str) -> str:
        text = "\x1f".join((account, fact, value))
        return hmac.new(self._key, text.encode(), "sha256").hexdigest()


def matches(kept: BillDigests, answered: BillDigests) -> bool:
    """Whether at least one fact is the same; takes the same time either way."""
    same_number = _same(kept.bill_number, answered.bill_number)
    same_total = _same(kept.bill_total, answered.bill_total)
    return same_number or same_total


def _same(kept: str | None, answered: str | None) -> bool:
    equal = hmac.compare_digest(kept or "", answered or "")
    return equal and kept is not None and answered is not None


def _significant(text: str) -> str:
    # People copy a bill's number with or without its sign, spaces and strokes.
    return _NOT_SIGNIFICANT.sub("", text).casefold()
