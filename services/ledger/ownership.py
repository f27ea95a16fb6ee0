"""Whether an account may be opened here: its number may be of another book of the ledger."""

from __future__ import annotations

from collections.abc import Iterable

from services.ledger.loading import load_account
from shared.account_key import number_of
from shared.bus import NotYet
from shared.eventstore import Session


def strangers(session: Session, keys: Iterable[str]) -> frozenset[str]:
    """Return those accounts that another book opens, or has opened.

    An account that is open here is none, and costs no question. Raises NotYet for one whose number
    this book is about to get.
    """
    missing = [key for key in keys if not load_account(session, key).version]
    if not missing:
        return frozenset()
    strange = session.read.strange({number_of(key) for key in missing})
    if not all(strange.values()):
        raise NotYet("The numbers are being given to this book.")
    return frozenset(key for key in missing if number_of(key) in strange)


def is_stranger(session: Session, key: str) -> bool:
    """Return whether another book opens, or has opened, an account."""
    return bool(strangers(session, [key]))
