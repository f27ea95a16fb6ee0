"""A ledger of two books, in one database and in two, with and without the bus."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.bus.administration import BrokerAdministration
from shared.config import Settings
from tests.conftest import Database, fresh_database
from tests.integration.books.two_books import TwoBooks, two_books_on_the_bus, with_two_books


@pytest.fixture(params=["one database", "two databases"])
def books(
    request: pytest.FixtureRequest,
    base_settings: Settings,
    template: tuple[Settings, str],
    second_database: Database,
) -> Iterator[TwoBooks]:
    elsewhere = second_database if request.param == "two databases" else None
    with fresh_database(base_settings, template) as first:
        yield with_two_books(first, elsewhere)


@pytest.fixture
def on_the_bus(administration: BrokerAdministration, amqp_url: str) -> Iterator[None]:
    with two_books_on_the_bus(administration, amqp_url):
        yield
