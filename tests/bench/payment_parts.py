"""``python -m tests.bench.payment_parts [PAYMENTS]``: the CPU of a payment, by what is done for it.

All in one process, on a PostgreSQL of its own, without RabbitMQ, HTTP and calls. Each part is
measured by itself: the CPU of this thread, and that of all server processes of PostgreSQL. The
figures of a part compare between two checkouts that are run in turn, also beside other load.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psutil
import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from deploy.embedded import process
from deploy.embedded.installation import Installation
from services.discovery import migrations_of, open_store, publisher_of, reactions_of
from services.ledger.application import OpenAccount, open_account
from services.notifications.claims import Claims
from services.notifications.delivery import Delivery as Letters
from services.notifications.requests import Lane
from services.notifications.slow_domains import SlowDomains
from services.payments import views
from services.payments.acquirers import (
    Callback,
    CallbackRequest,
    NewOrder,
    Order,
    OrderReport,
    OrderState,
    Registered,
)
from services.payments.callback import receive_callback, refresh_own
from services.payments.checkout import Checkout
from services.payments.events import Line
from services.payments.polling import Acquirers
from shared import context
from shared.bus.confirmation import confirm
from shared.bus.epochs import stored_history
from shared.bus.leadership import LockConnection, take_lead
from shared.bus.live import Handoff, LiveFeed
from shared.bus.messages import Envelope
from shared.bus.publisher import Missing
from shared.bus.reactions import Delivery, Reactions
from shared.bus.reading import Known
from shared.bus.relay import Relay
from shared.config import Settings
from shared.eventstore.migrations import migrate, migrate_keys
from shared.eventstore.postgres import PostgresStore
from tests.conftest import _with_database
from tests.nodes import ANY_PORTS, TEST_FOLDER

SERVICES = ("payments", "ledger", "notifications")
READERS = (("ledger", "payments"), ("payments", "ledger"), ("notifications", "payments"))
PAYERS, ACCOUNTS_EACH, WARM_UP, POOL = 8, 4, 40, 6
DATABASE = "saldo_payment_parts"


class Bank:
    """An acquirer for which everybody has paid what he ordered."""

    two_steps = False

    def __init__(self) -> None:
        self._orders: dict[str, NewOrder] = {}

    def register(self, order: NewOrder) -> Registered:
        self._orders[order.order_number] = order
        return Registered(uuid4().hex, f"http://127.0.0.1/{order.order_number}")

    def find_order(self, order: Order) -> OrderReport:
        amount = self._orders[order.order_number].amount
        return OrderReport(
            state=OrderState.PAID,
            ordered=amount,
            charged=amount,
            charged_at=datetime.now(UTC),
            masked_card="411111**1111",
        )

    def read_callback(self, request: CallbackRequest) -> Callback:
        return Callback(request.parameters["orderNumber"])


class Broker:
    """A publisher whose messages are confirmed at once."""

    def __init__(self) -> None:
        self._sent: list[tuple[str, Envelope]] = []

    @contextmanager
    def gathering(self, _: bool) -> Iterator[None]:
        yield

    def flush(self) -> None:
        """Do nothing."""

    def publish(self, exchange: str, envelope: Envelope) -> int:
        self._sent.append((exchange, envelope))
        return len(self._sent)

    def wait_for(self, _: int) -> None:
        """Do nothing."""

    def confirm_within(self, *_: object) -> Missing:
        return Missing(0, 0)

    def take(self) -> list[Delivery]:
        """Return what was sent to readers since the last time."""
        sent, self._sent = self._sent, []
        return [Delivery(one.headers, one.body, 1) for to, one in sent if to.endswith(".log")]


class MailServer:
    """A connection to a mail server that accepts everything."""

    def send(self, message: EmailMessage, _: str) -> None:
        message.as_bytes()


@dataclass
class Spent:
    """Nanoseconds of CPU by part: of this thread, and of PostgreSQL."""

    server: psutil.Process
    parts: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    @contextmanager
    def on(self, part: str) -> Iterator[None]:
        there, here = self._of_server(), time.thread_time_ns()
        yield
        self.parts[part][0] += time.thread_time_ns() - here
        self.parts[part][1] += self._of_server() - there

    def _of_server(self) -> int:
        total = 0
        for one in (self.server, *self.server.children(recursive=True)):
            try:
                text = Path(f"/proc/{one.pid}/schedstat").read_text(encoding="ascii")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended
            total += int(text.split()[0])
        return total


class Leads(NamedTuple):
    """The log of a service: who publishes it, and who sends it on."""

    publish: Callable[[], object]
    send_on: Callable[[], object]
    broker: Broker


class Town:
    """Eight payers with four accounts each, and the services that carry their payments out."""

    def __init__(self, settings: Settings, stack: ExitStack, spent: Spent) -> None:
        self.spent = spent
        self._chance = random.Random(5)  # noqa: S311 - no secret
        self._people = [
            (uuid4(), [f"{payer * 10 + place:010}" for place in range(ACCOUNTS_EACH)])
            for payer in range(PAYERS)
        ]
        self._stop = threading.Event()
        self._stores = {name: open_store(name, settings) for name in SERVICES}
        for store in self._stores.values():
            stack.callback(store.close)
        self._logs = {name: self._led(settings, stack, name) for name in SERVICES}
        self._acquirers = Acquirers({"main": Bank()})  # type: ignore[dict-item]
        payments = self._stores["payments"]
        self._checkout = Checkout(
            payments,
            self._acquirers,
            lambda _, numbers: {
                number: {"account": number, "role": "owner", "state": "open"} for number in numbers
            },
            "http://127.0.0.1/payments/{payment_id}",
        )
        services: dict[str, Any] = {
            name: SimpleNamespace(settings=settings, store=store, call=self._call)
            for name, store in self._stores.items()
        }
        self._readers = {
            (reader, of): self._reading(settings, stack, services[reader], reader, of)
            for reader, of in READERS
        }
        self._letters = Letters(
            services["notifications"],
            Claims(),
            SlowDomains(),
            lowest=Lane.PERSONAL,
            connect_to=self._connected,
        )
        self._open_accounts()
        _fill(self._stores.values())

    def pay(self, number: int) -> None:
        """Carry out one payment, from its start to its letter."""
        person, accounts = self._people[number % PAYERS]
        chosen = self._chance.sample(accounts, self._chance.randint(1, 2))
        lines = [Line(account, self._chance.randint(1, 200_00), 0) for account in chosen]
        payments = self._stores["payments"]
        with (
            context.bind(command_id=uuid4(), actor=f"person:{person}"),
            self.spent.on("start"),
        ):
            payment_id = UUID(self._checkout.start(person, lines)["payment_id"])
        published = self._publish("payments")
        request = CallbackRequest(parameters={"orderNumber": payment_id.hex})
        with context.bind(actor="anonymous", command_id=None), self.spent.on("callback"):
            receive_callback(payments, self._acquirers, "main", request)
        published += self._publish("payments")
        self._react("ledger", "payments", published)
        self._react("notifications", "payments", published)
        self._react("payments", "ledger", self._publish("ledger"))
        with self.spent.on("look"):
            shown = refresh_own(payments, self._acquirers, person, payment_id)
        if shown["state"] != "completed":
            raise RuntimeError(f"the payment is {shown['state']}")
        completed = self._publish("payments")
        for reader in ("ledger", "notifications"):
            self._react(reader, "payments", completed)
        self._publish("notifications")
        with self.spent.on("letter"):
            self._letters.deliver()
        self._publish("notifications")

    def _publish(self, name: str) -> list[Delivery]:
        log = self._logs[name]
        with self.spent.on(f"relay of {name}"):
            log.publish()
        published = log.broker.take()
        if published:
            with self.spent.on(f"feed of {name}"):
                log.send_on()
            log.broker.take()
        return published

    def _react(self, reader: str, of: str, messages: Sequence[Delivery]) -> None:
        if messages:
            with self.spent.on(f"{reader} from {of}"):
                self._readers[reader, of](messages)

    def _led(self, settings: Settings, stack: ExitStack, name: str) -> Leads:
        store, publish, handoff = self._stores[name], publisher_of(name), Handoff()
        relaying, sending = (
            stack.enter_context(LockConnection(settings, name).taken()) for _ in range(2)
        )
        confirm(relaying, store, publish, lambda: None)
        broker: Any = Broker()
        relay = Relay(settings, store, publish, self._stop, handoff.put)
        feed = LiveFeed(settings, store, publish, self._stop, handoff)
        of_relay, of_feed = take_lead(relaying, "relay"), take_lead(sending, "live")
        return Leads(
            lambda: relay.drain(of_relay, broker), lambda: feed.drain(of_feed, broker), broker
        )

    def _reading(
        self, settings: Settings, stack: ExitStack, services: Any, reader: str, of: str
    ) -> Callable[[Sequence[Delivery]], object]:
        reactions = Reactions(services, self._stores[reader], of, reactions_of(reader)[of])
        held = stack.enter_context(LockConnection(settings, reader).taken())
        reactions.leader = take_lead(held, f"from.{of}")
        with self._stores[of].transaction() as cursor:
            known = Known(stored_history(cursor)[0], fresh=True)
        return lambda messages: reactions.apply(messages, known)

    def _call(self, service: str, method: str, **asked: Any) -> dict[str, Any]:
        if method == "contacts":
            contact = {"email": "somebody@example.org", "language": "ru"}
            return {"contacts": dict.fromkeys(asked["person_ids"], contact)}
        query = views.OwnPayment(
            person_id=UUID(asked["person_id"]), payment_id=UUID(asked["payment_id"])
        )
        found: dict[str, Any] = self._stores[service].look(
            lambda session: views.own_payment(session, query)
        )
        return found

    @contextmanager
    def _connected(self, _: str) -> Iterator[MailServer]:
        yield MailServer()

    def _open_accounts(self) -> None:
        for account in (account for _, accounts in self._people for account in accounts):
            with context.bind(command_id=uuid4(), actor="service:bench"):
                command = OpenAccount(number=account, payer_kind="household")
                self._stores["ledger"].execute(open_account, command)


def _fill(stores: Sequence[PostgresStore] | Any) -> None:
    """Let each pool have as many connections as under load."""
    for store in stores:
        taken = [store.pool.getconn() for _ in range(POOL)]
        for connection in taken:
            store.pool.putconn(connection)


def _migrated(database_url: str) -> Settings:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    settings = _with_database(Settings(secret=bytes(32), database_url=database_url), DATABASE)
    for name in SERVICES:
        url = settings.database_url_of(name)
        migrate(settings.database_url, name, url, migrations_of(name))
        migrate_keys(settings.keys_database_url, name, settings.keys_database_url_of(name))
    return settings


def main(payments: int = 100) -> None:
    """Carry payments out, and print what each part has cost."""
    me = process.myself()
    node = Installation(TEST_FOLDER / f"{me.pid}-{me.started}", owner=me, ports=ANY_PORTS)
    with ExitStack() as stack:
        node.up(("postgres",))
        stack.callback(node.reset)
        settings = _migrated(node.environment["SALDO_DATABASE_URL"])
        spent = Spent(psutil.Process(node.identities()["postgres"].pid))
        town = Town(settings, stack, spent)
        for number in range(WARM_UP):
            town.pay(number)
        spent.parts.clear()
        for number in range(payments):
            town.pay(number)
    Console().print(_table(spent, payments))


def _table(spent: Spent, payments: int) -> Table:
    table = Table(title=f"milliseconds of CPU of a payment, of {payments}")
    for name in ("part", "Python", "PostgreSQL"):
        table.add_column(name, justify="left" if name == "part" else "right")
    rows = {
        **spent.parts,
        "all": [sum(column) for column in zip(*spent.parts.values(), strict=True)],
    }
    for part, (here, there) in rows.items():
        table.add_row(part, f"{here / payments / 1e6:.2f}", f"{there / payments / 1e6:.2f}")
    return table


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
