"""The benchmarks' data, bills of eight lines for many accounts, and their database."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import psycopg
from eventsourcing.application import Application
from psycopg import sql

from services.discovery import migrations_of, open_store
from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargeLine, ChargesPosted, PaymentPosted
from services.ledger.tables.bulk_copy import balance_row, write_rows
from shared.config import Settings
from shared.eventstore import Event
from shared.eventstore.migrations import migrate
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.recorder import Cause, EventRow
from shared.ids import new_id
from tests.nodes import Nodes

SERVICES_OF_A_BILL = (
    ("heating", "Отопление", 214_055, "Гкал", "2140.550000", "1.000000"),
    ("hot_water", "Горячее водоснабжение", 98_120, "м3", "245.300000", "4.000000"),
    ("cold_water", "Холодное водоснабжение", 31_284, "м3", "52.140000", "6.000000"),
    ("sewerage", "Водоотведение", 41_020, "м3", "41.020000", "10.000000"),
    ("maintenance", "Содержание жилого помещения", 178_365, "м2", "33.030000", "54.000000"),
    ("capital_repair", "Капитальный ремонт", 83_700, "м2", "15.500000", "54.000000"),
    ("waste", "Обращение с ТКО", 15_444, "чел.", "77.220000", "2.000000"),
    ("electricity", "Электроснабжение ОДН", 6_312, "кВт·ч", "6.312000", "10.000000"),
)
LINES = tuple(
    ChargeLine(service, name, amount, amount, unit=unit, tariff=tariff, volume=volume)
    for service, name, amount, unit, tariff, volume in SERVICES_OF_A_BILL
)

COPIED = "4242424242"
"""The number of the account whose history is copied to others."""
_COPIED = COPIED.encode()
_POSTINGS = """
INSERT INTO payment_postings (payment_id, account, position, amount, penalty, allocation)
SELECT (e ->> 'payment_id')::uuid, e ->> 'account', notification_id, (e ->> 'amount')::bigint,
       (e ->> 'penalty')::bigint, e -> 'allocation'
  FROM (SELECT notification_id, convert_from(state, 'UTF8')::jsonb AS e FROM events
         WHERE starts_with(topic, 'ledger.payment_posted.')) AS payments
"""


@dataclass
class Bench:
    """A database with the ledger's schema, and its store."""

    settings: Settings
    store: PostgresStore

    def reset(self) -> None:
        """Empty the log and the read model, with the triggers off."""
        with psycopg.connect(self.settings.database_url, autocommit=True) as owner:
            owner.execute("SET search_path = ledger")
            for verb in ("DISABLE", "ENABLE"):
                for table in ("events", "commands"):
                    owner.execute(f"ALTER TABLE {table} {verb} TRIGGER USER")
                if verb == "DISABLE":
                    owner.execute("TRUNCATE events, commands, balances, payment_postings")
                    owner.execute("TRUNCATE imports, import_chunks")
            owner.execute("UPDATE relay SET position = 0, published = 0")

    def as_owner(self) -> psycopg.Connection[Any]:
        """Connect as the owner, to the ledger's schema."""
        return psycopg.connect(
            self.settings.database_url, autocommit=True, options="-c search_path=ledger"
        )


def encoded_rows(
    store: PostgresStore, rows: Iterable[tuple[UUID, int, Event]]
) -> Iterator[EventRow]:
    """Encode (originator id, version, event) rows as a bulk append takes them."""
    encode = store.events.encode
    return ((id_, version, event.topic, encode(event)) for id_, version, event in rows)


def opened(accounts: int) -> list[tuple[UUID, int, Event]]:
    """Return the opening events of many accounts."""
    rows: list[tuple[UUID, int, Event]] = []
    for index in range(accounts):
        number = f"{index:010}"
        account = Account(account_id(number))
        account.open(number, "household", date(2025, 1, 1))
        rows.append((account.id, 1, account.take_pending()[0]))
    return rows


def billing_run(accounts: int, month: int = 1, version: int = 2) -> list[tuple[UUID, int, Event]]:
    """Return a bill of eight lines for each account."""
    period = f"2025-{month:02}"
    return [
        (
            account_id(number := f"{index:010}"),
            version,
            ChargesPosted(
                account=number,
                period=period,
                effective_on=date(2025, month, 28),
                due_on=date(2025, month, 28),
                lines=LINES,
            ),
        )
        for index in range(accounts)
    ]


def resident(months: int, lines: Sequence[ChargeLine] = LINES, *, owes: int = 100) -> Account:
    """Return an account with a bill and a payment in each month from 2025-01 on.

    Each payment leaves ``owes`` kopecks unpaid, so that balances are not all zero.
    """
    account = Account(account_id(COPIED))
    account.open(COPIED, "household", date(2025, 1, 1))
    for month in range(months):
        day = date(2025 + month // 12, month % 12 + 1, 20)
        account.post_charges(f"{day:%Y-%m}", day, day + timedelta(days=20), lines)
        account.post_payment(uuid4(), day, account.principal - owes, 0)
    return account


def populate(bench: Bench, pattern: Account, accounts: int) -> int:
    """Fill log and read model with copies of an account; return the number of events.

    The copies differ in account number and payment ids, and are interleaved month by month.
    """
    return populate_with(bench, {pattern: range(accounts)})


def populate_with(bench: Bench, patterns: Mapping[Account, Sequence[int]]) -> int:
    """Fill log and read model with copies of several accounts: pattern -> numbers of its copies."""
    bench.reset()
    events = sum(_copy(bench, pattern, indices) for pattern, indices in patterns.items())
    with bench.store.session(Cause(new_id(), "staff:bench", "bench")) as session:
        session.cursor.execute(_POSTINGS)
    with bench.as_owner() as owner:
        owner.execute("VACUUM ANALYZE events, balances, payment_postings")
    return events


def _copy(bench: Bench, pattern: Account, indices: Sequence[int]) -> int:
    ids = [account_id(f"{index:010}") for index in indices]
    events: list[Any] = list(pattern.take_pending())
    encoded = [(event.topic, bench.store.events.encode(event), event) for event in events]

    def states() -> Iterator[tuple[UUID, int, str, bytes]]:
        for version, (topic, state, event) in enumerate(encoded, start=1):
            paid = str(event.payment_id).encode() if isinstance(event, PaymentPosted) else b""
            for index, id_ in zip(indices, ids, strict=True):
                own = state.replace(_COPIED, b"%010d" % index)
                if paid:
                    own = own.replace(paid, _payment_of_copy(version, index).encode())
                yield id_, version, topic, own

    last_fact = pattern.last_fact
    payments = {
        str(event.payment_id): version
        for version, event in enumerate(events, start=1)
        if isinstance(event, PaymentPosted)
    }
    last_paid = last_fact.rpartition("/")[2]
    with bench.store.session(Cause(new_id(), "staff:bench", "bench")) as session:
        session.copy_states(states())
        for first in range(0, len(ids), 10_000):
            rows = []
            for index, id_ in zip(indices[first : first + 10_000], ids[first:], strict=False):
                pattern.id, pattern.number = id_, f"{index:010}"
                if last_paid in payments:
                    own = _payment_of_copy(payments[last_paid], index)
                    pattern.last_fact = last_fact.replace(last_paid, own)
                rows.append(balance_row(pattern))
            write_rows(session.cursor, rows)
    return len(ids) * len(events)


def _payment_of_copy(version: int, index: int) -> str:
    return str(UUID(int=version << 64 | index))


def library(bench: Bench) -> Application[Any]:
    """Return an application of the eventsourcing library on the same database."""
    parts = urlsplit(bench.settings.database_url)
    return Application(
        env={
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": parts.path[1:],
            "POSTGRES_HOST": str(parts.hostname),
            "POSTGRES_PORT": str(parts.port),
            "POSTGRES_USER": str(parts.username),
            "POSTGRES_PASSWORD": str(parts.password),
            "POSTGRES_SCHEMA": "public",
        }
    )


@contextmanager
def bench_database(nodes: Nodes) -> Iterator[Bench]:
    """Make a database with the ledger's schema for the length of a block."""
    name = f"saldo_bench_{secrets.token_hex(4)}"
    parts = urlsplit(nodes.database_url)
    host = parts.netloc.rpartition("@")[2]
    settings = Settings(
        amqp_url=nodes.amqp_url,
        amqp_urls=nodes.amqp_urls,
        amqp_admin_url=nodes.amqp_admin_url,
        secret=bytes(32),
        database_url=urlunsplit(parts._replace(path=f"/{name}")),
    )
    settings = replace(
        settings, database_urls={"ledger": f"postgresql://saldo_bench:bench@{host}/{name}"}
    )
    with psycopg.connect(nodes.database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        migrate(
            settings.database_url,
            "ledger",
            settings.database_url_of("ledger"),
            migrations_of("ledger"),
        )
        store = open_store("ledger", settings, statement_timeout_ms=0)
        yield Bench(settings, store)
        store.close()
        owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
