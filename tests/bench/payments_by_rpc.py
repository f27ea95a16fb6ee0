"""Payments by RPC: 20 callers in processes of their own, beside double entry in SQL.

Single ones, and calls of fifty.

The ledger is served by one process, as in an installation, and asked by two others: what a payment
takes is its messages, the look at what the caller may do, and the group commit.

``python -m tests.bench.payments_by_rpc`` is one of the callers: it reads JSON from its standard
input (URL, threads, calls of each, payments of a call), prints "ready", waits for a line, and
prints the seconds.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from shared.bus.administration import BrokerAdministration
from shared.bus.permissions import rights_of_staff
from shared.bus.principals import virtual_host_of
from shared.config import SERVICES
from shared.ids import new_id
from shared.rpc.client import RpcClient
from tests.bench import payments
from tests.bench.company import Bench
from tests.bench.measure import Result, compare, seconds
from tests.bench.payments import (
    ACCOUNTS,
    CALLERS,
    post_in_sql,
    post_in_sql_of_fifty,
    prepare,
)
from tests.conftest import signed_in_as
from tests.waiting import eventually

PROCESSES = 2
EACH, EACH_OF_50 = 50, 10
DAY = "2026-11-01"
PERMISSION = "post-payment"


def by_rpc(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure payments that other processes ask the ledger to post, one in a call."""
    with _callers(bench, EACH, 1) as callers:
        return compare(
            f"single payments by RPC, {CALLERS} callers in {PROCESSES} processes",
            "payments/s",
            CALLERS * EACH,
            lambda: _posted(bench, callers, CALLERS * EACH),
            "double entry in SQL, pgbench with 20 clients",
            lambda: post_in_sql(bench),
            target=0.5,
            progress=progress,
            reference_count=CALLERS * payments.EACH,
        )


def by_rpc_of_fifty(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure payments that other processes ask the ledger to post, fifty in a call."""
    with _callers(bench, EACH_OF_50, 50) as callers:
        return compare(
            f"calls of 50 payments by RPC, {CALLERS} callers in {PROCESSES} processes",
            "payments/s",
            CALLERS * EACH_OF_50 * 50,
            lambda: _posted(bench, callers, CALLERS * EACH_OF_50 * 50),
            "double entry in SQL, 50 transfers per call",
            lambda: post_in_sql_of_fifty(bench),
            target=0.5,
            progress=progress,
            reference_count=CALLERS * payments.CALLS_OF_50 * 50,
        )


@contextmanager
def _callers(bench: Bench, each: int, lines: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Serve the ledger, and start processes that call it."""
    prepare(bench)
    with ExitStack() as stack:
        url = stack.enter_context(_cashier(bench))
        stack.enter_context(_serving(bench))
        asked = [url, CALLERS // PROCESSES, each, lines]
        yield [stack.enter_context(_caller(asked)) for _ in range(PROCESSES)]


def _posted(bench: Bench, callers: list[subprocess.Popen[str]], count: int) -> float:
    """Return the seconds of the slowest process, once all are ready."""
    recorder = bench.store.recorder
    before = recorder.max_notification_id() or 0
    for caller in callers:
        _say(caller, "go")
    took = max(float(_hear(caller)) for caller in callers)
    done = (recorder.max_notification_id() or 0) - before
    if done != count:
        raise RuntimeError(f"{done} payments were posted, not {count}")
    return took


@contextmanager
def _cashier(bench: Bench) -> Iterator[str]:
    """Hire a cashier who may post any sum; yield his URL of the broker."""
    settings, name = bench.settings, f"bench-{secrets.token_hex(4)}"
    virtual_host = virtual_host_of(settings.amqp_url)
    administration = BrokerAdministration(settings.amqp_admin_url, virtual_host)
    user, password = f"staff.{name}", secrets.token_hex(16)
    administration.put_user(user, password, rights_of_staff(name, ("cashier",)))
    with bench.as_owner() as owner:
        for permission in (PERMISSION, "read"):
            owner.execute(
                "INSERT INTO staff_grants (name, permission, granted, reason)"
                " VALUES (%s, %s, true, 'benchmark')",
                (name, permission),
            )
    try:
        yield signed_in_as(settings.amqp_url, user, password)
    finally:
        administration.remove_user(user)


@contextmanager
def _serving(bench: Bench) -> Iterator[None]:
    """Serve the ledger of the benchmark, as an installation does."""
    settings = bench.settings
    database_url = settings.database_url_of("ledger")
    environment = {
        **os.environ,
        "SALDO_AMQP_URL_LEDGER": settings.amqp_url_of("ledger"),
        "SALDO_SECRET": settings.secret.hex(),
        **{f"SALDO_DATABASE_URL_{name.upper()}": database_url for name in SERVICES},
        **{f"SALDO_KEYS_DATABASE_URL_{name.upper()}": database_url for name in SERVICES},
    }
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "ledger.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "services", "serve", "ledger"],
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            eventually(
                lambda: process.poll() is not None or "server_ready" in log.read_text(),
                "the ledger is served",
            )
            if process.poll() is not None:
                raise RuntimeError(f"the ledger is not served: {log.read_text()}")
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)


@contextmanager
def _caller(asked: list[Any]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.payments_by_rpc"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        _say(process, json.dumps(asked))
        if _hear(process) != "ready":
            raise RuntimeError("a process of callers has not started")
        try:
            yield process
        finally:
            process.terminate()


def _say(process: subprocess.Popen[str], line: str) -> None:
    if process.stdin is None:
        raise RuntimeError("no pipe to the callers")
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> str:
    return "" if process.stdout is None else process.stdout.readline().strip()


def main() -> None:
    """Call as many times as asked for, at every line of the standard input."""
    url, threads, each, lines = json.loads(sys.stdin.readline())
    client = RpcClient(url, name="bench")
    _pay(client, lines)
    print("ready", flush=True)  # noqa: T201 - for the process that measures
    while sys.stdin.readline():
        print(seconds(lambda: _pay_at_once(client, threads, each, lines)), flush=True)  # noqa: T201


def _pay_at_once(client: RpcClient, threads: int, each: int, lines: int) -> None:
    failures: list[BaseException] = []

    def often() -> None:
        try:
            for _ in range(each):
                _pay(client, lines)
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    running = [threading.Thread(target=often) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failures:
        raise failures[0]


def _pay(client: RpcClient, lines: int) -> Any:
    numbers = random.sample(range(ACCOUNTS), lines)
    paid = [{"account": f"{number:010}", "amount": 1, "penalty": 0} for number in numbers]
    return client.call(
        "ledger",
        "post_payment",
        deadline=30.0,
        command_id=new_id(),
        payment_id=str(new_id()),
        paid_on=DAY,
        lines=paid,
    )


if __name__ == "__main__":
    main()
