"""A mailing, whom it concerns, and the letters that come of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from services.notifications.requests import LetterRequest
from shared.contracts.notifications import LetterKind
from shared.ids import NAMESPACE, derived_id

_A_DAY = timedelta(days=1)


class State(StrEnum):
    """How far a mailing has come; an outdated one was noted too late, and concerns nobody."""

    COLLECTING = "collecting"
    QUEUEING = "queueing"
    DONE = "done"
    OUTDATED = "outdated"


class Mailing(msgspec.Struct, frozen=True, kw_only=True):
    """A mailing. `about` is the digest of an import, or a day; `reached` where it goes on after.

    An import into a further book of the ledger has the book behind its digest: ``<digest>@north``.
    """

    mailing_id: UUID
    kind: LetterKind
    about: str
    state: State
    reached: str
    first_position: int | None = None
    last_position: int | None = None

    @classmethod
    def of_day(cls, kind: LetterKind, day: date) -> Mailing:
        """Return the mailing about a due day, or about the first day of penalties."""
        return cls(
            mailing_id=_id(kind, day.isoformat()),
            kind=kind,
            about=day.isoformat(),
            state=State.COLLECTING,
            reached="",
        )

    @classmethod
    def of_import(
        cls, digest: str, first: int, last: int, *, outdated: bool, book: str = ""
    ) -> Mailing:
        """Return the mailing about the bills of an import, at these positions of its book."""
        about = f"{digest}@{book}" if book else digest
        return cls(
            mailing_id=_id(LetterKind.BILL_READY, about),
            kind=LetterKind.BILL_READY,
            about=about,
            state=State.OUTDATED if outdated else State.COLLECTING,
            reached=str(first - 1),
            first_position=first,
            last_position=last,
        )


class Line(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """That a mailing concerns a person by an account; `period` is that of a new bill, or empty."""

    person_id: UUID
    period: str
    account: str
    due_on: date


def letters_of(mailing: Mailing, lines: Iterable[Line], zone: ZoneInfo) -> Iterator[LetterRequest]:
    """Yield the letters of a mailing to the persons of some lines, which has all lines of each.

    A bill of another month is another letter. What a letter says of sums is asked when it is
    delivered.
    """
    for (person_id, period), found in groupby(
        sorted(lines), key=lambda line: (line.person_id, line.period)
    ):
        own = list(found)
        accounts = [line.account for line in own]
        yield LetterRequest(
            letter_id=_letter_id(mailing, person_id, own),
            kind=mailing.kind,
            person_id=person_id,
            refs={"mailing_id": str(mailing.mailing_id), **_refs(mailing, period, own, accounts)},
            not_after=datetime.combine(_last_day(mailing, own) + _A_DAY, time(), zone),
        )


def _refs(mailing: Mailing, period: str, lines: list[Line], accounts: list[str]) -> dict[str, Any]:
    match mailing.kind:
        case LetterKind.BILL_READY:
            return {"period": period, "accounts": accounts}
        case LetterKind.DUE_SOON:
            return {"due_on": mailing.about, "accounts": accounts}
        case _:
            due_days = {line.account: line.due_on.isoformat() for line in lines}
            return {"penalties_from": mailing.about, "due_on": due_days}


def _last_day(mailing: Mailing, lines: list[Line]) -> date:
    """Return the last day on which a letter has a point."""
    if mailing.kind is LetterKind.OVERDUE:
        return date.fromisoformat(mailing.about) - _A_DAY
    return max(line.due_on for line in lines)


def _letter_id(mailing: Mailing, person_id: UUID, lines: list[Line]) -> UUID:
    """Return the id of a person's letter, always the same for the same thing.

    Of what is overdue it goes by the accounts and their due days: where the rules move the first
    day of penalties, nobody is told of the same month once more. The day alone is not enough: an
    organisation's account bears penalties sooner than a household's of the same due day.
    """
    about = mailing.about
    if mailing.kind is LetterKind.BILL_READY:
        about = f"{about} {lines[0].period}"
    elif mailing.kind is LetterKind.OVERDUE:
        about = " ".join(sorted(f"{line.account}={line.due_on.isoformat()}" for line in lines))
    return derived_id(NAMESPACE, "letter", mailing.kind.value, about, str(person_id))


def _id(kind: LetterKind, about: str) -> UUID:
    return derived_id(NAMESPACE, "mailing", kind.value, about)
