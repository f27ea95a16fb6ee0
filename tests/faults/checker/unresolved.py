"""I8: nothing is unresolved a minute after the last trouble.

Relays and live feeds have reached the ends of their logs, reactions and the judge's own subscribers
those of their upstreams, nothing is parked, quarantined or stopped, no order at a bank is open, no
letter waits, no claim is held, the log is sealed and witnessed, each frequent job still runs, and
every process is ready.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime

import requests

from tests.faults.checker.deliveries import lines_of
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.findings import Finding
from tests.faults.checker.letters import mailbox
from tests.faults.checker.postings import banks_of, books_of_all
from tests.faults.thousand_orders.books import CREDITED

INVARIANT = "I8"

TIMEOUTS = (3.05, 10)
SEALED_S = 60.0
"""An event is sealed within a quarter of a minute."""
OVERDUE_S = 30.0
"""A letter that is due is taken up within seconds."""
WITNESSED_S = 60.0
"""A witness of these installations is given a checkpoint within a quarter of a minute."""
RUN_S = 60.0
"""A job that runs every few seconds has run within so long, pauses after failures included."""
FREQUENT_JOBS = frozenset({
    "announce_checkpoint", "carry_on_mailings", "destroy_keys", "forget_farewells", "make_refunds",
    "poll_undecided", "read_bounces", "reconcile", "recover", "register_fiscal_receipts",
    "request_fiscal_receipts", "take_bank_payments",
})  # fmt: skip
_SUCCESS = re.compile(
    r'^saldo_job_last_success_timestamp_seconds\{job_name="(\w+)",service="(\w+)"\} (\S+)', re.M
)
_RUNS = re.compile(r'^saldo_job_runs_total\{job_name="(\w+)",outcome="ok",service="(\w+)"\}', re.M)
_STARTED = re.compile(r"^process_start_time_seconds (\S+)", re.M)
_DELAYS_LETTERS = ("mailcatcher", "link mail")
UNDECIDED = ("created", "awaiting_payment", "unknown", "mismatch", "captured")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Return what is under way or stuck, at the moment of the snapshot."""
    yield from _published(evidence)
    yield from _reactions(evidence)
    yield from _subscribers(evidence)
    yield from _aside(evidence)
    yield from _payments(evidence)
    yield from _letters(evidence)
    yield from _imports(evidence)
    yield from _sealed(evidence)
    yield from _witnessed(evidence)
    yield from _jobs(evidence)
    yield from _processes(evidence)


def _published(evidence: Evidence) -> Iterator[Finding]:
    for log in evidence.logs:
        [row] = evidence.rows_of(
            log,
            f"SELECT coalesce((SELECT max(notification_id) FROM {log}.events), 0) AS head,"
            f" (SELECT position FROM {log}.relay) AS relay,"
            f" (SELECT position FROM {log}.live) AS live",
        )
        for who in ("relay", "live"):
            if row[who] != row["head"]:
                sentence = f"is at {row[who]} of {row['head']}"
                yield Finding(INVARIANT, f"{who} lag", log, sentence)


def _reactions(evidence: Evidence) -> Iterator[Finding]:
    """A reader is at the last published event of its upstream, or beyond."""
    published = _published_positions(evidence)
    for log in evidence.logs:
        for row in evidence.rows_of(log, f"SELECT * FROM {log}.positions"):
            about = f"{log} from {row['upstream']}"
            if row["position"] < published[row["upstream"]]:
                sentence = f"is at {row['position']} of {published[row['upstream']]}"
                yield Finding(INVARIANT, "reaction lag", about, sentence)
            if row.get("stopped"):
                yield Finding(INVARIANT, "reader stopped", about, row["stopped"])


def _subscribers(evidence: Evidence) -> Iterator[Finding]:
    """A subscriber has taken the last published event of each service, of no epoch that is lost.

    What its queue or stream has lost before a silence, it looks for in the history. There it also
    finds that it has gone on by what is lost, which may come once more after the log was put back.
    """
    if evidence.folder is None:
        return
    published = _published_positions(evidence)
    for belief in evidence.about("subscriber"):
        taken: dict[str, tuple[int, str]] = {}
        for got in lines_of(evidence, belief.data["file"]):
            if got.how != "delivered":
                taken[got.service] = got.position, got.epoch
        for service in belief.data["services"]:
            position, epoch = taken.get(service, (0, ""))
            is_behind = position < published[service]
            if is_behind or position > _end_of(evidence, service, epoch, position):
                about = f"{belief.data['kind']} of {service}"
                sentence = f"is at {position} of epoch {epoch}; {published[service]} is published"
                yield Finding(INVARIANT, "subscriber lag", about, sentence)


def _end_of(evidence: Evidence, log: str, epoch: str, position: int) -> int:
    """Return the last position of an epoch; the given one for that in which the log is."""
    ends = evidence.rows_of(
        log,
        f"SELECT (SELECT min(after_position) FROM {log}.epochs AS later"
        f" WHERE later.number > one.number) AS last FROM {log}.epochs AS one WHERE name = %s",
        epoch,
    )
    if not ends:
        return 0 if epoch else position  # the log was put back to before that epoch
    return position if ends[0]["last"] is None else int(ends[0]["last"])


def _published_positions(evidence: Evidence) -> dict[str, int]:
    return {
        log: evidence.rows_of(log, f"SELECT published FROM {log}.relay")[0]["published"]
        for log in evidence.logs
    }


def _aside(evidence: Evidence) -> Iterator[Finding]:
    for log in evidence.logs:
        for row in evidence.rows_of(log, f"SELECT upstream, type, reason FROM {log}.parked"):
            about = f"{log}: {row['upstream']} {row['type']}"
            yield Finding(INVARIANT, "parked", about, row["reason"])
        if not _has_table(evidence, log, "quarantine"):
            continue
        query = f"SELECT upstream, position, reason FROM {log}.quarantine"
        for row in evidence.rows_of(log, query):
            about = f"{log}: {row['upstream']} {row['position']}"
            if not evidence.explains(row["reason"]):
                yield Finding(INVARIANT, "quarantined", about, row["reason"])


def _has_table(evidence: Evidence, log: str, table: str) -> bool:
    query = "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = %s"
    return bool(evidence.rows_of(log, query, log, table))


def _payments(evidence: Evidence) -> Iterator[Finding]:
    undecided = evidence.rows(
        "SELECT payment_id::text AS id, state FROM payments.payments WHERE state = ANY (%s)",
        list(UNDECIDED),
    )
    may_be_paid = _may_be_paid(evidence) if undecided else set()
    for row in undecided:
        if row["state"] != "awaiting_payment" or row["id"] not in may_be_paid:
            yield Finding(INVARIANT, "payment undecided", row["id"], row["state"])
    for row in evidence.rows(
        "SELECT refund_id::text AS id, state FROM payments.refunds"
        " WHERE state IN ('proposed', 'requested')"
    ):
        yield Finding(INVARIANT, "refund undecided", row["id"], row["state"])
    yield from _returns(evidence)
    for row in evidence.rows(
        "SELECT receipt_id::text AS id, state FROM payments.fiscal_receipts"
        " WHERE state <> 'registered'"
    ):
        yield Finding(INVARIANT, "fiscal receipt", row["id"], row["state"])
    for row in evidence.rows(
        "SELECT notification_id AS position FROM payments.events, payments.fiscal_position AS read"
        " WHERE notification_id > read.position"
        " AND topic IN ('payments.payment_captured.v1', 'payments.money_returned.v1')"
    ):
        sentence = "is not requested yet for this event"
        yield Finding(INVARIANT, "fiscal receipt", f"of {row['position']}", sentence)


def _returns(evidence: Evidence) -> Iterator[Finding]:
    """Yield what a bank has given back and payments do not know yet.

    Whose callback was lost is found by the next sweep, within half a minute.
    """
    books = books_of_all(evidence.environment)
    for payment_id, payment in books.payments.items():
        returned = books.money[payment_id].returned
        if payment.state in CREDITED and returned > payment.refunded:
            sentence = f"of {returned} given back, {payment.refunded} are known"
            yield Finding(INVARIANT, "refund unknown", payment_id, sentence)


def _may_be_paid(evidence: Evidence) -> set[str]:
    """Return the payments whose payers can still enter a card: the bank has their page open.

    A bank that was told to end all sessions has none, whatever it says.
    """
    ours = {
        row["number"]: row["payment"]
        for row in evidence.rows(
            "SELECT order_number AS number, payment_id::text AS payment FROM payments.orders"
        )
    }
    return {
        ours[number]
        for bank in banks_of(evidence.environment)
        if not bank.faults()["end_sessions"]
        for number, order in bank.orders().items()
        if order.is_open and not order.held and number in ours
    }


def _letters(evidence: Evidence) -> Iterator[Finding]:
    now = datetime.now(UTC)
    for row in evidence.rows(
        "SELECT o.letter_id::text AS id, kind, attempts, claimed_by, next_attempt_at,"
        " o.queued_at FROM notifications.outbox AS o JOIN notifications.letters USING (letter_id)"
    ):
        overdue = (now - row["next_attempt_at"]).total_seconds() > OVERDUE_S
        waits = row["attempts"] and not row["claimed_by"] and not overdue
        if waits and evidence.did(*_DELAYS_LETTERS):
            continue  # the mail server had it wait: it is due by its own schedule
        claim = "claimed, " if row["claimed_by"] else ""
        sentence = (
            f"{row['kind']}, {claim}{row['attempts']} attempts, queued "
            f"{(now - row['queued_at']).total_seconds():.0f} s ago, next in "
            f"{(row['next_attempt_at'] - now).total_seconds():.0f} s"
        )
        yield Finding(INVARIANT, "letter waits", row["id"], sentence)
    registered = {fact.stream for fact in evidence.by_topic("identity", "person_registered")}
    given_up = evidence.rows(
        "SELECT letter_id::text AS id, person_id::text AS person, reason"
        " FROM notifications.letters WHERE state = 'failed'"
    )
    arrived = mailbox(evidence) if given_up else {}
    for row in given_up:
        if evidence.losses and row["person"] and row["person"] not in registered:
            continue  # his registration was lost with a database: nobody knows his address
        if row["reason"] == "stale" and row["id"] in arrived:
            continue  # the mail server's answer was lost; its code was used before it went again
        yield Finding(INVARIANT, "letter given up", row["id"], row["reason"])


def _imports(evidence: Evidence) -> Iterator[Finding]:
    begun = {fact.data["digest"] for fact in evidence.by_topic("ledger", "import_begun")}
    ended = {
        fact.data["digest"]
        for fact in evidence.by_topic("ledger", "import_finished", "import_refused")
    }
    # A file that nobody has imported to its end waits for the operator, not for us; so does one
    # whose end was lost with a database, which `recover` leaves to him.
    given_up = {
        one.data["digest"]
        for one in evidence.about("import")
        if one.outcome != "acknowledged" or evidence.may_be_lost(one)
    }
    for digest in sorted(begun - ended - given_up):
        yield Finding(INVARIANT, "import without an end", digest)


def _sealed(evidence: Evidence) -> Iterator[Finding]:
    for log in evidence.books:
        [row] = evidence.rows_of(
            log,
            "SELECT coalesce(max(size), 0) AS size, (SELECT extract(epoch FROM now() - recorded_at)"
            f" FROM {log}.events WHERE notification_id = (SELECT coalesce(max(size), 0) + 1"
            f" FROM {log}.checkpoints)) AS waits FROM {log}.checkpoints",
        )
        if row["waits"] is not None and row["waits"] > SEALED_S:
            sentence = f"event {row['size'] + 1} has waited for {row['waits']:.0f} s"
            yield Finding(INVARIANT, "seal lag", log, sentence)


def _witnessed(evidence: Evidence) -> Iterator[Finding]:
    """What was signed is known elsewhere, too, so that nobody can sign another log instead."""
    for log in evidence.books:
        if not evidence.environment.get(f"SALDO_{log.upper()}_WITNESS_DIR"):
            continue
        [row] = evidence.rows_of(
            log,
            "SELECT max(c.number) AS number, (SELECT coalesce(max(number), 0)"
            f" FROM {log}.publications WHERE failure IS NULL AND witness = 'directory') AS given"
            f" FROM {log}.checkpoints AS c"
            " WHERE created_at < now() - make_interval(secs => %s)",
            WITNESSED_S,
        )
        if row["number"] is not None and row["given"] < row["number"]:
            given = row["given"]
            sentence = f"checkpoint {row['number']} is not with the witness, who has {given}"
            yield Finding(INVARIANT, "witness lag", log, sentence)


def _jobs(evidence: Evidence) -> Iterator[Finding]:
    """Each job that runs every few seconds still does, in one of the workers."""
    if evidence.did("clock"):
        return
    now = datetime.now(UTC).timestamp()
    last: dict[tuple[str, str], float] = {}
    for page in _pages_of_workers(evidence.environment):
        started = _STARTED.search(page)
        since = float(started[1]) if started else now
        done = {(job, service): float(at) for job, service, at in _SUCCESS.findall(page)}
        for job in _RUNS.findall(page):
            last[job] = max(last.get(job, 0.0), done.get(job, 0.0), since)
    for (job, service), at in last.items():
        waits = now - at
        if job in FREQUENT_JOBS and waits > RUN_S:
            sentence = f"has not succeeded for {waits:.0f} s"
            yield Finding(INVARIANT, "job does not run", f"{service} {job}", sentence)


def _pages_of_workers(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield what each worker tells Prometheus; whether it is ready is asked elsewhere."""
    for name, url in environment.items():
        if name.startswith("SALDO_MONITORING_URL_WORK"):
            with suppress(requests.RequestException):
                yield requests.get(f"{url}/metrics", timeout=TIMEOUTS).text


def _processes(evidence: Evidence) -> Iterator[Finding]:
    prefix = "SALDO_MONITORING_URL_"
    for name, url in evidence.environment.items():
        if not name.startswith(prefix):
            continue
        try:
            status = requests.get(f"{url}/readyz", timeout=TIMEOUTS).status_code
        except requests.RequestException as error:
            status, reason = 0, type(error).__name__
        else:
            reason = f"/readyz answers {status}"
        if status != requests.codes.ok:
            yield Finding(INVARIANT, "not ready", name.removeprefix(prefix).lower(), reason)
