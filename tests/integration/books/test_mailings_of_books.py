"""Letters about new bills: the imports into each book are noted, and collected there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.notifications.mailings.collecting import collect
from services.notifications.mailings.noting import note_imports
from shared.config import Settings
from shared.errors import Unavailable
from shared.eventstore.postgres import PostgresStore
from shared.rpc.book_methods import routed
from tests.conftest import Database
from tests.integration.books.two_books import BOOKS, FIRST, NORTH

DIGEST = "a" * 64
"""Somebody imports the same file into both books."""


@dataclass
class Ledgers:
    """Both books, as notifications call them, and what was asked."""

    settings: Settings
    store: PostgresStore
    runs: dict[str, list[int]] = field(default_factory=lambda: {FIRST: [], NORTH: []})
    away: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def call(self, service: str, method: str, **arguments: Any) -> Any:
        return routed(Calls(self), BOOKS).call(service, method, **arguments)


@dataclass
class Calls:
    """The client of the RPCs."""

    ledgers: Ledgers

    def call(self, service: str, method: str, **arguments: Any) -> Any:
        for option in ("deadline", "command_id"):
            arguments.pop(option)
        if service in self.ledgers.away:
            raise Unavailable("service_unavailable", "It does not answer.")
        self.ledgers.asked.append((service, method, arguments))
        if method == "billed":
            return {"bills": [], "next": None}
        found = [one for one in self.ledgers.runs[service] if one > arguments["after"]]
        runs = [
            {
                "file_digest": DIGEST,
                "finished_at": datetime.now(UTC).isoformat(),
                "first_position": position - 5,
                "last_position": position - 1,
            }
            for position in found
        ]
        return {"runs": runs, "next": found[-1] if found else arguments["after"]}


@pytest.fixture
def ledgers(database: Database) -> Ledgers:
    settings = replace(database.settings, books=BOOKS)
    return Ledgers(settings, database.store("notifications"))


def under_way(ledgers: Ledgers) -> list[str]:
    found = ledgers.store.query(lambda session: session.peek.mailings.under_way())
    return sorted(mailing.about for mailing in found)


def test_the_imports_into_each_book_are_noted_once(ledgers: Ledgers) -> None:
    assert note_imports(ledgers) == 0
    ledgers.runs[NORTH].append(20)
    assert note_imports(ledgers) == 1
    ledgers.runs[FIRST].append(700)
    assert note_imports(ledgers) == 1
    assert note_imports(ledgers) == 0
    assert under_way(ledgers) == [DIGEST, f"{DIGEST}@north"]


def test_a_book_that_is_away_keeps_no_other_waiting(ledgers: Ledgers) -> None:
    ledgers.runs = {FIRST: [10], NORTH: [20]}
    ledgers.away = {FIRST}
    assert note_imports(ledgers) == 1
    with pytest.raises(Unavailable):
        note_imports(ledgers)
    ledgers.away = set()
    assert note_imports(ledgers) == 1


def test_bills_are_collected_in_the_book_of_their_import(ledgers: Ledgers) -> None:
    ledgers.runs[NORTH].append(20)
    note_imports(ledgers)
    [mailing] = ledgers.store.query(lambda session: session.peek.mailings.under_way())
    collect(ledgers, mailing)
    service, method, asked = ledgers.asked[-1]
    assert (service, method, asked["file_digest"]) == (NORTH, "billed", DIGEST)
    assert (asked["after"], asked["through"]) == (14, 19)
