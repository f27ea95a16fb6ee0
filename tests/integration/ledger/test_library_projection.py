"""The projection of examples/, run by the library's own runner on the ledger's log.

The program runs as its README says: signed in as an auditor, with a schema of its own for the
report. It is killed within the transaction of an event, and goes on where it was.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from calendar import monthrange
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest

from deploy.embedded.surroundings import REPOSITORY
from services.ledger.reports.totals import turnover_of
from tests.integration.ledger.small_company import NUMBERS, SmallCompany, pay
from tests.staff_logins import SignedIn, signed_in, staff_name
from tests.waiting import eventually

PROGRAM = REPOSITORY / "examples/projection/turnover.py"
REPORT = "report"
LOGIN = staff_name("turnover")
PASSWORD = "report-test"
WANTED = (
    "SELECT coalesce(max(notification_id), 0) FROM ledger.events "
    "WHERE topic ~ '^ledger[.](charges|payment)_'"
)
MONTHS = """
SELECT DISTINCT date_trunc('month', (e ->> 'effective_on')::date)::date
  FROM (SELECT convert_from(state, 'UTF8')::jsonb AS e
          FROM ledger.events WHERE topic ~ '^ledger[.](charges|payment)_') AS log
"""


class Charged(NamedTuple):
    """A row of the report."""

    month: date
    service: str
    charged: int
    recalculated: int
    concession: int


class Reporting:
    """The program, started again after each kill, and what it has written."""

    def __init__(self, company: SmallCompany, auditor: SignedIn, log: Path) -> None:
        self.log = log
        self._owner = company.database.settings.database_url
        parts = urlsplit(self._owner)
        self._env = {
            "PATH": os.environ["PATH"],
            "SALDO_DATABASE_URL": auditor.url,
            "TURNOVER_POSTGRES_DBNAME": parts.path.removeprefix("/"),
            "TURNOVER_POSTGRES_HOST": parts.hostname or "",
            "TURNOVER_POSTGRES_PORT": str(parts.port),
            "TURNOVER_POSTGRES_USER": LOGIN,
            "TURNOVER_POSTGRES_PASSWORD": PASSWORD,
            "TURNOVER_POSTGRES_SCHEMA": REPORT,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-X", "dev", str(PROGRAM)],
                env=self._env,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def end(self, with_signal: int) -> int:
        assert self.process is not None
        self.process.send_signal(with_signal)
        return self.process.wait(timeout=20)

    def is_up_to(self, position: int) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text("utf-8")
        return self.position() == position

    def position(self) -> int:
        if self.rows("SELECT to_regclass('report.turnover_tracking')") == [(None,)]:
            return 0
        of_the_ledger = "FROM report.turnover_tracking WHERE application_name = 'ledger'"
        return sum(row[0] for row in self.rows(f"SELECT notification_id {of_the_ledger}"))

    def charged(self) -> list[Charged]:
        rows = self.rows("TABLE report.turnover_charged")
        return sorted(row for row in (Charged(*row) for row in rows) if any(row[2:]))

    def paid(self) -> dict[date, int]:
        return dict(self.rows("SELECT * FROM report.turnover_paid WHERE paid <> 0"))

    def rows(self, query: str) -> list[Any]:
        with psycopg.connect(self._owner, autocommit=True) as owner:
            return owner.execute(query).fetchall()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the program get no further than into the transaction of its next payment."""
        with psycopg.connect(self._owner) as owner:
            owner.execute("LOCK TABLE report.turnover_paid IN EXCLUSIVE MODE")
            yield

    def waits_for_the_table(self) -> bool:
        waiting = "FROM pg_locks WHERE relation = 'report.turnover_paid'::regclass AND NOT granted"
        return self.rows(f"SELECT count(*) {waiting}") == [(1,)]


@pytest.fixture
def reporting(company: SmallCompany, tmp_path: Path) -> Iterator[Reporting]:
    with (
        signed_in(company.database, "auditor", "auditor") as auditor,
        psycopg.connect(company.database.settings.database_url, autocommit=True) as owner,
    ):
        owner.execute(f"CREATE ROLE \"{LOGIN}\" LOGIN PASSWORD '{PASSWORD}'")
        owner.execute(f'CREATE SCHEMA {REPORT} AUTHORIZATION "{LOGIN}"')
        made = Reporting(company, auditor, tmp_path / "turnover.log")
        yield made
        if made.process is not None:
            made.process.kill()
            made.process.wait()
        owner.execute(f"DROP SCHEMA {REPORT} CASCADE")
        owner.execute(f'DROP OWNED BY "{LOGIN}"')
        owner.execute(f'DROP ROLE "{LOGIN}"')


def test_killed_projection_ends_with_the_turnover_of_the_ledger(
    company: SmallCompany, reporting: Reporting
) -> None:
    reporting.start()
    caught_up(company, reporting)
    reached = reporting.position()
    with reporting.held():
        for number in NUMBERS[:3]:
            pay(company, number, date(2026, 2, 10), 12_345)
        eventually(reporting.waits_for_the_table, "it is within the transaction of a payment")
        assert reporting.end(signal.SIGKILL) == -signal.SIGKILL
    assert reporting.position() == reached
    reporting.start()
    caught_up(company, reporting)
    assert (reporting.charged(), reporting.paid()) == turnover(company, reporting)
    assert reporting.end(signal.SIGTERM) == 0
    *_, last = reporting.log.read_text("utf-8").splitlines()
    assert last == f"up to position {reporting.position()}"


def test_report_that_has_what_the_log_has_lost_is_made_anew(
    company: SmallCompany, reporting: Reporting
) -> None:
    with company.database.owner("ledger") as owner:
        [*_, (first,)] = owner.execute("SELECT name FROM epochs ORDER BY number").fetchall()
    reporting.start()
    caught_up(company, reporting)
    assert reporting.end(signal.SIGTERM) == 0
    [(last,)] = reporting.rows(WANTED)
    with company.database.owner("ledger") as owner:
        owner.execute(
            "INSERT INTO epochs (number, name, after_position, reason, server)"
            " VALUES (9, '9.00000001', %s, 'tail_lost', '')",
            (last - 1,),
        )
    with psycopg.connect(company.database.settings.database_url, autocommit=True) as owner:
        assert owner.execute("SELECT name FROM report.turnover_epoch").fetchall() == [(first,)]
        owner.execute("UPDATE report.turnover_paid SET paid = paid + 1")  # of what is lost
    reporting.start()
    eventually(
        lambda: "the report is made anew" in reporting.log.read_text("utf-8"), "it has noticed"
    )
    caught_up(company, reporting)
    assert (reporting.charged(), reporting.paid()) == turnover(company, reporting)
    assert reporting.rows("TABLE report.turnover_epoch") == [("9.00000001",)]
    assert reporting.end(signal.SIGTERM) == 0
    paid = reporting.paid()
    reporting.start()
    eventually(lambda: reporting.is_up_to(last), "it starts again")
    assert reporting.paid() == paid
    assert reporting.log.read_text("utf-8").count("made anew") == 1


def caught_up(company: SmallCompany, reporting: Reporting) -> None:
    [(last,)] = reporting.rows(WANTED)
    assert last > 0
    eventually(lambda: reporting.is_up_to(last), f"the report is up to position {last}")


def turnover(company: SmallCompany, reporting: Reporting) -> tuple[list[Charged], dict[date, int]]:
    """Return what the ledger says for each month."""
    charged, paid = [], {}
    for (month,) in reporting.rows(MONTHS):
        last_day = month.replace(day=monthrange(month.year, month.month)[1])
        report = turnover_of(company.store, month, last_day)
        for service, row in report.rows.items():
            sums = (row.charged, row.recalculated, row.concession)
            if any(sums):
                charged.append(Charged(month, service, *sums))
        paid[month] = report.total.paid
    assert any(row.recalculated for row in charged)
    assert min(paid.values()) < max(paid.values())
    return sorted(charged), {month: amount for month, amount in paid.items() if amount}
