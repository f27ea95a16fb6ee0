"""Importing a file of charges by the bulk path: COPY into the log and the read model.

One transaction holds the whole file and its command id, which is derived from the file's content:
the same file twice changes nothing, and a process killed at any point leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.charge_file import Bill, read_bills
from services.ledger.domain import Account, account_id
from shared import context
from shared.errors import NotFound, ServiceError
from shared.eventstore import Event
from shared.eventstore.postgres import PostgresSession, PostgresStore
from shared.ids import NAMESPACE, derived_id
from shared.money import Kopecks

CHUNK = 2_000
RULE = "billing-centre"


class ImportCharges(msgspec.Struct, frozen=True, kw_only=True):
    """Post all bills of one file, named by the digest of its content."""

    digest: str
    reason: str


@dataclass
class Totals:
    """What a file holds: bills, lines, and their sum in kopecks."""

    bills: int = 0
    lines: int = 0
    total: Kopecks = 0
    penalties: Kopecks = 0

    def add(self, bill: Bill) -> None:
        """Count one bill."""
        self.bills += 1
        self.lines += len(bill.lines)
        self.total += bill.total
        self.penalties += bill.penalty


def totals_of(path: Path) -> Totals:
    """Read a file through and answer its totals; raises ValidationFailed at the first bad row."""
    totals = Totals()
    for bill in read_bills(path):
        totals.add(bill)
    return totals


def import_charges(
    store: PostgresStore, path: Path, actor: str, reason: str, progress: Callable[[int], None]
) -> dict[str, Any]:
    """Post all bills of a file; answers totals and positions (the same for the same file again).

    Raises ValidationFailed, Conflict (a month that has its bill) or NotFound (an account that is
    not open) with the row; nothing is posted then.
    """
    command = ImportCharges(digest=_digest(path), reason=reason)
    command_id = derived_id(NAMESPACE, "ledger", "import-charges", command.digest)

    def post(session: PostgresSession, _: ImportCharges) -> dict[str, Any]:
        totals, first, last = Totals(), 0, 0
        for chunk in _chunks(read_bills(path)):
            for bill in chunk:
                totals.add(bill)
            chunk_first, last = _post_chunk(session, chunk)
            first = first or chunk_first
            progress(len(chunk))
        return {
            "bills": totals.bills,
            "lines": totals.lines,
            "total": totals.total,
            "first_position": first,
            "last_position": last,
        }

    with context.bind(actor=actor, command_id=command_id):
        return store.execute(post, command)


def _post_chunk(session: PostgresSession, bills: list[Bill]) -> tuple[int, int]:
    rows = session.read.balances(sorted({bill.account for bill in bills}))
    accounts = {row["number"]: Account.restored(row["account_id"], row) for row in rows}
    events = list(_events(bills, accounts))
    positions = session.copy_events(events)
    session.read.write_balances(list(accounts.values()))
    return positions


def _events(bills: list[Bill], accounts: dict[str, Account]) -> Iterator[tuple[UUID, int, Event]]:
    for bill in bills:
        account = accounts.get(bill.account)
        if account is None:
            raise NotFound(
                "account_not_found",
                f"Row {bill.row}: account {bill.account} is not open in the ledger; import its "
                f"contract first (stream {account_id(bill.account)}).",
                row=bill.row,
            )
        before = account.version
        try:
            account.post_charges(bill.period, bill.effective_on, bill.due_on, bill.lines)
            if bill.penalty:
                account.accrue_penalty(bill.penalty, bill.effective_on, RULE)
        except ServiceError as error:
            raise type(error)(
                error.code, f"Row {bill.row}: {error.message}", row=bill.row
            ) from None
        for version, event in enumerate(account.take_pending(), start=before + 1):
            yield account.id, version, event


def _chunks(bills: Iterator[Bill]) -> Iterator[list[Bill]]:
    while chunk := list(itertools.islice(bills, CHUNK)):
        yield chunk


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
