"""A process of greenlets that reads a long account while one of them ticks; see ``held``."""

# ruff: noqa: E402 - patching must come before the other imports
from __future__ import annotations

import os

os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"

import eventlet

eventlet.monkey_patch()

import json
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import Any

from services.discovery import open_store
from services.ledger.corrections import Correct, correct
from services.ledger.domain.events import ServiceAmount
from services.ledger.domain.proposal import AdjustCharges
from services.ledger.penalties.account_penalty import penalty
from services.ledger.penalties.law import law_in_force
from services.ledger.reports.balances import balance
from services.ledger.reports.statements import statement
from shared import context, cooperation, gc_tuning
from shared.config import load_settings
from shared.eventstore.postgres import PostgresStore
from shared.ids import new_id
from tests.bench.held import TICK_S
from tests.bench.reads import FIRST_YEAR, LINES, LONG, MONTHS

LAST_YEAR = FIRST_YEAR + MONTHS // 12
_LAST_PAGE = 100


def main(loops: str, runs: int) -> None:
    """Print the milliseconds of each run: name -> the longest time between two ticks."""
    store = open_store("ledger", load_settings(), statement_timeout_ms=0)
    cooperation.set_switch(eventlet.sleep if loops == "yielding" else None)
    gc_tuning.tune_gc()
    after = store.query(lambda session: statement(session, LONG, None, 10**6))["movements"]
    works: dict[str, Callable[[], Any]] = {
        "a statement": lambda: store.query(
            lambda session: statement(session, LONG, after[-_LAST_PAGE]["position"], _LAST_PAGE)
        ),
        "a past balance": lambda: store.query(
            lambda session: balance(session, LONG, f"{LAST_YEAR - 1}-05-05")
        ),
        "a penalty": lambda: store.query(
            lambda session: penalty(session, LONG, date(LAST_YEAR, 1, 1), law_in_force())
        ),
        "a correction": lambda: _correct(store),
    }
    json.dump(
        {name: [_held(work) for _ in range(runs)] for name, work in works.items()}, sys.stdout
    )
    store.close()


def _correct(store: PostgresStore) -> None:
    lines = (ServiceAmount(LINES[0].service, 1_00),)
    adjustment = AdjustCharges(account=LONG, period=f"{FIRST_YEAR}-02", lines=lines)
    command = Correct(correction_id=new_id(), correction=adjustment, reason="bench")
    with context.bind(actor="staff:bench", command_id=command.correction_id):
        store.execute(correct, command)


def _held(work: Callable[[], Any]) -> float:
    """Return the longest time of the processor between two ticks while a work runs, in ms."""
    longest = 0.0

    def tick() -> None:
        nonlocal longest
        last = time.thread_time()
        while True:
            eventlet.sleep(TICK_S)
            now = time.thread_time()
            longest, last = max(longest, now - last), now

    ticking = eventlet.spawn(tick)
    eventlet.sleep(2 * TICK_S)
    work()
    eventlet.sleep(2 * TICK_S)
    ticking.kill()
    return longest * 1_000


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
