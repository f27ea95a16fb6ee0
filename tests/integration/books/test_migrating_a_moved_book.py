"""``migrate`` after a book has moved: with the settings of before, and with those of now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from services.ledger.commands.ledger_access import Run
from services.ledger.moving import Plan, move
from services.migrate import migrate_all, show_status
from shared.config import SEALER, Settings
from shared.eventstore.migration_steps import SchemaMovedError
from tests.conftest import Database, fresh_database, role_of, signed_in_as
from tests.integration.books.two_books import FIRST, NORTH, TwoBooks, with_two_books
from tests.integration.bus_ends import open_one


@pytest.fixture
def books(base_settings: Settings, template: tuple[Settings, str]) -> Iterator[TwoBooks]:
    with fresh_database(base_settings, template) as first:
        made = with_two_books(first)
        open_one(made.store(NORTH), "7700000001")
        yield made


@pytest.fixture
def plan(books: TwoBooks, second_database: Database) -> Plan:
    there, role = second_database.settings, role_of(NORTH)
    return Plan(
        NORTH,
        books.settings.database_url,
        there.database_url,
        signed_in_as(there.database_url_of(FIRST), role, "saldo-test"),
        there.database_url_of(SEALER),
        (role, f"{role}_writer", f"{role}_reader"),
    )


def events(url: str, log: str) -> int:
    with psycopg.connect(url) as owner:
        row = owner.execute(f"SELECT count(*) FROM {log}.events").fetchone()
    return int(row[0]) if row else 0


def test_settings_of_before_are_named_and_what_is_left_here_is_untouched(
    books: TwoBooks, plan: Plan
) -> None:
    move(plan, Run(verb="move-book", by="staff:petrova", reason="tests"))
    for run in (migrate_all, show_status):
        with pytest.raises(SchemaMovedError, match="set SALDO_LOGIN_URL_LEDGER_NORTH"):
            run([FIRST, NORTH], books.settings)
    kept = events(plan.here, f"{NORTH}_moved")
    assert kept == events(plan.there, NORTH) > 0


def test_settings_of_now_lead_the_migrator_to_the_book(
    books: TwoBooks, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    move(plan, Run(verb="move-book", by="staff:petrova", reason="tests"))
    settings = replace(
        books.settings,
        database_urls={**books.settings.database_urls, NORTH: plan.runtime_url},
        login_urls={NORTH: plan.there},
    )
    migrate_all([FIRST, NORTH], settings)
    show_status([NORTH], settings)
    assert f"{NORTH}: all migrations are applied" in capsys.readouterr().out
