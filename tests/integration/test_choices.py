"""Choices of letters, and the language of the last one, in a real PostgreSQL."""

from __future__ import annotations

from uuid import uuid4

import pytest

from services.notifications.choosing import (
    Choose,
    Unsubscribe,
    choices_of,
    choose,
    erase_choices,
    held_choices,
    subscription,
    unsubscribe,
)
from shared.contracts.notifications import LetterKind
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database

pytestmark = pytest.mark.nodes


@pytest.fixture
def store(database: Database) -> PostgresStore:
    return database.store("notifications")


def test_choices_are_kept_found_for_many_and_forgotten(store: PostgresStore) -> None:
    anna, boris = uuid4(), uuid4()
    store.transact(choose, Choose(person_id=anna, wanted={"due_soon": False, "overdue": False}))
    store.transact(choose, Choose(person_id=anna, wanted={"overdue": True}))
    store.transact(unsubscribe, Unsubscribe(link=(boris, LetterKind.BILL_READY)))
    unwanted = store.query(lambda session: session.read.choices.unwanted([anna, boris, uuid4()]))
    assert unwanted == {(anna, "due_soon"), (boris, "bill_ready")}
    held = store.query(lambda session: held_choices(session, anna))["choices"]
    assert [(one["kind"], one["wanted"]) for one in held] == [
        ("due_soon", False),
        ("overdue", True),
    ]

    store.transact(lambda session, _: erase_choices(session, anna), None)
    store.transact(unsubscribe, Unsubscribe(link=(anna, LetterKind.OVERDUE)))
    assert store.query(lambda session: held_choices(session, anna)) == {"choices": []}
    assert all(store.query(lambda session: choices_of(session, anna))["optional"].values())
    link = (anna, LetterKind.OVERDUE)
    found = store.query(lambda session: subscription(session, link))
    assert found == {"kind": "overdue", "wanted": False}
