"""A book that moves while everybody goes on: whatever is killed neither loses nor doubles it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from shared.eventstore.freezing import is_closed
from tests.faults.books import books_setting, owner_url_of
from tests.faults.faults import FAULTS
from tests.faults.injectors.small_house import START_S, Choosing, SmallHouse, small_house
from tests.faults.newcomers import Newcomer

NORTH = "ledger_north"


@pytest.fixture
def books(tmp_path: Path) -> Iterator[SmallHouse]:
    with small_house(tmp_path / "saldo", books_setting(2)) as running:
        yield running


def test_book_that_moves_is_in_the_other_database_alone(books: SmallHouse) -> None:
    """The command is killed, and called again; the processes of the book find it there."""
    fault = FAULTS["move_book"]
    assert fault.is_possible(books)
    before = owner_url_of(books.environment, NORTH)
    did = fault.inject(books, Choosing("move-book"))
    assert did.startswith(f"move {NORTH} to ")
    assert "kill -9 move-book" in did
    assert fault.heal(books) == f"{NORTH} has moved"
    assert fault.heal(books) is None

    there = owner_url_of(books.environment, NORTH)
    assert there != before
    with psycopg.connect(before, autocommit=True) as owner:
        assert is_closed(owner, NORTH)
    with psycopg.connect(there, autocommit=True) as owner:
        assert not is_closed(owner, NORTH)
        assert owner.execute(f"SELECT count(*) FROM {NORTH}.book_rules").fetchall() == [(0,)]
    books.recovers(START_S)
    Newcomer(books).is_served(START_S)


def test_house_with_one_book_has_none_to_move(house: SmallHouse) -> None:
    assert not FAULTS["move_book"].is_possible(house)
