"""What the log, the relay, the reactions and the jobs of a service count, on real nodes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from services.discovery import open_store, publisher_of
from services.ledger.application import OpenAccount, open_account
from services.readiness import states_of
from shared.bus.jobs import JobRunner
from shared.bus.listen import Listener
from shared.bus.messages import Job
from shared.bus.progress import ProgressCollector
from shared.bus.relay import Relay
from shared.bus.worker import Worker
from shared.errors import Unavailable
from tests.conftest import Database
from tests.integration.bus_ends import Calls, deliveries, open_one, pay
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

LEDGER = {"service": "ledger"}
PAYMENTS = {"service": "payments"}
FROM_LEDGER = {"service": "payments", "upstream": "ledger"}


def counted(name: str, labels: dict[str, str]) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def growth(names: dict[str, dict[str, str]], work: Callable[[], object]) -> dict[str, float]:
    """Return by how much metrics grow while something is done."""
    before = {name: counted(name, labels) for name, labels in names.items()}
    work()
    return {name: counted(name, labels) - before[name] for name, labels in names.items()}


@pytest.fixture
def calls(database: Database) -> Calls:
    return Calls(database.settings, database.store("payments"), database.store("ledger"))


def test_committed_events_are_counted_and_undone_ones_are_not(calls: Calls) -> None:
    log = {
        "saldo_event_log_appended_events_total": LEDGER,
        "saldo_event_log_commits_total": LEDGER,
    }

    def work() -> None:
        open_one(calls.ledger)
        pay(calls.ledger, 3)

    assert growth(log, work) == dict.fromkeys(log, 4)

    def open_and_fail(session: Any, command: OpenAccount) -> None:
        open_account(session, command)
        session.flush()
        raise RuntimeError("after the append")

    def fail() -> None:
        with pytest.raises(RuntimeError):
            calls.ledger.transact(
                open_and_fail, OpenAccount(number="0100000002", payer_kind="household")
            )

    assert growth(log, fail) == dict.fromkeys(log, 0)


def test_progress_shows_what_a_relay_that_does_not_run_owes(
    database: Database, calls: Calls, clean_bus: None
) -> None:
    registry = CollectorRegistry()
    registry.register(ProgressCollector({"ledger": calls.ledger, "payments": calls.store}))
    open_one(calls.ledger)
    pay(calls.ledger, 2)
    sample = registry.get_sample_value
    assert sample("saldo_event_log_position", LEDGER) == 3
    assert sample("saldo_relay_lag_events", LEDGER) == 3
    assert (sample("saldo_relay_lag_seconds", LEDGER) or 0) > 0
    assert sample("saldo_relay_lag_events", {"service": "payments"}) == 0
    assert sample("saldo_live_lag_seconds", LEDGER) == 0

    worker = Worker()
    published = {"saldo_relay_published_events_total": LEDGER}
    relay = Relay(database.settings, calls.ledger, publisher_of("ledger"), worker.stop)

    def work() -> None:
        worker.start("relay", relay.run)
        eventually(lambda: sample("saldo_relay_lag_events", LEDGER) == 0, "the relay has caught up")
        worker.join()

    assert growth(published, work) == {"saldo_relay_published_events_total": 3}
    assert sample("saldo_relay_lag_seconds", LEDGER) == 0
    assert sample("saldo_live_lag_events", LEDGER) == 3
    assert (sample("saldo_live_lag_seconds", LEDGER) or 0) > 0
    assert sample("saldo_relay_published_position", LEDGER) == 3


def test_a_scrape_leaves_out_a_service_whose_database_does_not_respond(
    database: Database, calls: Calls
) -> None:
    urls = {**database.settings.database_urls, "ledger": "postgresql://x@127.0.0.1:1/nothing"}
    lost = open_store("ledger", replace(database.settings, database_urls=urls))
    stores = {"ledger": lost, "payments": calls.store}
    registry = CollectorRegistry()
    registry.register(ProgressCollector(stores))
    assert registry.get_sample_value("saldo_relay_lag_events", LEDGER) is None
    assert registry.get_sample_value("saldo_relay_lag_events", {"service": "payments"}) == 0
    states = states_of(database.settings, stores)
    assert states == {"ledger": "unavailable", "payments": "ok", "bus": "ok"}
    nowhere = replace(database.settings, amqp_urls={"payments": "amqp://payments@127.0.0.1:1/"})
    assert states_of(nowhere, {"payments": calls.store}) == {
        "payments": "ok", "bus": "unavailable",
    }  # fmt: skip
    lost.close()


def test_a_gap_is_open_until_the_upstream_gives_what_is_missing(calls: Calls) -> None:
    open_one(calls.ledger)
    pay(calls.ledger, 3)
    answers = iter([False, True])
    seen: list[float] = []

    class Unsteady(Calls):
        def call(self, service: str, method: str, **kwargs: Any) -> Any:
            if method == "events_after":
                seen.append(counted("saldo_reaction_gap_open", FROM_LEDGER))
                if not next(answers, True):
                    raise Unavailable("service_unavailable", "not yet")
            return super().call(service, method, **kwargs)

    services = Unsteady(calls.settings, calls.store, calls.ledger)
    listener = Listener(services, calls.store, "ledger", {}, threading.Event())
    gaps = {"saldo_reaction_gaps_total": FROM_LEDGER}
    late = [replace(one, tag=1) for one in deliveries(calls.ledger)[2:3]]  # of the queue
    assert growth(gaps, lambda: listener.process(late, lambda _: None)) == dict.fromkeys(gaps, 1)
    assert seen[:2] == [1, 1]
    assert counted("saldo_reaction_gap_open", FROM_LEDGER) == 0


def test_reactions_are_counted_with_their_retries_and_what_is_parked(calls: Calls) -> None:
    open_one(calls.ledger)
    pay(calls.ledger, 3)
    tries: list[int] = []

    def handle(_session: Any, message: Any, _services: Any) -> None:
        tries.append(message.position)
        if message.position == 2 and tries.count(2) < 3:
            raise Unavailable("service_unavailable", "not yet")
        if message.position == 4:
            raise ValueError("never")

    listener = Listener(calls, calls.store, "ledger", {"payment_posted": handle}, threading.Event())
    names = {
        "saldo_reaction_events_total": FROM_LEDGER,
        "saldo_reaction_delay_seconds_count": FROM_LEDGER,
        "saldo_reaction_parked_total": FROM_LEDGER,
        "saldo_reaction_retries_total": FROM_LEDGER,
    }
    grown = growth(names, lambda: listener.process(deliveries(calls.ledger), lambda _: None))
    assert grown["saldo_reaction_events_total"] == 3
    assert grown["saldo_reaction_delay_seconds_count"] == 3
    assert grown["saldo_reaction_parked_total"] == 1
    assert grown["saldo_reaction_retries_total"] == 1 + 4
    registry = CollectorRegistry()
    registry.register(ProgressCollector({"payments": calls.store}))
    assert registry.get_sample_value("saldo_parked_messages", {"service": "payments"}) == 1
    assert (registry.get_sample_value("saldo_parked_oldest_seconds", PAYMENTS) or 0) > 0
    assert registry.get_sample_value("saldo_reaction_position", FROM_LEDGER) == 4


def test_message_that_waits_makes_the_lag_of_its_listener(calls: Calls) -> None:
    open_one(calls.ledger)
    listener = Listener(calls, calls.store, "ledger", {}, threading.Event())
    assert listener.lag_seconds() == 0
    listener._buffer += deliveries(calls.ledger)
    assert listener.lag_seconds() > 0


def test_jobs_are_counted_by_outcome(calls: Calls) -> None:
    worker = Worker()
    outcomes = iter([ZeroDivisionError, None])

    def run(_services: Any) -> int:
        error = next(outcomes, None)
        if error:
            raise error
        worker.stop.set()
        return 0

    jobs = (Job("telemetry", 0.01, run),)
    name = "saldo_job_runs_total"
    job = {"service": "payments", "job_name": "telemetry"}

    def runs() -> tuple[float, float]:
        return counted(name, job | {"outcome": "failed"}), counted(name, job | {"outcome": "ok"})

    assert runs() == (0, 0)
    restarted = counted("saldo_worker_task_restarts_total", {"task": "payments jobs"})
    worker.start("payments jobs", JobRunner("payments", calls, jobs, worker.stop).run)
    assert worker.stop.wait(20)
    worker.join()
    assert runs() == (1, 1)
    assert counted("saldo_job_last_success_timestamp_seconds", job) > 0
    # A job that fails ends no other: the task goes on.
    assert counted("saldo_worker_task_restarts_total", {"task": "payments jobs"}) == restarted
