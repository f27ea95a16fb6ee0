"""Importing in chunks: each row exactly once, beside other writers and after a kill."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.domain import account_id
from services.ledger.importing import journal
from services.ledger.importing.charges import Charges
from services.ledger.importing.journal import Journal
from services.ledger.importing.posting import Decided, Posting
from services.ledger.tables.bulk_copy import read_accounts
from shared import context
from tests.conftest import Database
from tests.integration.ledger.import_harness import ImportHarness, line
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

KILLS = 5
MANY = 32_000


@pytest.fixture
def harness(database: Database, tmp_path: Path) -> ImportHarness:
    return ImportHarness(database, tmp_path)


def test_another_process_with_the_same_file_is_refused(
    harness: ImportHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "WAIT_FOR_ANOTHER", "100ms")
    harness.opens("01")
    file = harness.file("1.csv", line("01"))
    digest = harness.imports(file, "--dry-run")["digest"]
    with psycopg.connect(harness.database.settings.database_url_of("ledger")) as other:
        other.execute(
            "SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"ledger.import.{digest}",)
        )
        result = harness.run(file)
    assert result.exit_code == 2
    assert "imported by another process" in result.stderr
    assert harness.imports(file)["counts"]["entries"] == 1


def test_a_decision_overtaken_by_a_payment_is_made_again(
    harness: ImportHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.opens("01", "02")
    decide, decisions = Posting.decide, []

    def decide_and_be_overtaken(self: Any, cursor: Any, entries: Any) -> Decided[Any]:
        decided = decide(self, cursor, entries)
        decisions.append(decided)
        if len(decisions) == 1:
            pay(harness, "01", 2_500)
        return decided

    monkeypatch.setattr(Posting, "decide", decide_and_be_overtaken)
    summary = harness.imports(harness.file("1.csv", line("01"), line("02")))
    assert (len(decisions), summary["counts"]["entries"]) == (2, 2)
    row = harness.balance("01")
    assert (row["principal"], row["advance"], row["version"]) == (7_500, 0, 3)
    harness.is_sound()


def test_bills_of_one_account_stay_in_order_over_chunks(
    harness: ImportHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Charges, "at_once", 2)
    harness.opens("01", "02", "03")
    months = [f"2026-{month:02}" for month in range(1, 8)]
    rows = [line(number, period=month) for number in ("01", "02", "03") for month in months]
    by_month = [line(number, period="2025-12") for number in ("03", "01", "02")]
    summary = harness.imports(harness.file("1.csv", *rows, *by_month))
    assert summary["counts"]["entries"] == 24
    assert harness.balance("02")["principal"] == 80_000
    harness.is_sound()


def test_no_chunk_is_posted_after_one_that_failed(
    harness: ImportHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Charges, "at_once", 1)
    numbers = [f"{number:02}" for number in range(6)]
    harness.opens(*numbers)
    file = harness.file("1.csv", *(line(number) for number in numbers))
    turn, keep = sys.getswitchinterval(), Journal.keep

    def keep_or_fail(self: Journal, cursor: Any, command_id: Any, place: Any, counts: Any) -> None:
        if place.chunk == 1:
            raise RuntimeError("the disk is full")
        keep(self, cursor, command_id, place, counts)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "keep", keep_or_fail)
        result = harness.run(file)
    assert isinstance(result.exception, RuntimeError), "chunk 2 was waiting behind it by then"
    assert [harness.balance(number)["principal"] for number in numbers] == [10_000, 0, 0, 0, 0, 0]
    assert (sys.getswitchinterval(), gc.isenabled()) == (turn, True)
    assert harness.imports(file)["counts"]["entries"] == 6
    assert [harness.balance(number)["version"] for number in numbers] == [2] * 6
    harness.is_sound()


def test_a_first_bill_fits_on_the_page_of_its_account(harness: ImportHarness) -> None:
    """Otherwise most first bills would write both indexes of balances."""
    numbers = [f"{number:010}" for number in range(200)]
    harness.opens(*numbers)
    before = _pages(harness)
    services = "heating hot_water cold_water sewerage maintenance capital_repair waste electricity"
    rows = [line(number, service) for number in numbers for service in services.split()]
    assert harness.imports(harness.file("1.csv", *rows))["counts"]["entries"] == 200
    assert len(set(before.values())) > 5
    assert _pages(harness) == before


def test_accounts_are_read_in_bulk_as_they_are_one_by_one(harness: ImportHarness) -> None:
    harness.opens("01", "02", "03")
    months = ("2026-01", "2026-02", "2026-03")
    rows = [line("01", period=month, penalty="1,50") for month in months]
    harness.imports(harness.file("1.csv", *rows, line("02", period=months[1])))
    pay(harness, "01", 15_000)
    pay(harness, "02", 11_000)
    found = harness.store.query(
        lambda session: list(read_accounts(session.cursor, ["01", "02", "03", "nobody"]))
    )
    assert sorted(account.number for account in found) == ["01", "02", "03"]
    for account in found:
        assert account.id == account_id(account.number)
        assert account.snapshot() == harness.balance(account.number)
        assert account.due_dates == {
            period: date.fromisoformat(f"{period}-28") for period in account.open_items
        }


def test_an_import_killed_at_any_moment_resumes_after_its_last_chunk(
    harness: ImportHarness,
) -> None:
    numbers = [f"{number:06}" for number in range(MANY)]
    harness.opens(*numbers)
    opened = harness.events()
    chance = random.Random(20261123)  # noqa: S311 - the same sums every time
    bills, total = [], 0
    for number in numbers:
        first, second = chance.randint(1, 900_000), chance.randint(1, 900_000)
        total += first + second
        bills.append(
            line(number, "heating", f"{first // 100},{first % 100:02}")
            + line(number, "water", f"{second // 100},{second % 100:02}")
        )
    for unknown in range(30):  # to be refused, all over the file
        bills.insert(chance.randint(0, MANY), line(f"9{unknown:05}", "x"))
    file = harness.file("charges.csv", *bills)
    for chunks in range(KILLS):
        _kill_after(harness, file, chunks - 1)
    summary = harness.imports(file, code=1)
    counts = summary["counts"]
    assert (counts["rows"], counts["entries"], counts["amount"]) == (2 * MANY + 30, MANY, total)
    assert summary["resumed"] is True
    assert harness.events() == opened + MANY
    quarantined = (harness.folder / "charges.csv.quarantine.csv").read_text().splitlines()
    assert len(quarantined) == 1 + counts["refused_rows"] == 31
    places = [int(row.split(";")[9]) for row in quarantined[1:]]
    assert places == sorted(set(places))
    owed = "SELECT sum(principal)::bigint AS owed FROM balances"
    found = harness.store.query(lambda session: session.cursor.execute(owed).fetchone())
    assert found["owed"] == total
    harness.is_sound()


def _kill_after(harness: ImportHarness, file: Path, chunks: int) -> None:
    """Import in a process of its own, and kill it when more than ``chunks`` are committed."""
    command = [sys.executable, "-m", "services.cli", "ledger", "import", str(file)]
    process = subprocess.Popen(
        [*command, "--reason", "test"],
        env={**os.environ, **harness.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with harness.database.owner("ledger") as owner:
            eventually(
                lambda: process.poll() is not None or _committed(owner) > chunks,
                "enough chunks are committed",
            )
        assert process.poll() is None, "the import ended before the kill"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _pages(harness: ImportHarness) -> dict[str, int]:
    with harness.database.owner("ledger") as owner:
        rows = owner.execute("SELECT number, (ctid::text::point)[0]::int FROM balances").fetchall()
    return dict(rows)


def _committed(owner: Any) -> int:
    row = owner.execute("SELECT coalesce(max(chunk), -1) FROM import_chunks WHERE digest <> ''")
    return int(row.fetchone()[0])


def pay(harness: ImportHarness, number: str, amount: int) -> None:
    paid = (PaidLine(account=number, amount=amount, penalty=0),)
    with context.bind(command_id=uuid4()):
        command = PostPayment(payment_id=uuid4(), paid_on=date(2026, 3, 1), lines=paid)
        harness.store.execute(post_payment, command)
