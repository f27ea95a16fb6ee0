"""What has stopped reading a book, or in a book, is found by the verb that recovers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from services.recovery.status import status_of
from tests.integration.books.two_books import FIRST, NORTH, TwoBooks


def no_bar(*_: Any) -> Any:
    advance: Callable[[int], None] = lambda _: None  # noqa: E731
    return nullcontext(advance)


@pytest.mark.parametrize(
    ("reader", "upstream"), [("payments", NORTH), (NORTH, "accounts"), ("payments", FIRST)]
)
def test_a_reader_that_has_stopped_is_named(
    books: TwoBooks, monkeypatch: pytest.MonkeyPatch, reader: str, upstream: str
) -> None:
    monkeypatch.setenv("SALDO_LEDGER_BOOKS", "north")
    with books.owner(reader) as owner:
        owner.execute(
            "INSERT INTO positions (upstream, position, stopped) VALUES (%s, 7, 'ahead_of_log')",
            (upstream,),
        )
        owner.execute(
            "INSERT INTO quarantine (upstream, epoch, position, subject, type, headers, body,"
            " digest, reason) VALUES (%s, '1', 7, '', '', '{}', '', 'x', 'tests')",
            (upstream,),
        )
    found = status_of(books.store(reader), no_bar)
    assert [one.upstream for one in found.readers] == [upstream]
    assert found.quarantined == {upstream: 1}
    assert not found.is_clean
