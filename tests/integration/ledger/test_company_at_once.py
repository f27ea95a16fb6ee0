"""Everything at once: imports, the bus, group commit, corrections and accrual runs.

Whatever they meet, the accounts end as the oracle has them, and the audit finds nothing.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ledger.importing.imports import ImportRequest, import_file
from services.ledger.reactions import REACTIONS
from services.ledger.replay.audit import audit
from shared.bus.listen import Listener
from shared.bus.messages import Publication, envelope
from shared.bus.reactions import Delivery
from shared.errors import NotFound, Unavailable
from shared.eventstore import Recorded
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.integration.ledger.random_company import LAST, Company, Entry
from tests.ledger_oracle.facts import Fact
from tests.simulation.scenario import roubles

pytestmark = pytest.mark.nodes

ACCOUNTS = int(os.environ.get("SALDO_COMPANIES_STORED", "16"))
SEED = int(os.environ.get("SALDO_COMPANIES_FROM", "1"))
NOTHING: Any = None
"""A reaction to a payment asks no other service, and a message has no event but its data."""
CALLERS = 6
HEADER = "account;period;due_on;effective_on;service;name;charged;recalculation\n"


def test_everything_at_once_ends_as_the_oracle_has_it(database: Database, tmp_path: Path) -> None:
    company = Company(database, SEED, ACCOUNTS)
    entries = list(company.in_an_order())
    for entry in entries:
        if entry.fact.what == "open" and not entry.fact.name:
            company.record(entry)
    rest = [e for e in entries if e.fact.what != "open" or e.fact.name]
    bills = [entry for entry in rest if entry.fact.what == "bill"]
    paid = [entry for entry in rest if entry.fact.what == "pay" and not entry.fact.period]
    calls: SimpleQueue[Entry] = SimpleQueue()
    for entry in rest:
        if entry.fact.what != "bill" and entry not in paid[::2]:
            calls.put(entry)
    # Every fourth payment arrives both ways: the second time it changes nothing.
    for entry in paid[::4]:
        calls.put(entry)
    half = len(bills) // 2
    done = threading.Event()
    at_once(
        done,
        *[lambda: drain(company, calls, done)] * CALLERS,
        lambda: react(company.store, paid[::2], done),
        lambda: import_bills(company.store, bills[:half], tmp_path / "first.csv"),
        lambda: import_bills(company.store, bills[half:], tmp_path / "second.csv"),
        lambda: accrue_again_and_again(company),
    )
    company.accrue_all(company.today)
    for number in company.entries:
        state = company.state(number, company.today)
        row = company.balance_now(number)
        found = (row["open_items"], row["penalty"], row["advance"])
        assert found == (state.principal, state.owed, state.advance), number
    recorded = {(n, f.what, f.name) for n in company.entries for f in company.facts(n)}
    assert recorded >= {(e.number, e.fact.what, e.fact.name) for e in [*bills, *paid]}
    assert audit(company.store).differences == []


def at_once(stop: threading.Event, *works: Callable[[], None]) -> None:
    """Run all at once; after a failure ``stop`` is set, and the failure raised."""
    failed: list[BaseException] = []
    ready = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        ready.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)
            stop.set()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def drain(company: Company, entries: SimpleQueue[Entry], stop: threading.Event) -> None:
    """Record entries until there are none; one whose bill or payment is to come goes back."""
    while not stop.is_set():
        try:
            entry = entries.get_nowait()
        except Empty:
            return
        try:
            company.record(entry)
        except (NotFound, Unavailable):
            entries.put(entry)


def react(store: PostgresStore, paid: Sequence[Entry], stop: threading.Event) -> None:
    """Let payments of the cabinet arrive by the bus, a few in each batch."""
    listener = Listener(NOTHING, store, "payments", REACTIONS["payments"], stop)
    chance, place = random.Random(SEED), 0  # noqa: S311 - reproducible
    messages = [captured(position, entry) for position, entry in enumerate(paid, 1)]
    while place < len(messages):
        batch = messages[place : place + chance.randint(1, 5)]
        listener.process(batch, lambda _: None)
        place += len(batch)


def captured(position: int, entry: Entry) -> Delivery:
    fact = entry.fact
    line = {"account": entry.number, "amount": fact.amount, "penalty": fact.penalty}
    data = {"payment_id": fact.name, "paid_on": fact.day.isoformat(), "lines": [line]}
    recorded = Recorded(
        originator_id=UUID(fact.name),
        originator_version=1,
        position=position,
        recorded_at=datetime.now(UTC),
        command_id=uuid4(),
        actor="person:test",
        correlation_id="",
        event=NOTHING,
    )
    message = envelope(
        "payments", recorded, Publication("payment_captured", fact.name, data), position - 1
    )
    return Delivery(message.headers, message.body)


def import_bills(store: PostgresStore, bills: Sequence[Entry], path: Path) -> None:
    rows = [row for bill in bills for row in _rows(bill.number, bill.fact)]
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    request = ImportRequest(path=path, actor="staff:test", reason="a run", limit=None)
    summary = import_file(store, request, no_bar)
    assert summary.counts.entries == len(bills)


def accrue_again_and_again(company: Company) -> None:
    for days in (400, 300, 200, 100, 0):
        company.accrue_all(LAST - timedelta(days))


@contextmanager
def no_bar(title: str, total: int) -> Iterator[Any]:
    yield lambda done: None


def _rows(number: str, bill: Fact) -> Iterator[str]:
    for service, amount in bill.lines.items():
        days = f"{bill.period};{bill.due_on};{bill.day}"
        charged, recalculation = (roubles(max(0, amount)), roubles(min(0, amount)))
        yield f"{number};{days};{service};{service};{charged};{recalculation}\n"
