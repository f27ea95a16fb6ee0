"""The data of the benchmarks: bills with eight lines for many accounts, and a database for them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from services.ledger.domain import Account, account_id
from services.ledger.events import ChargeLine, ChargesPosted
from services.registry import migrations_of, open_store
from shared.config import Settings
from shared.eventstore import Event
from shared.eventstore.migrations import migrate
from shared.eventstore.postgres import PostgresStore

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


@dataclass
class Bench:
    """A database with the ledger's schema, and its store."""

    settings: Settings
    store: PostgresStore

    def reset(self) -> None:
        """Empty the log and the read model, past the triggers that forbid it."""
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


def opened(accounts: int) -> list[tuple[UUID, int, Event]]:
    """Answer the opening events of many accounts."""
    rows: list[tuple[UUID, int, Event]] = []
    for index in range(accounts):
        number = f"{index:010}"
        account = Account(account_id(number))
        account.open(number, "household", date(2025, 1, 1))
        rows.append((account.id, 1, account.take_pending()[0]))
    return rows


def billing_run(accounts: int, month: int = 1, version: int = 2) -> list[tuple[UUID, int, Event]]:
    """Answer a bill of eight lines for each account."""
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


def history(accounts: int, months: int) -> Iterator[list[tuple[UUID, int, Event]]]:
    """Yield a company's log: openings, then for each month a bill and its payment."""
    states: list[Account] = []
    for index in range(accounts):
        account = Account(account_id(f"{index:010}"))
        account.open(f"{index:010}", "household", date(2025, 1, 1))
        states.append(account)
    yield [(a.id, 1, a.take_pending()[0]) for a in states]
    for month in range(1, months + 1):
        rows: list[tuple[UUID, int, Event]] = []
        for account in states:
            before = account.version
            day = date(2025, month, 28)
            account.post_charges(f"2025-{month:02}", day, day, LINES)
            account.post_payment(uuid4(), day, account.principal, 0)
            rows += [
                (account.id, version, event)
                for version, event in enumerate(account.take_pending(), start=before + 1)
            ]
        yield rows


@contextmanager
def bench_database(database_url: str, amqp_url: str) -> Iterator[Bench]:
    """Make a database with the ledger's schema for the length of a block."""
    name = f"saldo_bench_{secrets.token_hex(4)}"
    parts = urlsplit(database_url)
    host = parts.netloc.rpartition("@")[2]
    settings = Settings(
        amqp_url=amqp_url,
        secret=bytes(32),
        database_url=urlunsplit(parts._replace(path=f"/{name}")),
    )
    settings = replace(
        settings, database_urls={"ledger": f"postgresql://saldo_bench:bench@{host}/{name}"}
    )
    with psycopg.connect(database_url, autocommit=True) as owner:
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
