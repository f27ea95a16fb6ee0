"""A ledger of two books, in one database and in two, with and without the bus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import psycopg
import pytest

from shared.bus.administration import BrokerAdministration
from shared.config import Settings
from tests.conftest import Database, emptied_database, fresh_database
from tests.databases import Databases
from tests.integration.books.two_books import TwoBooks, two_books_on_the_bus, with_two_books

ONE, TWO = "one database", "two databases"


@pytest.fixture(scope="package")
def copies(
    base_settings: Settings, template: tuple[Settings, str], databases: Databases
) -> Iterator[dict[str, tuple[Databases, Databases]]]:
    """By where the books are: databases with what a second book has in the first, and in another.

    Its data are in the one, its keys in the first.
    """
    with ExitStack() as opened:
        owner = opened.enter_context(psycopg.connect(base_settings.database_url, autocommit=True))

        def fresh() -> Database:
            return opened.enter_context(fresh_database(base_settings, template))

        def copies_of(made: Database) -> Databases:
            url = made.settings.database_url
            copies = Databases(owner, urlsplit(url).path.lstrip("/"), url)
            opened.callback(copies.close)
            return copies

        together, first, second = fresh(), fresh(), fresh()
        with_two_books(together)
        with_two_books(first, second)
        yield {ONE: (copies_of(together), databases), TWO: (copies_of(first), copies_of(second))}


@pytest.fixture(params=[ONE, TWO])
def places(request: pytest.FixtureRequest) -> str:
    """Return where the two books are."""
    return str(request.param)


@pytest.fixture
def second_database(
    places: str, base_settings: Settings, copies: dict[str, tuple[Databases, Databases]]
) -> Iterator[Database]:
    """Return another database, that of the second book where there are two."""
    with emptied_database(base_settings, copies[places][1]) as made:
        yield made


@pytest.fixture
def books(
    places: str,
    base_settings: Settings,
    copies: dict[str, tuple[Databases, Databases]],
    second_database: Database,
) -> Iterator[TwoBooks]:
    with emptied_database(base_settings, copies[places][0]) as first:
        yield with_two_books(first, second_database if places == TWO else None)


@pytest.fixture
def on_the_bus(administration: BrokerAdministration, amqp_url: str) -> Iterator[None]:
    with two_books_on_the_bus(administration, amqp_url):
        yield
