"""Posting a chunk of entries: decided account by account, then written at once.

Deciding only reads, so a dry run is the same code, and a chunk is decided while the one before it
is still being written. A decision overtaken by another event fails on the version of its first
event, and is made again by the holder of the log's lock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.domain.tenures import Tenure, current_key
from services.ledger.importing.groups import Entry, Group, Refused
from services.ledger.importing.replayed_accounts import replayed_accounts
from services.ledger.penalties.law import law_in_force
from services.ledger.tables.book_rules import strange_numbers
from services.ledger.tables.bulk_copy import balance_row, read_accounts, write_rows
from services.ledger.tables.closed_periods import check_open, closed_through
from services.ledger.tables.tenure_rows import read_tenures
from shared.account_key import number_of
from shared.errors import Conflict, ServiceError, Unavailable
from shared.eventstore import NeedsHistoryError
from shared.eventstore.postgres_session import PostgresSession
from shared.money import Kopecks
from shared.tablefiles import ControlTotals, Fields

E = TypeVar("E", bound=Entry)


class Counts(msgspec.Struct):
    """The outcome of some rows; sums in kopecks.

    ``entries`` are bills, accounts or adjustments that were posted; ``unchanged`` were posted
    before. ``refusals`` counts refused rows by their code.
    """

    rows: int = 0
    entries: int = 0
    lines: int = 0
    amount: Kopecks = 0
    events: int = 0
    unchanged: int = 0
    refused_rows: int = 0
    refused_entries: int = 0
    refused_amount: Kopecks = 0
    refusals: dict[str, int] = {}

    @property
    def totals(self) -> ControlTotals:
        """Rows, entries and sum of the file, posted or refused."""
        return ControlTotals(
            rows=self.rows,
            entries=self.entries + self.unchanged + self.refused_entries,
            total=self.amount + self.refused_amount,
        )

    def refuse(self, refused: Refused) -> None:
        """Count rows that go to the quarantine."""
        self.rows += refused.rows
        self.refused_rows += refused.rows
        self.refused_entries += refused.entries
        self.refused_amount += refused.amount
        self.refusals[refused.code] = self.refusals.get(refused.code, 0) + refused.rows

    def post(self, entry: Entry) -> None:
        """Count an entry that is posted."""
        self.rows += entry.rows
        self.entries += 1
        self.lines += entry.rows
        self.amount += entry.amount

    def keep(self, entry: Entry) -> None:
        """Count an entry that was posted before."""
        self.rows += entry.rows
        self.unchanged += 1

    def add(self, other: Counts) -> None:
        """Add the counts of other rows."""
        for field in msgspec.structs.fields(Counts):
            if field.name != "refusals":
                mine, theirs = getattr(self, field.name), getattr(other, field.name)
                setattr(self, field.name, mine + theirs)
        for code, rows in other.refusals.items():
            self.refusals[code] = self.refusals.get(code, 0) + rows


class Decided(Generic[E]):
    """The decision on a chunk: encoded events, rows of balances, and refusals.

    ``repeated`` are entries that seem to be posted already, for ``Posting.refusals``. ``closed``
    is the last closed day at the time of the decision, ``opened`` the accounts that were not open.
    """

    def __init__(self) -> None:
        self.events: list[tuple[UUID, int, str, bytes]] = []
        self.rows: list[bytes] = []
        self.refused: list[Refused] = []
        self.repeated: list[E] = []
        self.counts = Counts()
        self.closed: date | None = None
        self.opened: list[str] = []

    def refuse(self, refused: Refused) -> None:
        """Send an entry to the quarantine."""
        self.refused.append(refused)
        self.counts.refuse(refused)


class Posting(ABC, Generic[E]):
    """How the entries of one kind of file are read and posted; ``at_once`` of them in a chunk."""

    at_once: int

    def __init__(self, today: Callable[[], date]) -> None:
        self.today = today
        self.day = today()
        """The day on which the entries of a chunk are decided."""

    def name_of(self, entry: E) -> str:
        """Return the name of the entry; all are refused that have the same name."""
        return entry.account

    def name_by_key(self, key: Fields) -> str:
        """Return the name of the entry whose rows have this key, readable or not."""
        return " ".join(part.strip() for part in key)

    @abstractmethod
    def read(self, group: Group) -> E:
        """Return the entry that these rows make. Raises RowsRefused."""

    def must_be_open(self, entry: E) -> date | None:
        """Return the day that must be open for the entry to be posted; None: any day may be."""
        return None

    def advice_when_closed(self) -> str:
        """Return what the refusal of an entry in a closed month adds."""
        return ""

    def holders_key(self, entry: E, tenures: Sequence[Tenure]) -> str:
        """Return the key of the account that an entry is of, by the tenures of its number.

        It is the holder's of now. Raises Conflict ``account_closed`` where there is none.
        """
        if tenures and tenures[-1].until is not None:
            raise Conflict(
                "account_closed",
                f"the account is closed since {tenures[-1].until}: it has no holder now",
            )
        return current_key(entry.account, tenures)

    @abstractmethod
    def post(self, account: Account, entry: E) -> bool:
        """Let the account decide; return False when nothing changes.

        The account may be unopened (version 0). Raises ServiceError, with nothing changed.
        """

    def load(self, cursor: Any, numbers: Sequence[str]) -> Iterable[Account]:
        """Return the open ones among these accounts, with what a decision needs."""
        return read_accounts(cursor, numbers)

    def is_repeated(self, account: Account, entry: E) -> bool:
        """Whether an entry seems to be posted already, so that `refusals` has to look."""
        return False

    def refusals(self, cursor: Any, entries: Sequence[E]) -> Iterable[Refused]:
        """Yield the refusals of repeated entries."""
        return ()

    def decide(self, cursor: Any, entries: Sequence[E]) -> Decided[E]:
        """Decide on all entries of a chunk; nothing is written."""
        decided = Decided[E]()
        decided.closed = closed_through(cursor)
        self.day = self.today()  # afterwards: it has waited for whoever was closing a month
        if decided.closed is not None:
            entries = self._without_closed(entries, decided.closed, decided)
        waiting = self._by_account(cursor, entries, decided)
        replayed: list[str] = []
        for account in self.load(cursor, list(waiting)):
            try:
                self._decide(account, waiting[account.number], decided)
            except NeedsHistoryError:
                replayed.append(account.number)
            else:
                del waiting[account.number]
        if replayed:
            for account in replayed_accounts(cursor, replayed, self.today()):
                self._decide(account, waiting.pop(account.number), decided)
        self._refuse_strange(cursor, waiting, decided)
        for number, mine in waiting.items():
            self._decide(Account(account_id(number)), mine, decided)
        decided.opened = list(waiting)
        return decided

    def _refuse_strange(
        self, cursor: Any, waiting: dict[str, list[E]], decided: Decided[E]
    ) -> None:
        """Refuse what would open accounts of another book. Raises Unavailable while one moves."""
        for key, is_others in strange_accounts(cursor, waiting).items():
            if not is_others:
                raise Unavailable(
                    "contended", "Numbers of this file are being given to this book: try again."
                )
            for entry in waiting.pop(key):
                reason = "the account is of another book of the ledger"
                decided.refuse(Refused.because(entry, "of_another_book", reason))

    def _by_account(
        self, cursor: Any, entries: Sequence[E], decided: Decided[E]
    ) -> dict[str, list[E]]:
        """Return the entries by the key of their account; refuse those that have none."""
        waiting: dict[str, list[E]] = {}
        for entry, place in self.with_keys(cursor, entries):
            if isinstance(place, Refused):
                decided.refuse(place)
            else:
                waiting.setdefault(place, []).append(entry)
        return waiting

    def with_keys(self, cursor: Any, entries: Sequence[E]) -> Iterator[tuple[E, str | Refused]]:
        """Yield each entry with the key of its account, or why it has none."""
        tenures = read_tenures(cursor, {entry.account for entry in entries})
        for entry in entries:
            # Nearly all numbers have had one holder.
            of_number = tenures.get(entry.account) if tenures else None
            if of_number is None:
                yield entry, entry.account
                continue
            try:
                yield entry, self.holders_key(entry, of_number)
            except ServiceError as error:
                yield entry, Refused.because(entry, error.code, error.message)

    def _without_closed(
        self, entries: Sequence[E], closed: date, decided: Decided[E]
    ) -> Sequence[E]:
        left = []
        for entry in entries:
            day = self.must_be_open(entry)
            try:
                check_open(day or date.max, closed)
            except ServiceError as error:
                reason = error.message + self.advice_when_closed()
                decided.refuse(Refused.because(entry, error.code, reason))
            else:
                left.append(entry)
        return left

    def _decide(self, account: Account, entries: Sequence[E], decided: Decided[E]) -> None:
        account.law, before = law_in_force(), account.version
        # Nothing is noted before all are decided: an account may turn out to need its history.
        for entry, outcome in [(entry, self._post_one(account, entry)) for entry in entries]:
            match outcome:
                case Refused():
                    decided.refuse(outcome)
                case None:
                    decided.repeated.append(entry)
                case True:
                    decided.counts.post(entry)
                case _:
                    decided.counts.keep(entry)
        if account.version > before:
            encode, id_ = EVENTS.encode, account.id
            for version, event in enumerate(account.take_pending(), start=before + 1):
                decided.events.append((id_, version, event.topic, encode(event)))
            decided.rows.append(balance_row(account))

    def _post_one(self, account: Account, entry: E) -> Refused | bool | None:
        """Return whether an entry is posted, why it is refused, or None for a repeated one."""
        if self.is_repeated(account, entry):
            return None
        version = account.version
        try:
            return self.post(account, entry)
        except Unavailable:
            raise  # the entry is not to blame
        except ServiceError as error:
            if account.version != version:
                raise
            return Refused.because(entry, error.code, error.message)

    def refuse_repeated(self, cursor: Any, decided: Decided[E]) -> None:
        """Refuse repeated entries, once everything posted before is visible."""
        for refused in self.refusals(cursor, decided.repeated):
            decided.refuse(refused)
        decided.repeated = []
        decided.counts.events = len(decided.events)


def strange_accounts(cursor: Any, keys: Collection[str]) -> dict[str, bool]:
    """Return those accounts, none of which is open, that are not this book's; as the table says."""
    if not keys:
        return {}
    strange = strange_numbers(cursor, {number_of(key) for key in keys})
    return {key: strange[number_of(key)] for key in keys if number_of(key) in strange}


def write(session: PostgresSession, decided: Decided[Any]) -> tuple[int | None, int | None]:
    """Write what was decided; return the first and the last position, None without events.

    Raises psycopg.errors.UniqueViolation when another event of an account has come first.
    """
    if not decided.events:
        return None, None
    first, last = session.copy_states(decided.events)
    write_rows(session.cursor, decided.rows)
    return first, last
