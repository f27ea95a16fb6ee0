"""A process of greenlets that reads a long account while one of them ticks; see ``held``."""

from __future__ import annotations

import os

os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"

import eventlet

eventlet.monkey_patch()

import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from datetime import date  # noqa: E402
from typing import Any  # noqa: E402

from services.discovery import open_store  # noqa: E402
from services.ledger.corrections import Correct, correct  # noqa: E402
from services.ledger.domain.events import ServiceAmount  # noqa: E402
from services.ledger.domain.proposal import AdjustCharges  # noqa: E402
from services.ledger.penalties.account_penalty import penalty  # noqa: E402
from services.ledger.penalties.law import law_in_force  # noqa: E402
from services.ledger.reports.balances import balance  # noqa: E402
from services.ledger.reports.statements import statement  # noqa: E402
from shared import context, cooperation, gc_tuning  # noqa: E402
from shared.config import load_settings  # noqa: E402
from shared.eventstore.postgres import PostgresStore  # noqa: E402
from shared.ids import new_id  # noqa: E402
from tests.bench.held import TICK_S  # noqa: E402
from tests.bench.reads import FIRST_YEAR, LINES, LONG, MONTHS  # noqa: E402

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
