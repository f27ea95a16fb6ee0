"""The steps of `scale`: each builds a part of the city, or measures one thing of it.

Each is what staff or an operator calls, as a process of its own: verbs of ``saldo``, the script of
production that makes base backups, and the restore drill. A step returns its figures.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from services.discovery import open_store
from services.ledger.reports.balances import balance
from services.ledger.reports.statements import statement
from services.ledger.seal.keys import SealKeys
from services.ledger.seal.sealer import seal_log
from shared.config import load_settings
from tests.bench import scale_city as city
from tests.bench.scale_measure import Figure, Measured, command, size_of
from tests.bench.scale_server import SIGNER, ScaleServer

READS = 500
PAGE = 50
CLI = ("-m", "services.cli", "ledger")
WHY = ("--reason", "scale")
_EVENTS = "SELECT coalesce(max(notification_id), 0) FROM events"
_RELATIONS = """
SELECT c.relname, pg_table_size(c.oid), pg_indexes_size(c.oid)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname = 'ledger' AND c.relkind = 'r' AND pg_total_relation_size(c.oid) > 1000000
 ORDER BY pg_total_relation_size(c.oid) DESC
"""


@dataclass
class Site:
    """A city on its server; ``today`` is the day that its build has begun on."""

    server: ScaleServer
    accounts: int
    today: date

    def events(self) -> int:
        """Return how many events the log has."""
        with self.server.as_owner() as owner:
            [(last,)] = owner.execute(_EVENTS).fetchall()
        return int(last)

    def figure(self, step: str, per: str, count: int, found: Measured, **more: Any) -> Figure:
        """Return the figure of a step that went over ``count`` of ``per``."""
        costs = asdict(found)
        costs.pop("output")
        more.setdefault("disk_bytes", size_of(self.server.data))
        return Figure(
            step=step, events=self.events(), accounts=self.accounts, per=per, count=count,
            **costs, **more,
        )  # fmt: skip


def import_registry(site: Site) -> Figure:
    """Import the registry: an event for each account."""
    since = city.months(site.today)[0].effective_on.replace(day=1)
    file = city.write_registry(site.server.folder / "registry.csv", site.accounts, since)
    return _imported(site, "registry", file)


def import_bills(site: Site, number: int) -> Figure:
    """Import the bills of a month, one for each account."""
    month = city.months(site.today)[number]
    file = city.write_bills(site.server.folder / "bills.csv", site.accounts, month)
    return _imported(site, f"bills-{number + 1}", file)


def _imported(site: Site, step: str, file: Path) -> Figure:
    found = command(site.server, [*CLI, "import", str(file), *WHY, "--json"])
    file.unlink()
    counts = json.loads(found.output)["counts"]
    if counts["refused_rows"]:
        raise RuntimeError(f"{counts['refused_rows']} rows were refused")
    return site.figure(step, "account", counts["entries"], found)


def pay_bills(site: Site, number: int) -> Figure:
    """Post the payments of a month."""
    before = site.events()
    words = [str(site.accounts), str(site.today), str(number)]
    found = command(site.server, ["-m", "tests.bench.scale_city", *words])
    return site.figure(f"payments-{number + 1}", "payment", site.events() - before, found)


def vacuum(site: Site) -> Figure:
    """Vacuum and analyse, as autovacuum would have by the time of the next read."""
    began = time.perf_counter()
    with site.server.as_owner() as owner:
        owner.execute("VACUUM (ANALYZE) events, balances, payment_postings, commands")
        owner.execute("CHECKPOINT")
    return site.figure("vacuum", "event", site.events(), Measured(time.perf_counter() - began))


def seal(site: Site) -> Figure:
    """Seal the whole log."""
    found = command(site.server, ["-m", "tests.bench.scale_steps", "seal"])
    return site.figure("seal", "event", site.events(), found)


def verify(site: Site) -> Figure:
    """Verify the whole log against its seal."""
    found = command(site.server, [*CLI, "verify", "--json"])
    return site.figure("verify", "event", json.loads(found.output)["events"], found)


def audit(site: Site) -> Figure:
    """Audit the whole log: replay, SQL and read model, and the seal."""
    found = command(site.server, [*CLI, "audit", "--json"])
    return site.figure("audit", "event", json.loads(found.output)["events"], found)


def rebuild(site: Site) -> Figure:
    """Replay the whole log into the read model."""
    return _rebuilt(site, "rebuild")


def rebuild_sorted(site: Site) -> Figure:
    """Replay the whole log, which is sorted before, into the read model."""
    return _rebuilt(site, "rebuild-sorted", "--sort-log")


def _rebuilt(site: Site, step: str, *options: str) -> Figure:
    found = command(site.server, [*CLI, "replay", "--all", *options, *WHY, "--json"])
    result = json.loads(found.output)
    if wrong := {table: count for table, count in result["wrong"].items() if count}:
        raise RuntimeError(f"rows were wrong: {wrong}")
    return site.figure(step, "event", result["events"], found)


def audit_sorted(site: Site) -> Figure:
    """Audit the whole log, which is sorted before."""
    found = command(site.server, [*CLI, "audit", "--sort-log", "--json"])
    return site.figure("audit-sorted", "event", json.loads(found.output)["events"], found)


def accrue_past(site: Site) -> Figure:
    """Accrue all penalties through yesterday, as the first run of a new installation does."""
    return _accrued(site, "accrue-past", site.today - timedelta(days=1))


def accrue_day(site: Site) -> Figure:
    """Accrue the penalties of one day."""
    return _accrued(site, "accrue-day", site.today)


def _accrued(site: Site, step: str, on: date) -> Figure:
    found = command(site.server, [*CLI, "accrue", "--on", str(on), *WHY, "--json"])
    return site.figure(step, "overdue account", json.loads(found.output)["accounts"], found)


def balances(site: Site) -> Figure:
    """Read the balances of some accounts, each by itself."""
    return _read(site, "balance")


def statements(site: Site) -> Figure:
    """Read a page of the statements of some accounts, each by itself."""
    return _read(site, "statement")


def _read(site: Site, step: str) -> Figure:
    words = ["-m", "tests.bench.scale_steps", step, str(site.accounts)]
    found = command(site.server, words)
    took = json.loads(found.output)
    by = statistics.quantiles(took, n=20)
    return site.figure(
        step, "read", len(took), found, milliseconds=statistics.median(took), slowest=by[-1]
    )


def backup(site: Site) -> Figure:
    """Make a base backup, with the archive of the WAL that it needs."""
    began = time.perf_counter()
    site.server.back_up()
    found = Measured(time.perf_counter() - began)
    size = size_of(site.server.backups)
    return site.figure("backup", "event", site.events(), found, disk_bytes=size)


def restore(site: Site) -> Figure:
    """Restore the backup into a scratch server by the restore drill, and prove it there."""
    scratch = site.server.folder / "scratch"
    scratch.mkdir(exist_ok=True)
    words = ["-m", "deploy.restore_drill", "--data", str(site.server.backups), "--without-keys"]
    found = command(site.server, [*words, "--scratch", str(scratch), "--json"])
    report = json.loads(found.output)
    sys.stderr.write(f"restore: {report['steps']}\n")
    found.seconds = report["steps"]["restoring the data"]
    return site.figure("restore", "event", report["audit"]["events"], found)


def relations(site: Site) -> Iterator[Figure]:
    """Yield what the large tables take on the disk, and all of their indexes."""
    with site.server.as_owner() as owner:
        found = owner.execute(_RELATIONS).fetchall()
    sizes = {f"disk, {name}": table for name, table, _ in found}
    sizes["disk, indexes"] = sum(indexes for _, _, indexes in found)
    for what, size in sizes.items():
        yield site.figure(what, "event", site.events(), Measured(), disk_bytes=size)


STEPS: dict[str, Callable[[Site], Figure]] = {
    "registry": import_registry,
    **{
        f"{what}-{number + 1}": partial(make, number=number)
        for number in range(city.MONTHS)
        for what, make in (("bills", import_bills), ("payments", pay_bills))
        if not (what == "payments" and number == city.MONTHS - 1)
    },
    "vacuum": vacuum,
    "seal": seal,
    "verify": verify,
    "balance": balances,
    "statement": statements,
    "rebuild": rebuild,
    "rebuild-sorted": rebuild_sorted,
    "audit": audit,
    "audit-sorted": audit_sorted,
    "accrue-past": accrue_past,
    "accrue-day": accrue_day,
    "backup": backup,
    "restore": restore,
}
BUILDS = frozenset(name for name in STEPS if name.startswith(("registry", "bills", "payments")))
"""The steps that build the city: each is done once."""


def _seal() -> None:
    settings = load_settings()
    with (
        psycopg.connect(
            settings.database_url, autocommit=True, options="-c search_path=ledger"
        ) as owner,
        owner.cursor(row_factory=dict_row) as cursor,
    ):
        while True:
            with owner.transaction():
                sealed = seal_log(cursor, SealKeys(SIGNER, (SIGNER.verifier,)))
            if sealed is None or not sealed.added:
                return


def _times(step: str, accounts: int) -> list[float]:
    """Return the milliseconds of some reads of accounts chosen at random, always the same ones."""
    store = open_store("ledger", load_settings())
    chance = random.Random(15)  # noqa: S311 - not for security
    took = []

    def read(session: Any, number: str) -> Any:
        if step == "balance":
            return balance(session, number, None)
        return statement(session, number, None, PAGE)

    for index in chance.choices(range(accounts), k=READS + 1):
        number, began = city.number_of(index), time.perf_counter()
        store.query(partial(read, number=number))
        took.append((time.perf_counter() - began) * 1e3)
    store.close()
    return took[1:]  # the first one opens the connection


def main(words: list[str]) -> int:
    """Do what a step does in a process of its own: ``seal``, ``balance N`` or ``statement N``."""
    if words[0] == "seal":
        _seal()
    else:
        sys.stdout.write(json.dumps(_times(words[0], int(words[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
