"""The tenures of a number: which of its accounts a bill, a payment or one of the staff means.

A month belongs to the holder of its last day. The month in which an account was closed is its final
bill, unless the next holder has its last day. Money goes to the holder of now.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import msgspec

from services.ledger.domain.events import AccountClosed, ChargesAdjusted, ChargesPosted
from shared.account_key import FIRST, key_of
from shared.errors import Conflict


class Tenure(msgspec.Struct, frozen=True, kw_only=True):
    """The time of one holder; ``since`` None: from the beginning, ``until`` None: until now."""

    number: str
    tenure: int
    since: date | None = None
    until: date | None = None

    @property
    def key(self) -> str:
        """The key of its account."""
        return key_of(self.number, self.tenure)


def current_key(number: str, tenures: Sequence[Tenure]) -> str:
    """Return the key of a number's last account, open or closed."""
    return tenures[-1].key if tenures else number


def key_of_month(number: str, period: str, tenures: Sequence[Tenure]) -> str:
    """Return the key of the account that is charged for a month (``2026-03``).

    Raises Conflict ``account_closed`` for a month that begins after the last day of its holder.
    """
    if not tenures:
        return number
    first_day, last_day = days_of_month(period)
    # A number whose first tenure is still open has no row of it.
    holder = Tenure(number=number, tenure=FIRST)
    for one in tenures:
        if one.since is None or one.since <= last_day:
            holder = one
    if holder.until is not None and holder.until < first_day:
        raise Conflict(
            "account_closed",
            f"{number} is closed since {holder.until}: it has no holder in {period}.",
            account=number,
            closed_on=holder.until.isoformat(),
        )
    return holder.key


def days_of_month(period: str) -> tuple[date, date]:
    """Return the first and the last day of a month (``2026-03``)."""
    first = date(int(period[:4]), int(period[5:]), 1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def own_bills(events: Sequence[Any]) -> dict[str, ChargesPosted]:
    """Return the bills of an account by month, without months that are another holder's.

    These end after the last day of this one, and have come to nothing when they were moved.
    """
    bills = {event.period: event for event in events if isinstance(event, ChargesPosted)}
    closed = [event.effective_on for event in events if isinstance(event, AccountClosed)]
    if not closed:
        return bills
    sums = {period: sum(line.payable for line in bill.lines) for period, bill in bills.items()}
    for event in events:
        if isinstance(event, ChargesAdjusted):
            sums[event.period] += sum(line.amount for line in event.lines)
    return {
        period: bill
        for period, bill in bills.items()
        if sums[period] or days_of_month(period)[1] <= closed[-1]
    }


class MovedMonths:
    """Months of the next holder that were charged here before the change was known.

    Whoever has the account sees neither such a bill nor what took it back. Together they come to
    nothing; balances between them leave both out.
    """

    def __init__(self, events: Sequence[Any]) -> None:
        charged = {event.period for event in events if isinstance(event, ChargesPosted)}
        self._periods = charged - own_bills(events).keys()

    def has(self, event: Any) -> bool:
        """Return whether an event is about such a month alone."""
        return isinstance(event, ChargesPosted | ChargesAdjusted) and event.period in self._periods
