"""The command ``saldo accounts import``: the registry of a city, and its peak memory.

Everything is measured as staff run it: the check of the file, the keys, the sealing of names and
addresses, the log and the tables. The reference copies the rows that this leaves in the database,
as they are, into tables with the same indexes: the least that a database must do for them.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from services.discovery import migrations_of
from shared.config import Settings
from shared.eventstore.migrations import migrate, migrate_keys
from tests.bench import raw_copy
from tests.bench.billing_file import MEASURED
from tests.bench.company import Bench
from tests.bench.measure import Result, compare, seconds
from tests.bench.registry_file import write_registry

CONTRACTS = int(os.environ.get("SALDO_BENCH_CONTRACTS", "100000"))
"""Contracts of a run; a million gives the same ratio and takes ten times as long."""
TABLES = ("events", "tenures", "proofs")
SMALL = 10_000


def registry(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure first imports beside raw COPY of their rows; then repeats, amendments and memory."""
    peaks: list[float] = []
    with tempfile.TemporaryDirectory() as folder, _accounts_database(bench.settings) as settings:
        city = write_registry(Path(folder) / "city.csv", CONTRACTS)
        grown = write_registry(Path(folder) / "grown.csv", CONTRACTS, residents=3)
        town = write_registry(Path(folder) / "town.csv", SMALL)

        def first() -> float:
            _empty(settings)
            took, peak = _import(settings, city)
            peaks.append(peak)
            _dump(settings, Path(folder))
            return took

        def reference() -> float:
            return _copied(settings, Path(folder))

        results = [
            compare(
                f"first import of a registry of {CONTRACTS:,}, the whole command",
                "contracts/s",
                CONTRACTS,
                first,
                "raw COPY of the rows that it leaves",
                reference,
                runs=3,
                progress=progress,
            ),
            compare(
                "the same registry with every row changed, beside it unchanged",
                "contracts/s",
                CONTRACTS,
                lambda: _import(settings, grown)[0],
                "the registry as it is",
                lambda: _import(settings, grown)[0],
                runs=1,
                progress=progress,
            ),
        ]
        _empty(settings)
        small = _import(settings, town)[1]
    return [
        *results,
        Result(
            name=f"peak memory of an import, {CONTRACTS:,} contracts (flat: 1.00)",
            unit="MiB",
            ours=max(peaks),
            reference_name=f"the same, {SMALL:,}",
            reference=small,
            ratio=max(peaks) / small,
            target=None,
        ),
    ]


@contextmanager
def _accounts_database(base: Settings) -> Iterator[Settings]:
    """Make a database with the schema of accounts for the length of a block."""
    name = f"saldo_bench_{secrets.token_hex(4)}"
    parts = urlsplit(base.database_url)
    host = parts.netloc.rpartition("@")[2]
    settings = replace(
        base,
        database_url=urlunsplit(parts._replace(path=f"/{name}")),
        database_urls={
            "accounts": (runtime := f"postgresql://saldo_bench_accounts:bench@{host}/{name}")
        },
        keys_database_url=urlunsplit(parts._replace(path=f"/{name}")),
        keys_database_urls={"accounts": runtime},
    )
    with psycopg.connect(base.database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        migrate(
            settings.database_url,
            "accounts",
            settings.database_url_of("accounts"),
            migrations_of("accounts"),
        )
        migrate_keys(settings.keys_database_url, "accounts", runtime)
        yield settings
        owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _as_owner(settings: Settings) -> psycopg.Connection[Any]:
    return psycopg.connect(
        settings.database_url, autocommit=True, options="-c search_path=accounts"
    )


def _empty(settings: Settings) -> None:
    with _as_owner(settings) as owner:
        owner.execute("ALTER TABLE events DISABLE TRIGGER USER")
        owner.execute(f"TRUNCATE accounts_keys.data_keys, {', '.join(TABLES)}, imports CASCADE")
        owner.execute("ALTER TABLE events ENABLE TRIGGER USER")


def _import(settings: Settings, file: Path) -> tuple[float, float]:
    """Return the seconds and the peak MiB of the whole command, of all its processes."""
    command = [sys.executable, "-m", "services.cli", "accounts", "import", str(file)]
    environment = {
        **os.environ,
        "SALDO_DATABASE_URL": settings.database_url,
        "SALDO_DATABASE_URL_ACCOUNTS": settings.database_url_of("accounts"),
        "SALDO_KEYS_DATABASE_URL": settings.keys_database_url,
        "SALDO_KEYS_DATABASE_URL_ACCOUNTS": settings.keys_database_url_of("accounts"),
        "SALDO_SECRET": settings.secret.hex(),
    }
    measured: list[str] = []

    def run() -> None:
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *command, "--reason", "bench", "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the import ended with exit code {done.returncode}")
        measured.append(done.stdout)

    took = seconds(run)
    return took, int(measured[0].split()[-1]) / 1024


def _dump(settings: Settings, folder: Path) -> None:
    with _as_owner(settings) as owner:
        raw_copy.dump(owner, TABLES, folder)


def _copied(settings: Settings, folder: Path) -> float:
    with _as_owner(settings) as owner:
        return raw_copy.copied(owner, TABLES, folder)
