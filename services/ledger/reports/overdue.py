"""Overdue debts by account, in age bands: days after the due date of each bill.

The day after the due date is day 1. Only the debt on services counts, without penalty; an opening
debt counts as due on the day of the opening.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import partial
from typing import Any

import msgspec
import psycopg

from services.ledger.domain import Account
from services.ledger.domain.effective_order import in_effective_order
from services.ledger.penalties.law import law_in_force
from services.ledger.replay.parallel import Progress, Range, quiet
from services.ledger.replay.streams import account_streams, over_streams
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from shared.money import Kopecks

_LAST_DAYS = (30, 60, 90, 180, 365)
BANDS = ("1-30", "31-60", "61-90", "91-180", "181-365", ">365")


class OverdueAccount(msgspec.Struct, frozen=True):
    """An overdue account: oldest due date, days since, and debt by age band in kopecks."""

    number: str
    payer_kind: str
    due_on: date
    days: int
    amount: Kopecks
    bands: tuple[Kopecks, ...]


class Overdue(msgspec.Struct):
    """All overdue accounts of a day, by number."""

    on: date
    accounts: list[OverdueAccount]

    @property
    def total(self) -> Kopecks:
        """Return what all of them owe, in kopecks."""
        return sum(account.amount for account in self.accounts)

    def bands(self) -> list[dict[str, Any]]:
        """Return the number of accounts and the amount of each age band."""
        return [
            {
                "band": band,
                "accounts": sum(1 for account in self.accounts if account.bands[place]),
                "amount": sum(account.bands[place] for account in self.accounts),
            }
            for place, band in enumerate(BANDS)
        ]

    def as_dict(self, summary: bool = False) -> dict[str, Any]:
        """Return JSON values; ``summary`` leaves the accounts out."""
        accounts = {} if summary else {"accounts": [_as_dict(found) for found in self.accounts]}
        return {
            "on": self.on.isoformat(),
            "total": self.total,
            "count": len(self.accounts),
            "bands": self.bands(),
            **accounts,
        }


def overdue_now(session: Session, on: date) -> Overdue:
    """Return the current debts that are overdue on a day, which may be in the future."""
    return Overdue(on, list(_overdue_accounts(session.read.owing(on), on)))


def overdue_then(store: PostgresStore, on: date, progress: Progress = quiet) -> Overdue:
    """Return what was overdue at the end of a past day."""
    accounts: list[OverdueAccount] = []
    for found in over_streams(store, partial(overdue_in_range, on=on), progress):
        accounts += found
    accounts.sort(key=lambda account: account.number)
    return Overdue(on, accounts)


def overdue_in_range(
    connection: psycopg.Connection[Any], part: Range, progress: Progress, *, on: date
) -> list[OverdueAccount]:
    """Return the overdue accounts of one range of streams, as of a day."""
    rows = []
    for id_, events in account_streams(connection, part, progress):
        account = Account(id_)
        for event in in_effective_order(id_, events, law_in_force()):
            if event.effective_on > on:
                break
            account.replay(event)
        if account.principal:
            rows.append(account.snapshot())
    return list(_overdue_accounts(rows, on))


def _overdue_accounts(rows: Iterable[Mapping[str, Any]], on: date) -> Iterable[OverdueAccount]:
    for row in rows:
        bands, oldest = [0] * len(BANDS), on
        for period, owed in row["open_items"].items():
            due_on = date.fromisoformat(row["due_dates"][period])
            if due_on < on:
                bands[_band((on - due_on).days)] += sum(owed.values())
                oldest = min(oldest, due_on)
        if oldest < on:
            yield OverdueAccount(
                row["number"],
                row["payer_kind"],
                oldest,
                (on - oldest).days,
                sum(bands),
                tuple(bands),
            )


def _band(days: int) -> int:
    return next((place for place, last in enumerate(_LAST_DAYS) if days <= last), len(_LAST_DAYS))


def _as_dict(account: OverdueAccount) -> dict[str, Any]:
    return {
        "number": account.number,
        "payer_kind": account.payer_kind,
        "due_on": account.due_on.isoformat(),
        "days": account.days,
        "amount": account.amount,
        "bands": dict(zip(BANDS, account.bands, strict=True)),
    }
