"""Registries of accounts: the kind of payer of each number. They open the ledger's accounts.

Where contracts are kept by the accounts service, its event opens them, and these files are not
needed; an account that is open with the same kind of payer stays as it is.
"""

from __future__ import annotations

from datetime import date

from services.ledger.days import day_limits
from services.ledger.domain import Account
from services.ledger.importing import fields as field
from services.ledger.importing.groups import Entry, Group, RowsRefused
from services.ledger.importing.posting import Posting
from shared.contracts.accounts import PayerKind
from shared.errors import Conflict
from shared.tablefiles import shown


class Registration(Entry, kw_only=True):
    """One account to open."""

    payer_kind: str
    effective_on: date | None


class Registry(Posting[Registration]):
    """Opens accounts; without ``effective_on`` they open today."""

    at_once = 10_000

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

    def post(self, account: Account, entry: Registration) -> bool:
        """Open the account, unless it is open."""
        if account.version:
            if account.payer_kind == entry.payer_kind:
                return False
            raise Conflict(
                "account_exists", f"the account is open already, as that of a {account.payer_kind}"
            )
        on = entry.effective_on or self.today()
        day_limits().check_bill(on, self.today(), "effective_on")
        account.open(entry.account, entry.payer_kind, on)
        return True


def payer_kind(text: str) -> str:
    """Read the kind of a payer, as the penalty rules know them. Raises ValueError."""
    try:
        return PayerKind(text.strip()).value
    except ValueError:
        known = ", ".join(kind.value for kind in PayerKind)
        raise ValueError(f"payer_kind: {shown(text)} is none of {known}") from None
