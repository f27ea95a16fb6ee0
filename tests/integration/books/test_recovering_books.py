"""What has stopped reading a book, or in a book, is found by the verb that recovers."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from services.recovery.status import status_of
from services.staff_administration import StaffAdministration
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


def test_somebody_is_removed_though_the_database_of_a_book_is_away(books: TwoBooks) -> None:
    name = f"auditor-{secrets.token_hex(4)}"
    settings = replace(books.settings, amqp_admin_url="")
    staff = StaffAdministration(settings)
    staff.add(name, ["auditor"], "not-a-secret", "tests")
    nowhere = {NORTH: "postgresql://nobody:x@127.0.0.1:1/nowhere"}
    cut_off = StaffAdministration(replace(settings, login_urls=nowhere))
    here = StaffAdministration(replace(settings, books=(), login_urls={}))
    assert "read" in str([one for one in here.members() if one.name == name])
    with pytest.raises(psycopg.OperationalError):
        cut_off.remove(name, "tests")
    assert [one for one in here.members() if one.name == name] == []
    staff.remove(name, "tests")  # what is left in the book
    assert [one for one in staff.members() if one.name == name] == []
