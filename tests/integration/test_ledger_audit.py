"""Rule five: every balance can be rebuilt, by two implementations that share no code."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.ledger.application import (
    AccruePenalty,
    OpenAccount,
    PaidLine,
    PostPayment,
    accrue_penalty,
    open_account,
    post_payment,
)
from services.ledger.audit import audit
from services.ledger.charge_import import import_charges
from services.ledger.domain import ServiceAmount
from shared import context
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database

pytestmark = pytest.mark.nodes

NUMBERS = [f"01000000{n:02}" for n in range(1, 13)]
HEADER = "account;period;due_on;effective_on;service;name;charged;recalculation;privilege;penalty\n"


def execute(store: PostgresStore, handler: Any, command: Any) -> None:
    with context.bind(command_id=uuid4()):
        store.execute(handler, command)


def lived_in(store: PostgresStore, folder: Path) -> None:
    """Fill a ledger with all that it knows: openings, bills, penalties, payments, advances."""
    chance = random.Random(20261123)  # noqa: S311 - the same books every time
    for number in NUMBERS:
        opening = tuple(
            ServiceAmount(service, chance.randint(-90_000, 90_000))
            for service in chance.sample(("heating", "water", "lift"), 2)
        )
        execute(
            store, open_account, OpenAccount(number=number, payer_kind="household", opening=opening)
        )
    for month in range(1, 5):
        file = folder / f"{month}.csv"
        file.write_text(HEADER + "".join(_bill(number, month, chance) for number in NUMBERS))
        import_charges(store, file, "staff:test", "a month", lambda _: None)
        for number in chance.sample(NUMBERS, 8):
            line = PaidLine(
                account=number, amount=chance.randint(0, 900_000), penalty=chance.randint(1, 9_000)
            )
            day = date(2026, month, 20)
            execute(
                store, post_payment, PostPayment(payment_id=uuid4(), paid_on=day, lines=(line,))
            )
            penalty = AccruePenalty(
                number=number, amount=chance.randint(1, 5_000), effective_on=day, rule="test"
            )
            execute(store, accrue_penalty, penalty)


def _bill(number: str, month: int, chance: random.Random) -> str:
    lines = []
    for service in ("heating", "water", "lift"):
        rubles = chance.randint(0, 4_000)
        recalculation = chance.choice((0, 0, -chance.randint(0, 6_000)))
        privilege = chance.randint(0, rubles // 10)
        penalty = chance.randint(0, 20) if service == "lift" else 0
        lines.append(
            f"{number};2026-{month:02};2026-{month + 1:02}-15;2026-{month:02}-28;{service};"
            f"{service};{rubles},37;{recalculation};{privilege};{penalty}\n"
        )
    return "".join(lines)


@pytest.fixture
def store(database: Database, tmp_path: Path) -> PostgresStore:
    made = database.store("ledger")
    lived_in(made, tmp_path)
    return made


def test_replay_and_sql_and_read_model_agree_to_the_kopeck(store: PostgresStore) -> None:
    report = audit(store)
    assert report.differences == []
    assert report.accounts == len(NUMBERS)
    assert report.events == store.recorder.max_notification_id()
    rows = store.query(lambda session: list(session.read.all_balances()))
    for sum_ in ("principal", "penalty", "advance"):
        assert any(row[sum_] for row in rows), f"the books have something to compare: {sum_}"


def test_an_audit_finds_a_changed_balance(store: PostgresStore, database: Database) -> None:
    with database.owner("ledger") as owner:
        owner.execute("UPDATE balances SET advance = advance + 1 WHERE number = %s", (NUMBERS[3],))
    assert [(found.account, found.what) for found in audit(store).differences] == [
        (NUMBERS[3], "advance (read model)")
    ]


def test_an_audit_finds_a_removed_event(store: PostgresStore, database: Database) -> None:
    with database.owner("ledger") as owner:
        owner.execute("ALTER TABLE events DISABLE TRIGGER events_append_only")
        owner.execute("DELETE FROM events WHERE notification_id = 20")
    found = {difference.what for difference in audit(store).differences}
    assert {"positions of the log", "versions of a stream"} <= found
