"""Single payments by group commit, beside two-leg transactions of django-hordak.

Hordak runs in a process and an environment of its own (:mod:`tests.bench.hordak`), against the
same PostgreSQL, in a database of its own, with 4 threads, each transaction committed durably.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.bench import payments
from tests.bench.company import Bench
from tests.bench.hordak.environment import interpreter
from tests.bench.measure import CannotMeasureError, Result, compare

THREADS = 4
EACH = 100


def hordak(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure payments of 20 callers, one per call, beside two-leg transactions of 4 threads."""
    python = interpreter(progress)
    payments.prepare(bench)
    progress("django-hordak: making its tables and accounts")
    with _database(bench.settings.database_url) as url, _transfers(python, url) as post:
        return compare(
            f"single payments, {payments.CALLERS} callers (group commit)",
            "payments/s",
            payments.CALLERS * payments.EACH,
            lambda: payments._ours(bench, payments.EACH, 1),
            f"django-hordak, {THREADS} threads, transfer_to",
            lambda: post(EACH),
            reference_count=THREADS * EACH,
            progress=progress,
        )


@contextmanager
def _database(owner_url: str) -> Iterator[str]:
    name = f"saldo_bench_hordak_{secrets.token_hex(4)}"
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(owner_url)._replace(path=f"/{name}"))
        finally:
            owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def _transfers(python: Path, url: str) -> Iterator[Callable[[int], float]]:
    """Start the script; yield a function that posts a number of transactions per thread."""
    script = Path(__file__).parent / "hordak" / "transfers.py"
    with subprocess.Popen(
        [str(python), str(script)],
        env={**os.environ, "HORDAK_DATABASE_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:

        def request(line: str) -> str:
            if running.stdin is None or running.stdout is None:
                raise RuntimeError("the script has no pipes")
            if line:
                running.stdin.write(f"{line}\n")
                running.stdin.flush()
            reply = running.stdout.readline()
            if not reply:
                raise CannotMeasureError("django-hordak ended: see its output above")
            return reply.strip()

        try:
            request("")
            yield lambda each: float(request(str(each)))
        finally:
            running.terminate()
