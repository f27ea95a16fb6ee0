"""Which mailings there are to be: of imports that have finished, and of days that come near."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.notifications.mailing import Mailing
from shared.books import SPLIT, book_of, in_book
from shared.bus import Services
from shared.config import Settings
from shared.contracts.notifications import LetterKind
from shared.errors import Unavailable
from shared.eventstore import Session

#: An import that was finished earlier is no news: an installation that has stood still, or that
#: has just learned to send these letters, leaves it out.
NEWS: Final = timedelta(days=3)


def note_imports(services: Services) -> int:
    """Note a mailing for each import of bills since the last one; return how many there are.

    The ledger is asked, and not listened to: it tells of a million bills between two imports. One
    of its books that is away keeps none of the others waiting.
    """
    noted, refused = 0, list[Unavailable]()
    for log in (SPLIT, *services.settings.books):
        try:
            noted += _note_imports_of(services, book_of(log))
        except Unavailable as error:
            refused.append(error)
    if refused and not noted:
        raise refused[0]
    return noted


def _note_imports_of(services: Services, book: str) -> int:
    before = services.store.query(lambda session: session.peek.mailings.noted_position(book))
    page = services.call("ledger", "billing_runs", **in_book(book), after=before)
    if page["next"] == before:
        return 0
    return services.store.transact(_note_imports, (book, before, page))


def note_days(services: Services) -> int:
    """Note the reminders of the days that come near; return how many there are.

    Not before the hour at which an operator wants them sent. Days that were missed are made up
    for, as long as they are still to come.
    """
    wanted = days_to_note(services.settings, services.store.clock.now())
    ids = [mailing.mailing_id for mailing in wanted]
    known = services.store.query(lambda session: session.peek.mailings.known(ids))
    new = [mailing for mailing in wanted if mailing.mailing_id not in known]
    return services.store.transact(_note, new) if new else 0


def days_to_note(settings: Settings, now: datetime) -> list[Mailing]:
    """Return the reminders that are due at an instant, the nearest day first."""
    here = now.astimezone(ZoneInfo(settings.timezone))
    if here.time() < settings.remind_at:
        return []
    return [
        Mailing.of_day(kind, here.date() + timedelta(days=ahead))
        for kind, days in (
            (LetterKind.DUE_SOON, settings.remind_days),
            (LetterKind.OVERDUE, settings.overdue_days),
        )
        for ahead in range(1, days + 1)
    ]


def _note_imports(session: Session, noted: tuple[str, int, dict[str, Any]]) -> int:
    book, before, page = noted
    if not session.peek.mailings.move_noted_position(before, page["next"], book):
        return 0
    mailings = [
        Mailing.of_import(
            run["file_digest"],
            run["first_position"],
            run["last_position"],
            outdated=datetime.fromisoformat(run["finished_at"]) < session.now - NEWS,
            book=book,
        )
        for run in page["runs"]
    ]
    return _note(session, mailings)


def _note(session: Session, mailings: list[Mailing]) -> int:
    return sum(session.peek.mailings.note(mailing, session.now) for mailing in mailings)
