"""Registries of accounts: the kind of payer of each number. They open the ledger's accounts.

Where contracts are kept by the accounts service, its events open and change them, and these files
are not needed. An account that is open with another kind of payer takes over the new one, from
``effective_on`` on; with the same one it stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from services.ledger.days import day_limits
from services.ledger.domain import Account
from services.ledger.importing import fields as field
from services.ledger.importing.groups import Entry, Group, RowsRefused
from services.ledger.importing.posting import Decided, Posting
from services.ledger.tables.closed_periods import check_open, closed_through
from shared.payer_kinds import PayerKind
from shared.tablefiles import shown


class Registration(Entry, kw_only=True):
    """One account to open, or its payer to change."""

    payer_kind: str
    effective_on: date | None


class Registry(Posting[Registration]):
    """Opens accounts and changes payers; without ``effective_on``, from today on."""

    at_once = 10_000
    _closed: date | None = None

    def read(self, group: Group) -> Registration:
        """Return the account to open; raises RowsRefused."""
        number, (account, kind, day) = group.read[0]
        if group.rows > 1:
            raise RowsRefused({group.read[1][0]: "the account comes twice"})
        try:
            return Registration(
                row=group.row,
                last=group.last,
                start=group.start,
                end=group.end,
                rows=1,
                amount=0,
                account=field.account_number(account),
                payer_kind=payer_kind(kind),
                effective_on=field.day(day, "effective_on") if day else None,
            )
        except ValueError as error:
            raise RowsRefused({number: str(error)}) from None

    def decide(self, cursor: Any, entries: Sequence[Registration]) -> Decided[Registration]:
        """Decide on a chunk; a payer does not change in a closed month, where accounts may open."""
        self._closed = closed_through(cursor)
        return super().decide(cursor, entries)

    def post(self, account: Account, entry: Registration) -> bool:
        """Open the account; change the payer of one that is open."""
        on = entry.effective_on or self.today()
        if account.version and account.payer_kind == entry.payer_kind:
            return False
        day_limits().check_bill(on, self.today(), "effective_on")
        if not account.version:
            account.open(entry.account, entry.payer_kind, on)
            return True
        check_open(on, self._closed)
        return account.change_payer_kind(entry.payer_kind, on)


def payer_kind(text: str) -> str:
    """Read the kind of a payer, as the penalty rules know them. Raises ValueError."""
    try:
        return PayerKind(text.strip()).value
    except ValueError:
        known = ", ".join(kind.value for kind in PayerKind)
        raise ValueError(f"payer_kind: {shown(text)} is none of {known}") from None
