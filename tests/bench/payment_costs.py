"""``python -m tests.bench.payment_costs [PAYERS [EACH]]``: what one complete payment costs.

CPU by process, commits, calls, events, log lines and requests, each by the number of payments made
in one round of eight payers at an installation of this checkout.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing

import psycopg
import requests
from rich.console import Console
from rich.table import Table

from tests.bench.checkouts import House, running_house, this_checkout
from tests.bench.cpu import of_processes
from tests.bench.payers import Payers, Round

PAYERS, EACH = 8, 12
LEAST = 0.05
"""What is rarer, by payment, is not shown."""
_SAMPLE = re.compile(r"^(saldo_\w+_total)\{(.*)\} (\S+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_COUNTED = {
    "saldo_http_requests_total": "request",
    "saldo_rpc_served_total": "rpc",
    "saldo_event_log_appended_events_total": "events appended",
    "saldo_event_log_commits_total": "commits that append",
    "saldo_relay_published_events_total": "published",
    "saldo_live_sent_events_total": "sent live",
    "saldo_reaction_events_total": "reaction",
    "saldo_job_runs_total": "job",
}


def costs(house: House, work: Callable[[], Round]) -> tuple[Round, dict[str, float]]:
    """Return a round, and what it has cost by payment: milliseconds of CPU, and counts."""
    before = _counts(house)
    done = work()
    after = _counts(house)
    payments = len(done.payments)
    found = {name: (after[name] - before.get(name, 0)) / payments for name in after}
    return done, {name: value for name, value in found.items() if value >= LEAST}


def _counts(house: House) -> dict[str, float]:
    counts = defaultdict[str, float](float)
    for name, seconds in of_processes(house).items():
        counts[f"1 CPU ms: {name}"] = seconds * 1000
    with psycopg.connect(house.environment["SALDO_DATABASE_URL"], autocommit=True) as database:
        row = database.execute(
            "SELECT sum(xact_commit), sum(xact_rollback) FROM pg_stat_database"
        ).fetchone()
        io = database.execute(
            "SELECT sum(fsyncs), sum(writes) FROM pg_stat_io WHERE object = 'wal'"
        ).fetchone()
    counts["2 PostgreSQL: transactions"] = int(row[0] + row[1]) if row else 0
    counts["2 PostgreSQL: WAL fsyncs"] = int(io[0] or 0) if io else 0
    for name, value in house.environment.items():
        if name.startswith("SALDO_MONITORING_URL_"):
            _scrape(counts, value)
    for path in (house.state / "log").glob("*.log"):
        _count_lines(counts, path.stem, path.read_text(encoding="utf-8", errors="replace"))
    return dict(counts)


def _scrape(counts: defaultdict[str, float], url: str) -> None:
    for line in requests.get(f"{url}/metrics", timeout=10).text.splitlines():
        sample = _SAMPLE.match(line)
        if sample is None or sample[1] not in _COUNTED:
            continue
        labels = [value for _, value in _LABEL.findall(sample[2])]
        counts[f"3 {_COUNTED[sample[1]]}: {' '.join(labels)}"] += int(float(sample[3]))


def _count_lines(counts: defaultdict[str, float], name: str, text: str) -> None:
    for line in text.splitlines():
        try:
            event = str(json.loads(line).get("event"))
        except ValueError:
            event = "no JSON"
        counts[f"4 log lines: {name} {event}"] += 1


def main(payers: int = PAYERS, each: int = EACH) -> None:
    """Measure a round, and print its table."""
    console = Console(width=110)
    with (
        console.status("an installation starts") as status,
        running_house("ours", this_checkout(), payers, progress=status.update) as house,
        closing(Payers(house)) as people,
    ):
        people.pay_each(3)
        done, found = costs(house, lambda: people.pay_each(each))
    table = Table(title=f"{len(done.payments)} payments in {done.seconds:.2f} s")
    table.add_column("what")
    table.add_column("by payment", justify="right")
    for name in sorted(found, key=lambda name: (name[0], -found[name])):
        table.add_row(name[2:], f"{found[name]:.2f}")
    cpu = sum(value for name, value in found.items() if name.startswith("1"))
    table.add_row("CPU ms: all", f"{cpu:.1f}")
    console.print(table)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
