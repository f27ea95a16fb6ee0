"""The sweep: what acquirers have charged or returned lately, beside what we know of it.

A callback may never come, and a schedule of polls leaves long gaps. So every acquirer is asked each
half minute which orders it has charged in the last minutes, and as often as that costs little, but
at least once an hour, which in the last day: what went back of them may have been told by nobody.
What differs from us is polled at once. An acquirer that answers has the polls hastened of what is
unknown while it was silent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from services.payments.acquirers import OrderReport
from services.payments.polling import Acquirers, poll_acquirer
from services.payments.snapshots import PaymentSnapshot, of_order
from services.payments.state import CAPTURED, State
from shared.errors import Unavailable
from shared.eventstore import Session, Store
from shared.logs import get_logger

log = get_logger(__name__)

SHORT: Final = timedelta(minutes=30)
LONG: Final = timedelta(hours=26)
LONG_EVERY: Final = timedelta(hours=1)
#: How many times as long as a sweep of the last day took is the pause after it, up to that hour.
PAUSE_OF_LONG: Final = 60
#: An acquirer's clock may be ahead of ours.
_AHEAD: Final = timedelta(minutes=10)
_BATCH: Final = 200


class Sweep:
    """Sweeps the acquirers of one worker; it knows when it last reached each."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._reached: dict[str, datetime] = {}
        self._next_long: dict[str, float] = {}

    def run(self, store: Store, acquirers: Acquirers) -> None:
        """Sweep every acquirer, and have polled what differs."""
        for name in acquirers.by_name:
            self._sweep(store, acquirers, name)

    def _sweep(self, store: Store, acquirers: Acquirers, name: str) -> None:
        now, began = store.clock.now(), self._timer()
        is_long = began >= self._next_long.get(name, began)
        since = now - LONG if is_long else min(now, self._reached[name]) - SHORT
        acquirer = acquirers.by_name[name]
        names = [name, ""] if name == acquirers.first else [name]
        differing = 0
        try:
            reports = iter(acquirer.report(since, now + _AHEAD))
            while batch := list(islice(reports, _BATCH)):
                differing += store.transact(ask_what_differs, tuple(batch))
                for payment in store.query(lambda s: charged_though_lost(s, batch)):
                    poll_acquirer(store, acquirers, payment)
        except Unavailable:
            log.warning("sweep_unanswered", acquirer=name)
            return
        self._reached[name] = now
        if is_long:
            ended = self._timer()
            pause = min(PAUSE_OF_LONG * (ended - began), LONG_EVERY.total_seconds())
            self._next_long[name] = ended + pause
        hastened = store.transact(hasten, tuple(names))
        if differing or hastened:
            log.info("sweep_found", acquirer=name, differing=differing, hastened=hastened)


def ask_what_differs(session: Session, reports: tuple[OrderReport, ...]) -> int:
    """Have the acquirer asked about the orders that it reports otherwise than we know them."""
    rows = session.read.payments_by_orders([report.order_number for report in reports])
    differing = {
        row["payment_id"]
        for report in reports
        if (row := rows.get(report.order_number)) is not None and _differs(report, row)
    }
    for payment_id in differing:
        session.read.polls.ask_soon(payment_id, session.now, "differs")
    return len(differing)


def charged_though_lost(session: Session, reports: Sequence[OrderReport]) -> list[PaymentSnapshot]:
    """Return the payments, by the order that was charged, whose order had been lost."""
    rows = session.read.payments_by_orders([report.order_number for report in reports])
    return [of_order(row) for row in rows.values() if row["lost"] and row["state"] not in CAPTURED]


def _differs(report: OrderReport, row: dict[str, object]) -> bool:
    state = State(str(row["state"]))
    if state in CAPTURED:
        return report.returned > int(str(row["refunded"]))
    gone = report.returned >= report.charged
    return not (gone and state is State.FAILED) and state is not State.MISMATCH


def hasten(session: Session, names: Iterable[str]) -> int:
    """Have acquirers that answer again asked now about what is unknown."""
    return int(session.read.polls.hasten(list(names), session.now))
