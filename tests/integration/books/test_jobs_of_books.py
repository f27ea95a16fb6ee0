"""The jobs of several books run in one worker, as they do unless each has a process of its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from services.ledger import command_digests, scheduled_accrual
from services.ledger.application import OpenAccount, open_account
from services.ledger.domain.book import COMMANDS, CommandsDigested
from services.ledger.jobs import JOBS
from shared import context
from shared.config import Settings
from shared.eventstore.postgres import PostgresStore
from tests.integration.books.two_books import FIRST, NORTH, TwoBooks
from tests.waiting import eventually


@dataclass
class Worker:
    """What a job needs of the worker of a book."""

    settings: Settings
    store: PostgresStore
    stop: threading.Event


@pytest.fixture
def workers(books: TwoBooks) -> dict[str, Worker]:
    return {
        log: Worker(books.settings, books.store(log), threading.Event()) for log in (FIRST, NORTH)
    }


def test_the_commands_of_each_book_are_digested(
    workers: dict[str, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_digests, "STRAGGLERS", timedelta(0))
    [job] = [job for job in JOBS if job.name == "digest_commands"]
    for count, worker in enumerate(workers.values(), start=1):
        for _ in range(1 + count):  # all but the first one open nothing any more
            with context.bind(actor="service:test", command_id=uuid4()):
                worker.store.execute(open_account, OpenAccount(number="01", payer_kind="household"))

    def digested(worker: Worker) -> tuple[int, int]:
        history = worker.store.query(lambda session: session.history(COMMANDS))
        events: list[Any] = [one.event for one in history]
        assert all(isinstance(event, CommandsDigested) for event in events)
        return sum(event.count for event in events), sum(event.idle_count for event in events)

    def are_covered() -> bool:
        for worker in workers.values():
            job.run(worker)  # type: ignore[arg-type]
        return [digested(worker) for worker in workers.values()] == [(1, 1), (1, 2)]

    eventually(are_covered, "all commands are covered")


def test_what_one_book_has_left_to_accrue_is_not_hidden_by_another(
    workers: dict[str, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one figure for a worker process, and an alarm on it."""
    refused = {FIRST: 0, NORTH: 3}

    def due(session: Any, _: Any) -> Any:
        log = session.cursor.execute("SELECT current_schema() AS log").fetchone()["log"]
        return None, SimpleNamespace(refused=refused[log])

    monkeypatch.setattr(scheduled_accrual, "_due", due)
    for log in (NORTH, FIRST):
        scheduled_accrual.accrue_when_due(workers[log])
    assert REGISTRY.get_sample_value("saldo_accrual_refused_accounts") == 3
    refused[NORTH] = 0
    scheduled_accrual.accrue_when_due(workers[NORTH])
    assert REGISTRY.get_sample_value("saldo_accrual_refused_accounts") == 0
