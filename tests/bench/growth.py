"""How each cost grows: with the log, a stream, open connections, subscribers.

``python -m tests.bench.growth [events|stream|connections|subscribers]...`` measures some curves or
all, adds the points to `growth.json`, and writes `growth.svg` and the table of README.md from it.
``SALDO_BENCH_GROWTH`` names the sizes of the log (10000,100000); ten million events take hours and
60 GB. It needs nothing else running; each point is measured once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

from services.ledger.domain import Account, account_id
from tests.bench import growth_costs as costs
from tests.bench.company import COPIED, LINES, bench_database, populate, resident
from tests.bench.growth_page import Point, add_points, write_page
from tests.bench.peaks import run_ledger
from tests.nodes import Nodes, acquire_nodes

MONTHS = 12
EVENTS_OF_AN_ACCOUNT = 1 + 2 * MONTHS
SIZES = [int(size) for size in os.environ.get("SALDO_BENCH_GROWTH", "10000,100000").split(",")]
STREAMS = (10, 100, 1_000)
LONGEST_OVERDUE = 1_000
CONNECTIONS = (0, 50, 100, 200)
SUBSCRIBERS = (0, 1, 4, 16)
CALLERS = 8
ACCOUNTS_BESIDE = 1_000
WHOLE = {
    "replay": ("replay", "--all"),
    "audit": ("audit",),
    "accrue": ("accrue", "--on", "2026-07-20", "--reason", "bench"),
}
READ = "0000000007"

Measured = Iterator[tuple[str, str, float]]
"""(cost, unit, figure) of one point."""


def with_events(nodes: Nodes, size: int) -> Measured:
    """Measure everything in a log of so many events, of accounts with 25 events each."""
    with bench_database(nodes) as bench:
        accounts = size // EVENTS_OF_AN_ACCOUNT
        events = populate(bench, resident(MONTHS), accounts)
        # Before all that takes effect later: what was imported late would need the history.
        yield "import, a bill", "µs", costs.imported_bill(bench, accounts)
        events += min(accounts, costs.BILLS)
        yield "balance", "ms", costs.balance_now(bench, READ)
        yield "past balance", "ms", costs.past_balance(bench, READ)
        yield "page of a statement", "ms", costs.page_of_statement(bench, READ)
        yield "seal, an event", "µs", costs.sealed_event(bench)
        yield "verify, an event", "µs", costs.verified_event(bench, events)
        for verb, command in WHOLE.items():
            took, peak = run_ledger(bench, *command)
            per, count = ("account", accounts) if verb == "accrue" else ("event", events)
            yield f"{verb}, an {per}", "µs", took / count * 1e6
            yield f"{verb}, memory", "MiB", peak
        yield "payment", "ms", costs.lone_payment(bench, READ)
        yield "relay, an event", "µs", costs.published_event(bench)


def with_stream(nodes: Nodes, length: int) -> Measured:
    """Measure what one account costs whose stream has so many events."""
    with bench_database(nodes) as bench:
        number = f"{0:010}"
        populate(bench, paid_often(length), 1)
        yield "balance", "ms", costs.balance_now(bench, number)
        yield "past balance", "ms", costs.past_balance(bench, number)
        yield "page of a statement", "ms", costs.page_of_statement(bench, number)
        yield "payment", "ms", costs.lone_payment(bench, number)
        if length > LONGEST_OVERDUE:
            return
        populate(bench, paid_often(length, overdue=True), 1)
        yield "balance, overdue", "ms", costs.balance_now(bench, number)
        yield "payment, overdue", "ms", costs.lone_payment(bench, number)


def with_connections(nodes: Nodes, count: int) -> Measured:
    """Measure payments of some callers beside so many open connections at rest."""
    with bench_database(nodes) as bench:
        populate(bench, resident(MONTHS), ACCOUNTS_BESIDE)
        numbers = [f"{index:010}" for index in range(CALLERS)]
        yield "payments of 8 callers", "1/s", costs.payments_at_once(bench, numbers, count)


def with_subscribers(nodes: Nodes, count: int) -> Measured:
    """Measure the relay while so many queues are bound to its exchange."""
    with bench_database(nodes) as bench:
        populate(bench, resident(MONTHS), ACCOUNTS_BESIDE)
        yield "relay, an event", "µs", costs.published_event(bench, count)


def paid_often(events: int, *, overdue: bool = False) -> Account:
    """Return an account with a bill a month for a year, and a stream of about so many events.

    Each bill is paid in time, in many parts; of an overdue one all but the last part.
    """
    account = Account(account_id(COPIED))
    account.open(COPIED, "household", date(2025, 1, 1))
    parts = max(1, events // MONTHS - 1)
    for month in range(min(MONTHS, events // 2)):
        day = date(2025, month + 1, 5)
        account.post_charges(f"{day:%Y-%m}", day, day + timedelta(days=14), LINES)
        for _ in range(parts - 1):
            account.post_payment(uuid4(), day + timedelta(days=7), 1, 0)
        if not overdue:
            account.post_payment(uuid4(), day + timedelta(days=10), account.principal, 0)
    return account


CURVES: dict[str, tuple[Callable[[Nodes, int], Measured], list[int]]] = {
    "events": (with_events, SIZES),
    "stream": (with_stream, list(STREAMS)),
    "connections": (with_connections, list(CONNECTIONS)),
    "subscribers": (with_subscribers, list(SUBSCRIBERS)),
}


def main(names: list[str]) -> int:
    """Measure the named curves, or all."""
    unknown = [name for name in names if name not in CURVES]
    if unknown:
        sys.stderr.write(f"no such curve: {unknown[0]}; there are: {', '.join(CURVES)}\n")
        return 2
    nodes = acquire_nodes()
    try:
        for name in names or CURVES:
            measure, sizes = CURVES[name]
            for size in sizes:
                # A point that is measured is kept, whatever happens to the next.
                for cost, unit, figure in measure(nodes, size):
                    sys.stderr.write(f"{name} {size:,}: {cost} {figure:,.2f} {unit}\n")
                    day = datetime.now(UTC).date().isoformat()
                    load = round(os.getloadavg()[0])
                    add_points([Point(name, cost, unit, size, figure, day, load)])
    finally:
        nodes.stop()
    write_page()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
