"""The worker accrues by the operator's schedule: once, also late, and again after a kill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from threading import Event as StopSignal
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from services.ledger import scheduled_accrual
from services.ledger.application import OpenAccount, open_account
from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ServiceAmount
from services.ledger.penalties.accrual_record import BY_SCHEDULE, Run, accrue_on_record, runs
from services.ledger.penalties.rules import load_rules
from services.ledger.scheduled_accrual import accrue_when_due
from services.ledger.tables.closed_periods import close_period
from shared import context, telemetry
from shared.bus.listen import StoppedError
from shared.config import Settings
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.recorder import Cause
from tests.conftest import Database
from tests.fixed_clock import FixedClock
from tests.integration.ledger.small_company import SmallCompany
from tests.staff_logins import OPERATOR

pytestmark = pytest.mark.nodes

NUMBER, UNCOVERED = "0100000011", "0100000012"
DEBT = (ServiceAmount("heating", 450_000),)


@dataclass
class Worker:
    """What the job gets of its worker, and the accounts of a company that has debts."""

    settings: Settings
    store: PostgresStore
    stop: StopSignal
    clock: FixedClock

    def set_to(self, day: date) -> None:
        """Let it be noon of a day."""
        noon = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
        self.clock.advance(noon - self.clock.now())

    def work(self) -> list[Run]:
        """Let the job run as the worker calls it; return the runs in the log."""
        with context.bind(actor=BY_SCHEDULE):
            assert accrue_when_due(self) == 0
        return self.runs()

    def runs(self) -> list[Run]:
        return self.store.query(runs)

    def close(self, period: str) -> None:
        close_period(self.store, period, "staff:orlova", "reported")

    @property
    def due(self) -> float:
        """The metric that an alarm looks at."""
        return float(telemetry.ACCRUAL_DUE._value.get())


@pytest.fixture
def worker(database: Database) -> Iterator[Worker]:
    """A worker in the month after next, whose ledger began today with an overdue debt."""
    clock = FixedClock(datetime.now(UTC))
    store = database.store("ledger", clock=clock)
    command = OpenAccount(number=NUMBER, payer_kind="household", opening=DEBT)
    with context.bind(actor="service:test", command_id=uuid4()):
        store.execute(open_account, command)
    yield Worker(database.settings, store, StopSignal(), clock)
    telemetry.ACCRUAL_DUE.set(0)


@pytest.fixture
def months(worker: Worker) -> tuple[date, date]:
    """The first days of the second and the third month from now."""
    first = worker.clock.today().replace(day=1)
    for _ in range(2):
        first = (first + timedelta(days=32)).replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def test_a_due_run_is_made_once_and_reported(worker: Worker, months: tuple[date, date]) -> None:
    worker.set_to(months[0])
    with capture_logs() as logs:
        [run] = worker.work()
    assert (run.through, run.by) == (months[0] - timedelta(days=1), BY_SCHEDULE)
    assert (run.reason, run.changed, run.refused) == ("schedule: monthly", 1, 0)
    assert run.added
    assert [entry["event"] for entry in logs] == ["accrual_begun", "accrual_finished"]
    assert logs[-1]["added"] == run.added
    assert worker.due == 0
    assert len(worker.work()) == 1
    worker.set_to(months[1] - timedelta(days=1))
    assert len(worker.work()) == 1
    worker.set_to(months[1])
    assert [found.through for found in worker.work()][1:] == [months[1] - timedelta(days=1)]


def test_a_run_that_was_missed_is_made_on_a_later_day(
    worker: Worker, months: tuple[date, date]
) -> None:
    worker.set_to(months[1] + timedelta(days=20))
    [run] = worker.work()
    assert run.through == months[1] - timedelta(days=1)


def test_a_run_of_staff_through_that_day_serves_too(
    worker: Worker, months: tuple[date, date]
) -> None:
    worker.set_to(months[0])
    accrue_on_record(
        worker.store, months[0] - timedelta(days=1), load_rules(), "staff:orlova", "act 7"
    )
    assert [run.by for run in worker.work()] == ["staff:orlova"]


def test_a_new_ledger_is_not_accrued_for_days_before_it_began(worker: Worker) -> None:
    assert worker.work() == []
    assert worker.due == 0


def test_a_run_that_was_killed_is_made_again(
    worker: Worker, months: tuple[date, date], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.set_to(months[0])

    def killed(*_: Any, **__: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("services.ledger.penalties.accrual_record.accrue_all", killed)
        with pytest.raises(SystemExit):
            worker.work()
    [stopped] = worker.runs()
    assert stopped.finished_at is None
    assert worker.due == 1, "until it is made, it is due"
    first, second = worker.work()
    assert (first.finished_at, second.changed) == (None, 1)
    assert worker.due == 0
    assert len(worker.work()) == 2


def test_a_worker_that_ends_stops_its_run(worker: Worker, months: tuple[date, date]) -> None:
    worker.set_to(months[0])
    worker.stop.set()
    with pytest.raises(StoppedError):
        worker.work()
    worker.stop.clear()
    assert [run.changed for run in worker.work()] == [None, 1]


def test_a_closed_month_is_not_accrued_into(worker: Worker, months: tuple[date, date]) -> None:
    worker.set_to(months[0])
    worker.close((months[0] - timedelta(days=1)).isoformat()[:7])
    assert worker.work() == []
    assert worker.due == 0
    worker.set_to(months[1])
    [run] = worker.work()
    assert (run.through, run.changed) == (months[1] - timedelta(days=1), 1)


def test_a_month_that_is_closed_during_its_run_ends_it(
    worker: Worker, months: tuple[date, date], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.set_to(months[0])

    def closed_meanwhile(*given: Any, **named: Any) -> Any:
        worker.close((months[0] - timedelta(days=1)).isoformat()[:7])
        return accrue_on_record(*given, **named)

    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(scheduled_accrual, "accrue_on_record", closed_meanwhile)
        assert worker.work() == []
    assert [entry["event"] for entry in logs] == ["accrual_begun", "accrual_closed_out"]
    assert worker.work() == []
    assert worker.due == 0


def test_accounts_that_the_rules_do_not_cover_are_named(
    worker: Worker, months: tuple[date, date]
) -> None:
    with worker.store.session(Cause(uuid4(), "service:test", "")) as session:
        account = session.load(Account, account_id(UNCOVERED))
        account.open(UNCOVERED, "household", date(2010, 1, 1), DEBT)
    worker.set_to(months[0])
    with capture_logs() as logs:
        [run] = worker.work()
    assert (run.changed, run.refused) == (1, 1)
    [refused] = [entry for entry in logs if entry["event"] == "accrual_refused"]
    assert refused["account"] == UNCOVERED
    assert refused["reason"]
    assert telemetry.ACCRUAL_REFUSED._value.get() == 1


def test_an_operator_may_accrue_daily_or_never(worker: Worker, months: tuple[date, date]) -> None:
    worker.set_to(months[0] + timedelta(days=9))
    worker.settings = replace(worker.settings, ledger_accruals="off")
    assert worker.work() == []
    worker.settings = replace(worker.settings, ledger_accruals="daily")
    [run] = worker.work()
    assert (run.through, run.reason) == (months[0] + timedelta(days=8), "schedule: daily")


def test_staff_see_the_runs_and_when_the_next_is_due(company: SmallCompany) -> None:
    accrued = ("accrue", "--on", "2026-07-14", "--reason", "act 7")
    result = company.run_json(*accrued)
    found = company.run_json("accruals")
    [run] = found["runs"]
    assert (run["through"], run["by"], run["reason"]) == (
        "2026-07-14",
        OPERATOR,
        "act 7",
    )
    counts = ("accounts", "changed", "refused", "added", "taken_back")
    assert [run[name] for name in counts] == [result[name] for name in counts]
    assert found["schedule"] == "monthly"
    assert found["next"]["due_on"] > found["next"]["through"]
    shown = company.run("accruals").stdout
    assert "2026-07-14" in shown
    assert "schedule monthly: next on" in shown
    off = company.run("accruals", SALDO_LEDGER_ACCRUALS="off").stdout
    assert "schedule off: penalties are accrued by `saldo ledger accrue` alone" in off
    wrong = company.run("accruals", SALDO_LEDGER_ACCRUALS="weekly")
    assert (wrong.exit_code, "SALDO_LEDGER_ACCRUALS is monthly" in wrong.stderr) == (2, True)
