"""Files of opening balances: what was owed for each service when an account was taken over.

A negative sum is an advance. With ``payer_kind`` the file also opens accounts that are not open.
``due_on`` is the last day on which the debt was paid in time; without it, its own day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from services.ledger.days import day_limits
from services.ledger.domain import Account
from services.ledger.domain.events import ServiceAmount
from services.ledger.importing import fields as field
from services.ledger.importing.groups import Entry, Group, RowsRefused
from services.ledger.importing.posting import Posting
from services.ledger.importing.registry import payer_kind
from services.ledger.importing.replayed_accounts import replayed_accounts
from shared.errors import Conflict


class Opening(Entry, kw_only=True):
    """The opening balance of one account; ``amount`` is the sum of its services."""

    opening: tuple[ServiceAmount, ...]
    payer_kind: str
    effective_on: date | None
    due_on: date | None


class Openings(Posting[Opening]):
    """Posts opening balances; without ``effective_on`` they take effect today."""

    at_once = 1_000

    def read(self, group: Group) -> Opening:
        """Return the balance; raises RowsRefused with all rows that are wrong."""
        number, kind, day, due = group.read[0][1][0], *group.read[0][1][3:]
        bad, items = dict[int, str](), []
        for row, (_, service, amount, *same) in group.read:
            try:
                if same != [kind, day, due]:
                    raise ValueError(
                        "payer_kind, effective_on or due_on is not that of the first row"
                    )
                kopecks = field.kopecks(amount, "amount")
                if kopecks:
                    items.append(ServiceAmount(field.service_code(service), kopecks))
            except ValueError as error:
                bad[row] = str(error)
        total = sum(item.amount for item in items)
        try:
            entry = Opening(
                row=group.row,
                last=group.last,
                start=group.start,
                end=group.end,
                rows=group.rows,
                amount=total,
                account=field.account_number(number),
                opening=tuple(items),
                payer_kind=payer_kind(kind) if kind else "",
                effective_on=field.day(day, "effective_on") if day else None,
                due_on=field.day(due, "due_on") if due else None,
            )
        except ValueError as error:
            bad.setdefault(group.row, str(error))
        if bad:
            raise RowsRefused(bad, total)
        return entry

    def load(self, cursor: Any, numbers: Sequence[str]) -> Iterable[Account]:
        """Yield the accounts with their history, which shows an opening balance."""
        return replayed_accounts(cursor, numbers, self.today())

    def must_be_open(self, entry: Opening) -> date | None:
        """Return the day of the balance; an account may be opened on any day."""
        return (entry.effective_on or self.today()) if entry.opening else None

    def post(self, account: Account, entry: Opening) -> bool:
        """Post the balance, or open the account with it."""
        on = entry.effective_on or self.today()
        day_limits().check_bill(on, self.today(), "effective_on")
        if entry.due_on is not None:
            day_limits().check_bill(entry.due_on, self.today(), "due_on")
        if not account.version and entry.payer_kind:
            account.open(entry.account, entry.payer_kind, on, entry.opening, due_on=entry.due_on)
        elif account.opening:
            same = sorted(account.opening, key=_service) == sorted(entry.opening, key=_service)
            raise Conflict(
                "posted_already" if same else "posted_otherwise",
                "the opening balance of this account is posted already, with "
                f"{'the same' if same else 'other'} content",
            )
        elif account.version and not entry.opening:
            return False  # Nothing was owed, and nothing is.
        else:
            account.post_opening(on, entry.opening, due_on=entry.due_on)
        return True


def _service(item: ServiceAmount) -> str:
    return item.service
