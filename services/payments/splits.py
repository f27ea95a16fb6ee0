"""The split of a payment over accounts, and of what goes back of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from services.payments.events import Line, RefundLine, RefundSplit, Split
from shared.account_key import number_of
from shared.errors import Conflict, ValidationFailed
from shared.money import MAX_AMOUNT, Kopecks, format_roubles, split_pro_rata

#: As many accounts as one cabinet may hold.
MAX_LINES: Final = 10


def frozen_split(lines: Sequence[Line], largest: Kopecks = MAX_AMOUNT) -> Split:
    """Return the lines to pay, in the order given, without those of two zeros.

    Raises ValidationFailed: `negative_amount`, `amount_too_large` (a sum above the `largest` of the
    operator), `duplicate_account`, `too_many_lines`, `nothing_to_pay` when all are zero.
    """
    for line in lines:
        if line.amount < 0 or line.penalty < 0:
            raise ValidationFailed(
                "negative_amount", "An amount must not be negative.", account=line.account
            )
    split = tuple(line for line in lines if line.total)
    if not split:
        raise ValidationFailed(
            "nothing_to_pay", "All sums are zero: enter a sum for at least one account."
        )
    if len(split) > MAX_LINES:
        raise ValidationFailed(
            "too_many_lines", "Pay fewer accounts at a time.", limit=MAX_LINES, given=len(split)
        )
    if len({line.account for line in split}) != len(split):
        raise ValidationFailed("duplicate_account", "Name every account once.")
    if sum(line.total for line in split) > largest:
        raise ValidationFailed(
            "amount_too_large",
            f"One payment is at most {format_roubles(largest)} roubles; pay it in parts.",
            limit=largest,
        )
    return split


def same_split(one: Sequence[Line], other: Sequence[Line]) -> bool:
    """Return whether two splits pay the same sums for the same accounts, in any order."""
    return sorted(one, key=_account) == sorted(other, key=_account)


def _account(line: Line) -> str:
    return line.account


def key_among(keys: Collection[str], name: str) -> str:
    """Return which of the keys of a payment staff name: by the key, or by its number alone."""
    if name in keys:
        return name
    return next((key for key in keys if number_of(key) == name), name)


def refund_of(left: Mapping[str, Kopecks], wanted: Sequence[RefundLine]) -> RefundSplit:
    """Return what goes back of each account: what is wanted, or all that is left.

    Raises ValidationFailed `invalid_refund`, Conflict `refund_too_large` with what is left.
    """
    if not wanted:
        wanted = [RefundLine(account, amount) for account, amount in left.items() if amount]
    if not wanted:
        raise Conflict("refund_too_large", "Nothing is left of this payment.", left=0)
    wanted = [RefundLine(key_among(left, line.account), line.amount) for line in wanted]
    if len({line.account for line in wanted}) != len(wanted):
        raise ValidationFailed("invalid_refund", "Name every account once.")
    for line in wanted:
        if line.amount <= 0:
            raise ValidationFailed("invalid_refund", "A refund is a positive sum of kopecks.")
        if line.account not in left:
            raise ValidationFailed(
                "invalid_refund",
                f"This payment has no account {line.account}; it has {', '.join(left)}.",
            )
        if line.amount > left[line.account]:
            raise Conflict(
                "refund_too_large",
                f"{format_roubles(left[line.account])} is left of what {line.account} was paid.",
                account=line.account,
                left=left[line.account],
            )
    return tuple(wanted)


def returned_by_bank(left: Mapping[str, Kopecks], amount: Kopecks) -> RefundSplit:
    """Return how money that the bank returned by itself goes back: pro rata to what is left.

    What exceeds all that is left is not of any account.
    """
    accounts = list(left)
    shares = split_pro_rata(min(amount, sum(left.values())), [left[one] for one in accounts])
    return tuple(
        RefundLine(account, share) for account, share in zip(accounts, shares, strict=True) if share
    )
