"""Payments posted while bills are imported, from their commit to their arrival.

A whole installation: the import is the command `saldo ledger import`, one server and one worker
have all services. Every half second two payments are posted: one of an account that is not in the
file, and one of an account whose bill is. Each arrives twice: in the queue of another system, bound
to the live feed, and at the service payments, whose reaction to it has then taken effect. The same
is measured without an import, and an import without a worker, which says how long it takes alone.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from uuid import UUID

import msgspec
import pika
import psycopg

from deploy.embedded.installation import Installation
from deploy.embedded.surroundings import REPOSITORY
from services.discovery import open_store
from services.ledger.application import PaidLine, PostPayment, post_payment
from shared import context
from shared.config import load_settings
from shared.eventstore.postgres import PostgresStore
from shared.ids import new_id
from tests.bench.billing_file import write_file
from tests.bench.company import SERVICES_OF_A_BILL, Bench
from tests.bench.measure import Result, seconds
from tests.bench.site import installed
from tests.waiting import eventually

BILLS = int(os.environ.get("SALDO_BENCH_BILLS", "200000"))
EVERY_S = 0.5
QUIET_S = 10.0
"""How long payments are posted without an import."""
POLL_S = 0.01
DRAINED_S = 3600.0
_ARRIVED = """
SELECT least(relay.position, live.position) = (SELECT max(notification_id) FROM ledger.events)
       AND least(payments.position, helpdesk.position) = relay.published
  FROM ledger.relay, ledger.live, payments.positions AS payments, helpdesk.positions AS helpdesk
 WHERE payments.upstream = 'ledger' AND helpdesk.upstream = 'ledger'
"""
_PLACE = "SELECT position FROM ledger.payment_postings WHERE payment_id = %s"


@dataclass
class Waits:
    """Seconds from the commit of payments to their arrival, by whose payments they are."""

    outside: list[float] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)

    @property
    def all(self) -> list[float]:
        """Those of both accounts."""
        return self.outside + self.inside


def beside_import(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure payments without an import and beside one, and when the last bill has arrived."""
    with tempfile.TemporaryDirectory() as folder, _company(bench, Path(folder)) as company:
        progress(f"import of {BILLS:,} bills, no worker")
        alone = seconds(lambda: company.imports(company.bills(1)))
        company.installation.up(("serve", "work"), seconds=DRAINED_S)
        progress("everything arrives")
        company.wait_until_arrived()
        with _payer(company) as payer:
            progress("payments without an import")
            quiet = payer.pay_while(lambda: time.sleep(QUIET_S))
            progress(f"payments beside an import of {BILLS:,} bills")
            took: list[float] = []

            def import_all() -> None:
                began = time.perf_counter()
                company.imports(company.bills(2))
                took.append(time.perf_counter() - began)
                company.wait_until_arrived()
                took.append(time.perf_counter() - began)

            beside = payer.pay_while(import_all)
    return [
        *_results("a subscriber", beside[0], quiet[0]),
        *_results("the reaction of payments", beside[1], quiet[1]),
        _took(f"import of {BILLS:,} bills beside the worker", took[0], "with no worker", alone),
        _took("the last bill has arrived", took[1], "the import beside the worker", took[0]),
        _took("the last bill has arrived", took[1], "the import with no worker", alone),
    ]


def _results(where: str, beside: Waits, quiet: Waits) -> Iterator[Result]:
    measures: tuple[tuple[str, Callable[[list[float]], float]], ...] = (
        ("median", statistics.median),
        ("slowest", max),
    )
    for name, of in measures:
        for whose, waits in (("no bill", beside.outside), ("a bill", beside.inside)):
            yield Result(
                name=f"payment of an account with {whose} in the import, to {where}: {name}",
                unit="ms",
                ours=of(waits) * 1_000,
                reference_name="the same without an import",
                reference=of(quiet.all) * 1_000,
                ratio=of(waits) / of(quiet.all),
                target=None,
            )


def _took(name: str, ours: float, reference_name: str, reference: float) -> Result:
    return Result(name, "s", ours, reference_name, reference, ours / reference, None)


@dataclass
class _Company:
    """An installation whose ledger has an account for each bill, and one more."""

    installation: Installation
    store: PostgresStore
    owner_url: str
    amqp_url: str
    folder: Path

    def imports(self, file: Path) -> None:
        """Import a file by the command."""
        command = ["ledger", "import", str(file), "--reason", "bench"]
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *command],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the import ended with {done.returncode}: {done.stdout}")

    def bills(self, month: int) -> Path:
        """Return a file with a bill of a month for each account but the last."""
        return write_file(self.folder, BILLS, len(SERVICES_OF_A_BILL), month)

    def open_accounts(self) -> None:
        """Open all accounts, by a registry."""
        registry = self.folder / "registry.csv"
        rows = "".join(f"{index:010};household;2025-01-01\n" for index in range(BILLS + 1))
        registry.write_text(f"account;payer_kind;effective_on\n{rows}", encoding="utf-8")
        self.imports(registry)

    def wait_until_arrived(self) -> None:
        """Wait until all events of the ledger have arrived everywhere."""
        with psycopg.connect(self.owner_url, autocommit=True) as owner:

            def has_arrived() -> bool:
                row = owner.execute(_ARRIVED).fetchone()
                # What was read from the log at the start is in the queues once more.
                return row is not None and row[0] and not self._queued()

            eventually(has_arrived, "everything arrives", DRAINED_S)

    def _queued(self) -> int:
        """Return how many events wait for a reader."""
        connection = pika.BlockingConnection(pika.URLParameters(self.amqp_url))
        try:
            channel = connection.channel()
            return sum(
                int(channel.queue_declare(name, passive=True).method.message_count)
                for name in ("payments.from.ledger", "helpdesk.from.ledger")
            )
        finally:
            connection.close()


@contextmanager
def _company(bench: Bench, folder: Path) -> Iterator[_Company]:
    with ExitStack() as stack:
        installation, owner_url = stack.enter_context(installed(bench, folder, ("serve",)))
        store = open_store("ledger", load_settings())
        stack.callback(store.close)
        company = _Company(installation, store, owner_url, bench.settings.amqp_url, folder)
        company.open_accounts()
        yield company


class _Payer:
    """Posts payments, and notes when they arrive at a subscriber and at payments."""

    def __init__(self, company: _Company) -> None:
        self._company = company
        self._committed: dict[UUID, float] = {}
        self._at_subscriber: dict[UUID, float] = {}
        self._reached: list[tuple[int, float]] = []
        """When the reaction of payments had got to which position."""
        self.stop = threading.Event()

    def pay_while(self, work: Callable[[], None]) -> tuple[Waits, Waits]:
        """Post payments while something is done; return the waits at both ends."""
        doing = threading.Thread(target=work)
        inside, outside = f"{BILLS // 2:010}", f"{BILLS:010}"
        paid: dict[UUID, bool] = {}
        doing.start()
        while doing.is_alive():
            paid[self._pay(outside)] = False
            paid[self._pay(inside)] = True
            doing.join(EVERY_S)
        self._company.wait_until_arrived()
        places = self._places_of(paid)
        eventually(
            lambda: (
                paid.keys() <= self._at_subscriber.keys() and not self._is_behind(places.values())
            ),
            "the payments arrive",
            DRAINED_S,
        )
        subscriber, reaction = Waits(), Waits()
        for payment, is_inside in paid.items():
            committed, reached = self._committed[payment], self._reached_at(places[payment])
            for waits, arrived in (
                (subscriber, self._at_subscriber[payment]),
                (reaction, reached),
            ):
                (waits.inside if is_inside else waits.outside).append(arrived - committed)
        return subscriber, reaction

    def _pay(self, number: str) -> UUID:
        payment = new_id()
        line = PaidLine(account=number, amount=100, penalty=0)
        command = PostPayment(payment_id=payment, paid_on=date(2026, 11, 1), lines=(line,))
        with context.bind(command_id=new_id(), actor="staff:bench"):
            self._company.store.execute(post_payment, command)
        self._committed[payment] = time.monotonic()
        return payment

    def _places_of(self, paid: Iterable[UUID]) -> dict[UUID, int]:
        with psycopg.connect(self._company.owner_url, autocommit=True) as owner:
            return {one: owner.execute(_PLACE, (one,)).fetchone()[0] for one in paid}  # type: ignore[index]

    def _is_behind(self, places: Collection[int]) -> bool:
        return not self._reached or self._reached[-1][0] < max(places)

    def _reached_at(self, place: int) -> float:
        return next(when for position, when in self._reached if position >= place)

    def subscribe(self) -> None:
        """Note what arrives in the queue of another system, until stopped."""
        connection = pika.BlockingConnection(pika.URLParameters(self._company.amqp_url))
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "ledger.events", "payment_posted")
        for method, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=0.2):
            if self.stop.is_set():
                break
            if method is not None:
                data = msgspec.json.decode(body)
                self._at_subscriber[UUID(data["payment_id"])] = time.monotonic()
        connection.close()

    def watch(self) -> None:
        """Note how far the reaction of payments has got, until stopped."""
        query = "SELECT position FROM payments.positions WHERE upstream = 'ledger'"
        with psycopg.connect(self._company.owner_url, autocommit=True) as owner:
            while not self.stop.is_set():
                row = owner.execute(query).fetchone()
                if row and (not self._reached or self._reached[-1][0] < row[0]):
                    self._reached.append((row[0], time.monotonic()))
                self.stop.wait(POLL_S)


@contextmanager
def _payer(company: _Company) -> Iterator[_Payer]:
    payer = _Payer(company)
    threads = [threading.Thread(target=one) for one in (payer.subscribe, payer.watch)]
    for thread in threads:
        thread.start()
    try:
        yield payer
    finally:
        payer.stop.set()
        for thread in threads:
            thread.join()
