"""Servers and workers are replaced one by one: no call is refused, no event is left out.

With `SALDO_UPGRADE_FROM=COMMIT` those that are replaced run the code of that commit.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from services.ledger.application import OpenAccount, open_account
from shared.config import GATEWAY
from shared.rpc.client import RpcClient
from tests.bench.checkouts import checkout_of
from tests.conftest import Database
from tests.integration.bus_ends import NUMBER, Reader, open_one, pay, relayed
from tests.service_process import service_process
from tests.waiting import eventually

CALLERS, BETWEEN = 4, 20


class Callers:
    """Callers who pay at a cash desk and look at the balance, until they are told to stop."""

    def __init__(self, client: RpcClient, desk: RpcClient) -> None:
        self._client, self._desk = client, desk
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(CALLERS)
        self._turns: list[Future[int]] = []
        self.paid: list[str] = []

    def begin(self) -> None:
        """Let them call."""
        self._turns = [self._pool.submit(self._call) for _ in range(CALLERS)]

    def more(self, count: int) -> None:
        """Wait until so many more payments are posted, or somebody was refused."""
        wanted = len(self.paid) + count
        eventually(
            lambda: len(self.paid) >= wanted or any(turn.done() for turn in self._turns),
            f"{count} more payments",
        )

    def end(self) -> int:
        """Stop; return how many payments were posted. Raises what a caller was refused with."""
        self._stop.set()
        self._pool.shutdown()
        return sum(turn.result() for turn in self._turns)  # each of them, whoever was refused

    def _call(self) -> int:
        count = 0
        while not self._stop.is_set():
            payment_id = str(uuid4())
            lines = [{"account": NUMBER, "amount": 100}]
            posted = self._desk.call(
                "ledger",
                "post_payment",
                payment_id=payment_id,
                paid_on="2026-11-01",
                lines=lines,
                deadline=30.0,
            )
            assert posted == {"payment_id": payment_id, "posted": [NUMBER]}
            self.paid.append(payment_id)
            assert self._client.call("ledger", "balance", number=NUMBER, deadline=30.0)
            count += 1
        return count


@pytest.fixture
def cash_desk(database: Database, cash_desk_of: Callable[[Database], RpcClient]) -> RpcClient:
    return cash_desk_of(database)


@pytest.fixture
def older() -> Iterator[Path | None]:
    """The folder of the code that is replaced."""
    commit = os.environ.get("SALDO_UPGRADE_FROM")
    if not commit:
        yield None
        return
    with checkout_of(commit) as code:
        yield code.folder


@pytest.mark.usefixtures("clean_bus")
def test_servers_are_replaced_one_by_one_and_no_call_is_refused(
    database: Database,
    cash_desk: RpcClient,
    rpc_as: Callable[[str], RpcClient],
    older: Path | None,
    tmp_path: Path,
) -> None:
    store = database.store("ledger")
    store.execute(open_account, OpenAccount(number=NUMBER, payer_kind="household"))
    before = len(store.log_after(0, 10_000))
    callers = Callers(rpc_as(GATEWAY), cash_desk)
    with ExitStack() as newer:
        leaving = [ExitStack() for _ in range(2)]
        for place, stack in enumerate(leaving):
            log = tmp_path / f"older-{place}.log"
            stack.enter_context(service_process(database, "ledger", log, older))
            newer.callback(stack.close)
        callers.begin()
        try:
            callers.more(BETWEEN)
            for place, stack in enumerate(leaving):
                newer.enter_context(
                    service_process(database, "ledger", tmp_path / f"newer-{place}.log")
                )
                stack.close()
                callers.more(BETWEEN)
        finally:
            paid = callers.end()
    assert paid >= BETWEEN * (1 + len(leaving))
    assert len(store.log_after(0, 10_000)) == before + len(set(callers.paid))


@pytest.mark.usefixtures("clean_bus")
def test_workers_are_replaced_one_by_one_and_every_event_is_published_in_order(
    database: Database, older: Path | None, amqp_url: str, tmp_path: Path
) -> None:
    store = database.store("ledger")
    open_one(store)
    reader = Reader(amqp_url, exchange="ledger.log")
    with ExitStack() as newer:
        leaving = [ExitStack() for _ in range(2)]
        for place, stack in enumerate(leaving):
            log = tmp_path / f"older-{place}.log"
            stack.enter_context(service_process(database, "ledger", log, older, "work"))
            newer.callback(stack.close)
        pay(store, BETWEEN)
        for place, stack in enumerate(leaving):
            log = tmp_path / f"newer-{place}.log"
            newer.enter_context(service_process(database, "ledger", log, verb="work"))
            pay(store, BETWEEN)
            stack.close()
            pay(store, BETWEEN)
        last = max(event.id for event in store.log_after(0, 10_000))
        eventually(lambda: relayed(database) >= last, "all is published")
        for log in tmp_path.glob("*.log"):
            assert "task_failed" not in log.read_text(encoding="utf-8"), log.name
    got = [headers for _, headers, _ in reader.read(1 + 5 * BETWEEN)]
    reader.connection.close()
    # At least once: what was confirmed and not noted yet comes once more.
    once = {headers["saldo_position"]: headers["saldo_predecessor"] for headers in got}
    assert list(once) == sorted(once)
    assert list(once.values()) == [0, *once][:-1]
