"""What a thing costs in a log of some size: one function for each row of the page of growth."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from statistics import median
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.group_commit import ledger_group_commit
from services.ledger.publishing import publish
from services.ledger.reports.balances import balance
from services.ledger.reports.statements import statement
from services.ledger.seal.checkpoint import Signer
from services.ledger.seal.inspection import inspect_seal
from services.ledger.seal.keys import DEFAULT_NAME, SealKeys
from services.ledger.seal.sealer import seal_log
from shared import context
from shared.bus.confirmation import confirm as confirm_log
from shared.bus.leadership import take_lead
from shared.bus.publisher import ConfirmedPublisher
from shared.bus.relay import Relay
from shared.bus.topology import connect, declare_publishing, log_exchange, stream_queue
from shared.ids import new_id
from tests.bench.billing_run import bills_of, posted
from tests.bench.company import Bench
from tests.bench.measure import seconds
from tests.bench.publishing import as_service

FEW, SOME, AT_LEAST = 100, 300, 4
ENOUGH_S = 5.0
BILLS = 4_000
PUBLISHED = 10_000
PAST_DAY = "2025-07-01"
PAGE = 50
NEXT_PERIOD, NEXT_DAY = "2026-01", date(2026, 1, 28)
SIGNER = Signer(DEFAULT_NAME, bytes(32))
STAFF = "staff:bench"


def lone_payment(bench: Bench, number: str) -> float:
    """Return the median milliseconds of a payment, durable when it returns."""
    posting = ledger_group_commit(bench.store)
    line = PaidLine(account=number, amount=1, penalty=0)

    def pay() -> None:
        command = PostPayment(payment_id=new_id(), paid_on=date(2026, 11, 1), lines=(line,))
        with context.bind(command_id=new_id(), actor=STAFF):
            posting.execute(post_payment, command)

    return _milliseconds(pay, FEW)


def balance_now(bench: Bench, number: str) -> float:
    """Return the median milliseconds of a balance."""
    return _milliseconds(lambda: bench.store.query(lambda s: balance(s, number, None)), SOME)


def past_balance(bench: Bench, number: str) -> float:
    """Return the median milliseconds of a balance as of a past day."""
    return _milliseconds(lambda: bench.store.query(lambda s: balance(s, number, PAST_DAY)), FEW)


def page_of_statement(bench: Bench, number: str) -> float:
    """Return the median milliseconds of the newest page of a statement."""
    return _milliseconds(lambda: bench.store.query(lambda s: statement(s, number, None, PAGE)), FEW)


def imported_bill(bench: Bench, accounts: int) -> float:
    """Return the microseconds of a bill of eight lines, imported beside the log that is there."""
    bills = [
        msgspec.structs.replace(bill, period=NEXT_PERIOD, due_on=NEXT_DAY, effective_on=NEXT_DAY)
        for bill in bills_of(min(accounts, BILLS))
    ]
    return posted(bench, bills) / len(bills) * 1e6


def published_event(bench: Bench, subscribers: int = 0) -> float:
    """Return the microseconds of an event of the log's end, from the log to its confirm.

    Each of the subscribers has a queue of its own for all events.
    """
    url = bench.settings.amqp_url_of("ledger")
    running = Relay(bench.settings, bench.store, publish, threading.Event())
    with (
        connect(bench.settings.amqp_url, name="bench", heartbeat=0) as admin,
        connect(url, name="bench relay", heartbeat=0) as broker,
        as_service(bench) as database,
        ExitStack() as queues,
    ):
        confirm_log(database, bench.store, publish, lambda: None)
        declare_publishing(broker, "ledger", bench.settings)
        channel = admin.channel()
        for number in range(subscribers):
            name = f"bench.growth.{number}"
            channel.queue_declare(name, durable=True, auto_delete=False)
            queues.callback(channel.queue_delete, name)
            channel.queue_bind(name, log_exchange("ledger").name, "#")
        row: Any = database.execute("SELECT max(notification_id) AS last FROM events").fetchone()
        after = max(0, row["last"] - PUBLISHED)
        database.execute("UPDATE relay SET position = %s, published = %s", (after, after))
        lead, publisher = (
            take_lead(database, "relay"),
            ConfirmedPublisher(broker.channel(), "ledger"),
        )
        sent = list[int]()
        took = seconds(lambda: sent.append(running.drain(lead, publisher)))
        stream_queue("ledger", bench.settings)(channel).delete()
    return took / max(1, sent[0]) * 1e6


def sealed_event(bench: Bench) -> float:
    """Return the microseconds of an event that is sealed."""
    count = 0

    def seal() -> None:
        nonlocal count
        while True:
            with (
                bench.as_owner() as owner,
                owner.cursor(row_factory=dict_row) as cursor,
                owner.transaction(),
            ):
                sealed = seal_log(cursor, SealKeys(SIGNER, (SIGNER.verifier,)))
            if sealed is None or not sealed.added:
                return
            count += sealed.added

    took = seconds(seal)
    return took / max(1, count) * 1e6


def verified_event(bench: Bench, events: int) -> float:
    """Return the microseconds of an event whose seal is verified."""

    def verify() -> None:
        with bench.as_owner() as owner, owner.cursor(row_factory=dict_row) as cursor:
            report = inspect_seal(cursor, (SIGNER.verifier,))
            if report.findings:
                raise RuntimeError(f"the seal is broken: {report.findings[0]}")

    return seconds(verify) / events * 1e6


def payments_at_once(bench: Bench, numbers: list[str], open_too: int = 0) -> float:
    """Return payments a second by a caller for each account, beside open connections at rest."""
    posting = ledger_group_commit(bench.store)
    url = bench.settings.database_url_of("ledger")

    def pay(number: str) -> None:
        line = PaidLine(account=number, amount=1, penalty=0)
        for _ in range(FEW):
            command = PostPayment(payment_id=new_id(), paid_on=date(2026, 11, 1), lines=(line,))
            with context.bind(command_id=new_id(), actor=STAFF):
                posting.execute(post_payment, command)

    with ExitStack() as opened, ThreadPoolExecutor(len(numbers)) as callers:
        for _ in range(open_too):
            opened.enter_context(psycopg.connect(url, autocommit=True)).execute("SELECT 1")
        took = seconds(lambda: list(callers.map(pay, numbers)).clear())
    return len(numbers) * FEW / took


def _milliseconds(work: Callable[[], Any], count: int) -> float:
    """Return the median of some times, of fewer where they are long."""
    took = [seconds(work)]
    while (len(took) <= count and sum(took) < ENOUGH_S) or len(took) < AT_LEAST:
        took.append(seconds(work))
    return median(took[1:]) * 1e3
