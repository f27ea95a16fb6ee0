"""The metrics of every process, for Prometheus: names, labels, units.

Each is defined once, here, and counted where the work is done. Labels are bounded: templates of
routes, names that stand in the code, kinds of outcomes; never a path, an id or an address that a
caller chooses. ARCHITECTURE.md, "Monitoring", lists them for operators.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from shared.errors import ServiceError
from shared.metric_values import keep_values_small

keep_values_small()
# The time at which a series began would double their number, and nothing here asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]

OK = "ok"
FAILED = "failed"
"""Outcomes beside the kinds of ServiceError."""

_CALL_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
_DELAY_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3600.0)
_LETTER_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3600.0, 21600.0, 86400.0)
_JOB_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0)

HTTP_REQUESTS = Counter(
    "saldo_http_requests", "HTTP requests answered.", ("method", "route", "status")
)
HTTP_SECONDS = Histogram(
    "saldo_http_request_duration_seconds",
    "Time to answer an HTTP request, its body included.",
    ("method", "route"),
    buckets=_CALL_SECONDS,
)
HTTP_IN_PROGRESS = Gauge("saldo_http_requests_in_progress", "HTTP requests in progress.")
HTTP_CONNECTIONS = Gauge("saldo_http_connections", "Open HTTP connections, idle ones included.")

UPLOADS_ROOM = Gauge(
    "saldo_uploads_room_bytes", "Room for files of questions, less what must be left.", ("service",)
)
UPLOADS_SCANS = Counter(
    "saldo_uploads_scans", "What the malware scanner said of files of questions.", ("outcome",)
)

RPC_CALLS = Counter("saldo_rpc_calls", "RPC calls made.", ("service", "method", "outcome"))
RPC_CALL_SECONDS = Histogram(
    "saldo_rpc_call_duration_seconds",
    "Time from an RPC call to its reply, or to its deadline.",
    ("service", "method"),
    buckets=_CALL_SECONDS,
)
RPC_SERVED = Counter(
    "saldo_rpc_served", "RPC calls served by this process.", ("service", "method", "outcome")
)
RPC_SERVED_SECONDS = Histogram(
    "saldo_rpc_served_duration_seconds",
    "Time that a worker of this process took for an RPC call.",
    ("service", "method"),
    buckets=_CALL_SECONDS,
)
RPC_REFUSED = Counter(
    "saldo_rpc_refused_calls",
    "RPC calls refused because of who called: a service, gateway, staff, subscriber or nobody.",
    ("service", "caller"),
)
RPC_IN_PROGRESS = Gauge("saldo_rpc_served_in_progress", "RPC calls being served.", ("service",))

LOG_EVENTS = Counter("saldo_event_log_appended_events", "Events committed.", ("service",))
LOG_COMMITS = Counter(
    "saldo_event_log_commits", "Transactions committed that appended events.", ("service",)
)
LOG_CONFLICTS = Counter(
    "saldo_event_log_conflicts",
    "Transactions rolled back because others had changed the same streams, and decided again.",
    ("service",),
)

RELAY_EVENTS = Counter("saldo_relay_published_events", "Events confirmed by the bus.", ("service",))

LIVE_EVENTS = Counter("saldo_live_sent_events", "Events sent to subscribers.", ("service",))
LIVE_REFUSED = Counter(
    "saldo_live_refused_events",
    "Events that some subscriber's queue refused, or that the bus did not confirm in time.",
    ("service",),
)

REACTION_EVENTS = Counter(
    "saldo_reaction_events",
    "Events of an upstream that have taken effect, or were parked behind an earlier one.",
    ("service", "upstream"),
)
BUS_STRANGERS = Counter(
    "saldo_bus_strangers",
    "Messages in a reaction queue that the upstream did not send, ignored.",
    ("service", "upstream"),
)
REACTION_PARKED = Counter(
    "saldo_reaction_parked", "Messages parked: their reaction failed.", ("service", "upstream")
)
REACTION_PUT_ASIDE = Counter(
    "saldo_reaction_put_aside",
    "Messages put aside: what their reaction needs had not arrived.",
    ("service", "upstream"),
)
REACTION_QUARANTINED = Counter(
    "saldo_reaction_quarantined",
    "Messages quarantined: damaged, or not in the log of their upstream.",
    ("service", "upstream"),
)
REACTION_SET_BACK = Counter(
    "saldo_reaction_set_back",
    "Times that a reader went back: a message that is not in the log had made it jump over events.",
    ("service", "upstream"),
)
REACTION_HELD = Gauge(
    "saldo_reaction_held",
    "1 while a queue is held, because message after message fails in the same way, else 0.",
    ("service", "upstream"),
)
REACTION_RETRIES = Counter(
    "saldo_reaction_retries",
    "Reactions attempted again: they failed, or a node was unavailable.",
    ("service", "upstream"),
)
REACTION_GAPS = Counter(
    "saldo_reaction_gaps",
    "Gaps found: messages of an upstream that had not arrived before a later one.",
    ("service", "upstream"),
)
REACTION_GAP_OPEN = Gauge(
    "saldo_reaction_gap_open",
    "1 while messages are missing that the log of the upstream has not given yet, else 0.",
    ("service", "upstream"),
)
REACTION_LAG = Gauge(
    "saldo_reaction_lag_seconds",
    "Age of the oldest message that was received and has not taken effect; 0: there is none.",
    ("service", "upstream"),
)
REACTION_DELAY = Histogram(
    "saldo_reaction_delay_seconds",
    "Time from the recording of an event upstream to its effect here.",
    ("service", "upstream"),
    buckets=_DELAY_SECONDS,
)

# Not "job": Prometheus has a label of that name on every series, and would rename this one.
JOB_RUNS = Counter("saldo_job_runs", "Runs of a job.", ("service", "job_name", "outcome"))
JOB_SECONDS = Histogram(
    "saldo_job_duration_seconds", "Time of a run.", ("service", "job_name"), buckets=_JOB_SECONDS
)
JOB_SUCCESS = Gauge(
    "saldo_job_last_success_timestamp_seconds",
    "When the last run that succeeded ended, in seconds since 1970.",
    ("service", "job_name"),
)
LETTER_ATTEMPTS = Counter(
    "saldo_letter_attempts", "What became of letters that were claimed.", ("lane", "outcome")
)
LETTER_SECONDS = Histogram(
    "saldo_letter_duration_seconds",
    "Time from the queueing of a letter to its acceptance by the mail server.",
    ("lane",),
    buckets=_LETTER_SECONDS,
)
LETTERS_WAITING = Gauge("saldo_letters_waiting", "Letters that wait in the outbox.", ("lane",))
LETTERS_WAITING_SECONDS = Gauge(
    "saldo_letters_waiting_seconds", "How long the oldest of them has waited.", ("lane",)
)
LETTERS_LATE = Gauge("saldo_letters_late", "How many have waited for over a minute.", ("lane",))
MAIL_SERVER_FAILURES = Counter(
    "saldo_mail_server_failures", "Connections to the mail server that no letter could use."
)
LETTER_REPORTS = Counter(
    "saldo_letter_reports", "What mailers reported of letters that were sent.", ("outcome",)
)
ACCRUAL_DUE = Gauge(
    "saldo_accrual_due", "1 while a run of the schedule of penalties is due and not made, else 0."
)
ACCRUAL_REFUSED = Gauge(
    "saldo_accrual_refused_accounts",
    "Accounts that the penalty rules did not cover in the last accrual run.",
)
ACCRUAL_ACCOUNTS = Counter(
    "saldo_accrual_accounts", "Accounts that the accrual runs of the schedule have gone over."
)
RECONCILIATION_DIFFERENCES = Gauge(
    "saldo_payments_reconciliation_differences",
    "Payments on which the books do not agree, in the newest reconciliations of the last days.",
    ("kind",),
)
RECONCILIATION_DUE = Gauge(
    "saldo_payments_reconciliation_due",
    "1 while a day of payments is to be reconciled and is not, else 0.",
)
PAYMENTS_STUCK = Gauge(
    "saldo_payments_stuck", "Payments and refunds that do not go on by themselves.", ("what",)
)
SEALED_EVENTS = Counter("saldo_seal_sealed_events", "Events sealed.")
SEAL_SUCCESS = Gauge(
    "saldo_seal_last_success_timestamp_seconds",
    "When events were last sealed, in seconds since 1970.",
)
SEAL_BROKEN = Gauge(
    "saldo_seal_broken", "1: the sealer signs nothing, because log, seal or key do not agree."
)
WITNESS_PUBLISHED = Counter(
    "saldo_witness_published_checkpoints", "Checkpoints that a witness took.", ("witness",)
)
WITNESS_FAILURES = Counter(
    "saldo_witness_failures", "Checkpoints that a witness did not take.", ("witness",)
)

LEADERS_EVICTED = Counter(
    "saldo_leaders_evicted",
    "Leaders of a lock that had fallen silent, whose place this process was to take.",
    ("lock",),
)
TASK_RESTARTS = Counter(
    "saldo_worker_task_restarts", "Restarts of a failed relay, listener or job runner.", ("task",)
)
TASKS_STOOD_DOWN = Counter(
    "saldo_worker_task_stood_down",
    "How often a relay, live feed or listener has left its task to a newer version.",
    ("task",),
)


@cache
def _of_route(method: str, route: str, status: int) -> tuple[Any, Any]:
    # Routes are templates: there are some hundred of them.
    return HTTP_REQUESTS.labels(method, route, status), HTTP_SECONDS.labels(method, route)


def http_answered(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request that was answered, and how long it took."""
    requests, durations = _of_route(method, route, status)
    requests.inc()
    durations.observe(seconds)


@cache
def _of_call(service: str, method: str, outcome: str) -> tuple[Any, Any]:
    return RPC_CALLS.labels(service, method, outcome), RPC_CALL_SECONDS.labels(service, method)


def of_event_log(service: str) -> None:
    """Begin the series of a service's log at zero: an alert compares with what was before."""
    for counter in (LOG_EVENTS, LOG_COMMITS, LOG_CONFLICTS):
        counter.labels(service)


def of_witness(name: str) -> None:
    """Begin the series of a witness at zero: an alert compares with what was before."""
    for counter in (WITNESS_PUBLISHED, WITNESS_FAILURES):
        counter.labels(name)


def of_job(service: str, job: str) -> None:
    """Begin the series of a job's runs at zero."""
    for outcome in (OK, FAILED):
        JOB_RUNS.labels(service, job, outcome)


def of_rpc_server(service: str, callers: Iterable[str]) -> None:
    """Begin the series of refused callers at zero."""
    for caller in callers:
        RPC_REFUSED.labels(service, caller)


@contextmanager
def call_made(service: str, method: str) -> Iterator[None]:
    """Count the block as an RPC call that this process makes."""
    began = time.monotonic()
    outcome = FAILED
    try:
        yield
        outcome = OK
    except ServiceError as error:
        outcome = error.kind
        raise
    finally:
        calls, durations = _of_call(service, method, outcome)
        calls.inc()
        durations.observe(time.monotonic() - began)


def outcome_of(error: BaseException | None) -> str:
    """Return the outcome of a call: ok, the kind of a ServiceError, or failed."""
    if error is None:
        return OK
    return error.kind if isinstance(error, ServiceError) else FAILED


def events_committed(service: str, events: int) -> None:
    """Count a transaction that has appended so many events; none counts as no append."""
    if events:
        LOG_EVENTS.labels(service).inc(events)
        LOG_COMMITS.labels(service).inc()


@contextmanager
def job_run(service: str, job: str) -> Iterator[None]:
    """Count the block as a run of a job."""
    began = time.monotonic()
    outcome = FAILED
    try:
        yield
        outcome = OK
        JOB_SUCCESS.labels(service, job).set_to_current_time()
    finally:
        JOB_RUNS.labels(service, job, outcome).inc()
        JOB_SECONDS.labels(service, job).observe(time.monotonic() - began)
