"""Whom a mailing concerns: a page of the ledger, and who may read its accounts now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec

from services.notifications.mailing import Line, Mailing, State
from shared.books import in_book
from shared.bus import Services
from shared.contracts.notifications import LetterKind
from shared.eventstore import Session

#: Positions of the log, or accounts, that a page of the ledger covers.
PAGE: Final = 1_000
#: Seconds that the ledger may take for one: it is asked beside payers, who come first.
DEADLINE_S: Final = 30.0


class _Page(msgspec.Struct, frozen=True):
    """The accounts of a page of the ledger, and the place to go on after; None: it was the last."""

    accounts: list[Mapping[str, Any]]
    next: str | None


class _Collected(msgspec.Struct, frozen=True):
    mailing: Mailing
    lines: list[Line]
    next: str | None


def collect(services: Services, mailing: Mailing) -> None:
    """Collect whom the next page concerns. Raises Unavailable."""
    page = _PAGES[mailing.kind](services, mailing)
    readers = _readers(services, {one["account"] for one in page.accounts})
    lines = [
        Line(
            person_id=person_id,
            account=one["account"],
            period=one.get("period", ""),
            due_on=date.fromisoformat(one["due_on"]),
        )
        for one in page.accounts
        for person_id in readers.get(one["account"], ())
    ]
    services.store.transact(_keep, _Collected(mailing, lines, page.next))


def _keep(session: Session, collected: _Collected) -> None:
    mailings, mailing = session.peek.mailings, collected.mailing
    if not mailings.lock(mailing):
        return
    found = mailings.add_lines(mailing.mailing_id, collected.lines)
    if collected.next is None:
        mailings.move_on(mailing, State.QUEUEING, "", found=found)
    else:
        mailings.move_on(mailing, State.COLLECTING, collected.next, found=found)


def _readers(services: Services, accounts: Collection[str]) -> dict[str, list[UUID]]:
    asked = sorted(accounts)
    if not asked:
        return {}
    found = services.call("accounts", "readers", deadline=DEADLINE_S, accounts=asked)
    return {
        account: [UUID(person) for person in persons]
        for account, persons in found["readers"].items()
    }


def _billed(services: Services, mailing: Mailing) -> _Page:
    """Return new bills that are still to be paid: an older one is history, not news."""
    digest, _, book = mailing.about.partition("@")
    found = services.call(
        "ledger",
        "billed",
        deadline=DEADLINE_S,
        **in_book(book),
        file_digest=digest,
        after=int(mailing.reached),
        through=mailing.last_position,
        limit=PAGE,
    )
    today = services.store.clock.today().isoformat()
    news = [bill for bill in found["bills"] if bill["due_on"] >= today]
    return _Page(news, None if found["next"] is None else str(found["next"]))


def _due(services: Services, mailing: Mailing) -> _Page:
    found = services.call(
        "ledger",
        "debts_due",
        deadline=DEADLINE_S,
        due_on=mailing.about,
        after=mailing.reached,
        limit=PAGE,
    )
    return _Page(found["debts"], found["next"])


def _before_penalty(services: Services, mailing: Mailing) -> _Page:
    found = services.call(
        "ledger",
        "debts_before_penalty",
        deadline=DEADLINE_S,
        first_day=mailing.about,
        after=mailing.reached,
        limit=PAGE,
    )
    return _Page(found["debts"], found["next"])


_PAGES: Final[Mapping[LetterKind, Callable[[Services, Mailing], _Page]]] = {
    LetterKind.BILL_READY: _billed,
    LetterKind.DUE_SOON: _due,
    LetterKind.OVERDUE: _before_penalty,
}
