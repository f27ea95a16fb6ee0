"""Importing files of a billing centre: each row exactly once, also after a kill."""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from typer.testing import CliRunner, Result

from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.cli import app
from services.ledger.domain import account_id
from services.ledger.importing import journal
from services.ledger.importing.charges import Charges
from services.ledger.importing.journal import Journal
from services.ledger.importing.posting import Decided, Posting
from services.ledger.replay.audit import audit
from services.ledger.tables.bulk_copy import read_accounts
from shared import context
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.integration.ledger.sealed_ledger import KEYS
from tests.staff_logins import OPERATOR
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

HEADER = "account;period;due_on;effective_on;service;name;charged;recalculation;penalty\n"
KILLS = 5
MANY = 32_000


def line(
    account: str,
    service: str = "heating",
    charged: str = "100,00",
    period: str = "2026-03",
    **more: str,
) -> str:
    days = f"{period};{period}-28;{period}-27"
    again, late = more.get("again", ""), more.get("penalty", "")
    return f"{account};{days};{service};{service};{charged};{again};{late}\n"


class ImportHarness:
    """A ledger, its command line, and a folder for files."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.store: PostgresStore = database.store("ledger")
        settings = database.settings
        self.environment = {
            "SALDO_AMQP_URL": "amqp://nobody:nothing@127.0.0.1:1/",
            "SALDO_SECRET": settings.secret.hex(),
            "SALDO_LEDGER_SEAL_VERIFIER": str(KEYS.signer.verifier),
            "SALDO_DATABASE_URL_LEDGER": settings.database_url_of("ledger"),
            "SALDO_STAFF_DATABASE_URL": settings.staff_database_url,
        }

    def file(self, name: str, *rows: str, header: str = HEADER, encoding: str = "utf-8") -> Path:
        path = self.folder / name
        path.write_bytes((header + "".join(rows)).encode(encoding))
        return path

    def run(self, path: Path, *options: str) -> Result:
        words = ["import", str(path), "--reason", "test", *options]
        return CliRunner().invoke(app, words, env=self.environment)

    def imports(self, path: Path, *options: str, code: int = 0) -> Any:
        result = self.run(path, "--json", *options)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout.splitlines()[-1])

    def opens(self, *numbers: str) -> None:
        rows = (f"{number};household\n" for number in numbers)
        self.imports(self.file("registry.csv", *rows, header="account;payer_kind\n"))

    def balance(self, number: str) -> Mapping[str, Any]:
        row = self.store.query(lambda session: session.read.balance(number))
        assert row is not None
        return row  # type: ignore[no-any-return]

    def events(self) -> int:
        return self.store.recorder.max_notification_id() or 0

    def is_sound(self) -> None:
        assert audit(self.store).differences == []


@pytest.fixture
def harness(database: Database, tmp_path: Path) -> ImportHarness:
    return ImportHarness(database, tmp_path)


def test_a_company_is_imported_file_by_file(harness: ImportHarness) -> None:
    harness.opens("01", "02")
    opening = harness.file(
        "opening.csv",
        "01;heating;1000,00;;2026-01-01\n",
        "01;water;-50,00;;2026-01-01\n",
        "03;lift;7,00;organisation;2026-01-01\n",
        header="account;service;amount;payer_kind;effective_on\n",
    )
    assert harness.imports(opening)["counts"]["entries"] == 2
    charges = harness.file(
        "charges.csv",
        line("01"),
        line("01", "water", "30,00", again="-40,00", penalty="1,50"),
        line("03", "lift", "5"),
        encoding="cp1251",
    )
    summary = harness.imports(charges, "--rows", "3", "--bills", "2", "--total", "95,00")
    assert (summary["counts"]["lines"], summary["counts"]["amount"]) == (3, 9500)
    adjustments = harness.folder / "adjustments.jsonl"
    adjustments.write_text(
        '{"account":"01","period":"2026-03","service":"heating","amount":-20.5,'
        '"reason":"пересчёт","adjustment_id":"A-1"}\n',
        encoding="utf-8",
    )
    assert harness.imports(adjustments)["counts"]["amount"] == -2050
    owed = harness.balance("01")
    assert owed["open_items"]["0001-01"] == {"heating": 100_000}
    # 50,00 came along in advance and 10,00 are money back of water; they have paid of heating.
    assert owed["principal"] - owed["advance"] == 100_000 + 10_000 - 1_000 - 5_000 - 2_050
    assert owed["penalty"] == 150
    assert (harness.balance("03")["payer_kind"], harness.balance("03")["principal"]) == (
        "organisation",
        1200,
    )
    harness.is_sound()


def test_the_same_file_twice_changes_nothing(harness: ImportHarness) -> None:
    harness.opens("01", "02")
    file = harness.file("charges.csv", line("01"), line("02"), line("09"))
    first = harness.imports(file, code=1)
    events = harness.events()
    again = harness.imports(file, code=1)
    assert (first["state"], again["state"]) == ("imported", "imported_before")
    assert first["counts"] == again["counts"]
    assert harness.events() == events
    assert OPERATOR in again["by"]


def test_a_repeated_bill_is_refused_as_the_same_or_another(harness: ImportHarness) -> None:
    harness.opens("01", "02", "03")
    harness.imports(harness.file("1.csv", line("01", penalty="1,00"), line("02"), line("03")))
    file = harness.file(
        "2.csv",
        line("01", penalty="1,00"),
        line("02", penalty="1,00"),
        line("03", charged="100,01"),
        line("03", period="2026-04"),
    )
    summary = harness.imports(file, code=1)
    assert summary["counts"]["refusals"] == {"posted_already": 1, "posted_otherwise": 2}
    assert summary["counts"]["entries"] == 1
    rows = (harness.folder / "2.csv.quarantine.csv").read_text().splitlines()
    assert rows[0] == HEADER.strip() + ";row;refusal"
    assert rows[1].endswith(";2;the bill of 2026-03 is posted already, with the same content")
    assert ";4;the bill of 2026-03 is posted already, with other content" in rows[3]
    assert "correct" in rows[3]
    harness.is_sound()


def test_a_corrected_quarantine_file_is_imported(harness: ImportHarness) -> None:
    harness.opens("01", "02")
    harness.imports(harness.file("1.csv", line("01"), line("02", charged="x")), code=1)
    refused = harness.folder / "1.csv.quarantine.csv"
    refused.write_text(refused.read_text().replace(";x;", ";3,00;"))
    assert harness.imports(refused)["counts"]["amount"] == 300


def test_import_never_replaces_its_file_by_the_quarantine(harness: ImportHarness) -> None:
    harness.opens("01")
    events, file = harness.events(), harness.file("1.csv", line("01"), line("01", charged="x"))
    content = file.read_bytes()
    for more in ((), ("--dry-run",)):
        result = harness.run(file, "--quarantine", str(file), *more)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "name another file" in " ".join(result.stderr.split())
    assert file.read_bytes() == content
    assert harness.events() == events


def test_control_totals_must_match_or_nothing_is_posted(harness: ImportHarness) -> None:
    harness.opens("01")
    events, file = harness.events(), harness.file("1.csv", line("01"), line("01", "water", "1"))
    for wrong in (("--rows", "3"), ("--bills", "2"), ("--total", "100,00")):
        result = harness.run(file, *wrong)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "control totals differ" in result.stderr
        assert harness.run(file, "--dry-run", *wrong).exit_code == 2
    assert harness.events() == events
    harness.imports(file, "--rows", "2", "--bills", "1", "--total", "101,00")


def test_differing_totals_give_the_reasons_of_refused_rows(harness: ImportHarness) -> None:
    harness.opens("01", "02")
    file = harness.file("1.csv", line("01"), line("02", charged="x"), line("01", "water"))
    for options in ((), ("--dry-run",)):
        result = harness.run(file, "--total", "300,00", *options)
        said = " ".join(result.stderr.split())
        assert result.exit_code == 2
        assert "row 3: charged: 'x' is no sum in roubles" in said
    many = harness.file("2.csv", *(line(f"{number}", charged="x") for number in range(20)))
    said = " ".join(harness.run(many, "--rows", "1").stderr.split())
    assert said.count("is no sum in roubles") == 10
    assert "writes all reasons to the quarantine file" in said


def test_bills_of_days_that_no_bill_can_have_are_refused(harness: ImportHarness) -> None:
    harness.opens("01", "02", "03", "04", "05")
    rows = [
        line("01", period="2099-01"),
        line("02").replace("2026-03-28", "2099-03-28"),
        line("03").replace("2026-03-27", "1996-03-27"),
        line("04").replace("2026-03-27", "2026-W05-1"),
        line("05"),
    ]
    summary = harness.imports(harness.file("1.csv", *rows), code=1)
    assert summary["counts"]["refusals"] == {"invalid": 1, "invalid_day": 3}
    assert summary["counts"]["entries"] == 1
    header = "account;service;amount;effective_on\n"
    opening = harness.file("2.csv", "01;lift;5;2099-01-01\n", header=header)
    assert harness.imports(opening, code=2)["counts"]["refusals"] == {"invalid_day": 1}
    registry = harness.file(
        "3.csv", "09;household;2099-01-01\n", header="account;payer_kind;effective_on\n"
    )
    assert harness.imports(registry, code=2)["counts"]["refusals"] == {"invalid_day": 1}


def test_strict_posts_all_or_nothing(harness: ImportHarness) -> None:
    harness.opens("01", "02")
    events = harness.events()
    file = harness.file("1.csv", line("01"), line("02"), line("01"))
    summary = harness.imports(file, "--strict", code=2)
    assert (summary["state"], summary["counts"]["refusals"]) == ("refused", {"twice_in_file": 2})
    assert harness.events() == events
    assert harness.imports(file, code=1)["counts"]["refusals"] == {"twice_in_file": 2}


def test_a_file_sorted_by_service_posts_no_part_of_a_bill(
    harness: ImportHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Charges, "at_once", 1)
    harness.opens("01", "02", "03")
    events = harness.events()
    rows = [line(number, service) for service in ("heat", "water") for number in ("01", "02")]
    file = harness.file("by_service.csv", *rows)
    totals = ("--rows", "4", "--total", "400,00")
    for options in ((), ("--dry-run",), totals):
        summary = harness.imports(file, *options, code=1 if "--dry-run" in options else 2)
        assert summary["counts"]["refusals"] == {"twice_in_file": 4}
    assert harness.events() == events
    quarantined = (harness.folder / "by_service.csv.quarantine.csv").read_text()
    assert "01 2026-03 stands in 2 places of the file, the first at row 2, the last at row 4" in (
        quarantined
    )
    assert "sort the file by account and period" in quarantined
    header, *refused = quarantined.splitlines(keepends=True)
    by_bill = harness.file("by_bill.csv", *sorted(refused), header=header)
    assert harness.imports(by_bill)["counts"]["entries"] == 2
    assert harness.balance("01")["principal"] == 20_000
    # An unreadable row belongs to its bill, too, wherever it stands.
    far = harness.file("far.csv", line("03"), line("01", period="2026-04"), line("03", "w", "x"))
    assert harness.imports(far, code=1)["counts"]["refusals"] == {"invalid": 1, "twice_in_file": 1}
    assert harness.balance("03")["principal"] == 0
    harness.is_sound()


def test_parts_of_one_adjustment_are_found_however_its_id_is_written(
    harness: ImportHarness,
) -> None:
    harness.opens("01")
    harness.imports(harness.file("c.csv", line("01"), line("01", "water")))
    name = uuid4()
    rows = [
        f"01;{name};2026-03;heating;-1,00;why\n",
        "01;other;2026-03;water;-2,00;why\n",
        f"01;{str(name).upper()};2026-03;water;-3,00;why\n",
    ]
    header = "account;adjustment_id;period;service;amount;reason\n"
    summary = harness.imports(harness.file("a.csv", *rows, header=header), code=1)
    assert summary["counts"]["refusals"] == {"twice_in_file": 2}
    assert harness.balance("01")["principal"] == 19_800


def test_the_same_bill_with_its_lines_in_another_order_is_the_same(harness: ImportHarness) -> None:
    harness.opens("01")
    rows = [line("01"), line("01", "water", "7,00")]
    harness.imports(harness.file("1.csv", *rows))
    again = harness.imports(harness.file("2.csv", *reversed(rows)), code=2)
    assert again["counts"]["refusals"] == {"posted_already": 2}


def test_rows_of_empty_cells_are_skipped_and_counted(harness: ImportHarness) -> None:
    harness.opens("01", "02")
    empty = ";" * HEADER.count(";") + "\n"
    rows = [line("01"), empty, line("01", "water"), empty, line("02", charged="x"), empty, empty]
    summary = harness.imports(harness.file("1.csv", *rows), code=1)
    assert (summary["counts"]["entries"], summary["counts"]["lines"]) == (1, 2)
    assert (summary["empty_rows"], summary["counts"]["rows"]) == (4, 3)
    assert len((harness.folder / "1.csv.quarantine.csv").read_text().splitlines()) == 2
    shown = harness.run(harness.file("2.csv", line("02"), empty)).output
    assert "empty rows skipped" in shown


def test_a_dry_run_counts_as_the_import_would_and_writes_nothing(harness: ImportHarness) -> None:
    harness.opens("01")
    events = harness.events()
    file = harness.file("1.csv", line("01"), line("02"))
    summary = harness.imports(file, "--dry-run", code=1)
    assert (summary["state"], summary["counts"]["entries"]) == ("dry_run", 1)
    assert summary["counts"]["refusals"] == {"account_not_found": 1}
    assert harness.events() == events
    assert harness.imports(file, code=1)["counts"] == summary["counts"]


def test_a_file_of_which_nothing_was_posted_may_be_imported_again(harness: ImportHarness) -> None:
    file = harness.file("1.csv", line("01"))
    assert harness.imports(file, code=2)["state"] == "nothing_posted"
    assert harness.imports(file, code=2)["state"] == "nothing_posted"
    harness.opens("01")
    assert harness.imports(file)["counts"]["entries"] == 1
    harness.is_sound()


def test_registries_open_only_accounts_that_are_not_open(harness: ImportHarness) -> None:
    harness.opens("01", "02")
    file = harness.file(
        "r.csv", "01;household\n", "02;organisation\n", "03;household\n", "04;king\n",
        header="account;payer_kind\n",
    )  # fmt: skip
    counts = harness.imports(file, code=1)["counts"]
    assert (counts["entries"], counts["unchanged"]) == (1, 1)
    assert counts["refusals"] == {"account_exists": 1, "invalid": 1}


def test_opening_balances_are_posted_once(harness: ImportHarness) -> None:
    harness.opens("01")
    header = "account;service;amount\n"
    harness.imports(harness.file("1.csv", "01;lift;5\n", "01;water;6\n", header=header))
    again = harness.file("2.csv", "01;water;6\n", "01;lift;5,00\n", "02;lift;1\n", header=header)
    counts = harness.imports(again, code=2)["counts"]
    assert counts["refusals"] == {"posted_already": 2, "account_not_found": 1}
    other = harness.file("3.csv", "01;water;7\n", header=header)
    assert harness.imports(other, code=2)["counts"]["refusals"] == {"posted_otherwise": 1}
    assert harness.balance("01")["principal"] == 1100


def test_adjustments_are_posted_once_and_need_two_people_above_the_limit(
    harness: ImportHarness,
) -> None:
    harness.opens("01")
    harness.imports(harness.file("c.csv", line("01", charged="90000,00")))
    header = "account;adjustment_id;period;service;amount;reason\n"
    rows = (
        "01;A;2026-03;heating;-1,00;why\n",
        "01;B;2026-03;heating;-60000,00;why\n",
        "01;C;2026-03;lift;-1,00;why\n",
        "01;D;2026-04;heating;1,00;why\n",
    )
    counts = harness.imports(harness.file("1.csv", *rows, header=header), code=1)["counts"]
    assert counts["entries"] == 1
    assert counts["refusals"] == {
        "second_person_needed": 1,
        "service_not_billed": 1,
        "period_not_charged": 1,
    }
    again = harness.file("2.csv", rows[0], rows[0].replace("why", "other"), header=header)
    counts = harness.imports(again, code=2)["counts"]
    assert set(counts["refusals"]) <= {"posted_already", "posted_otherwise", "invalid"}
    assert harness.balance("01")["principal"] == 8_999_900
    harness.is_sound()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b"one;two\n1;2\n", "lacks"),
        (HEADER.encode("utf-16"), "UTF-16"),
        (b"\x00" * 1000, "header"),
        (b"x" * 10_000_000, "bytes"),
    ],
)
def test_a_malformed_file_is_refused_in_a_sentence(
    harness: ImportHarness, content: bytes, fault: str
) -> None:
    file = harness.folder / "file.csv"
    file.write_bytes(content)
    result = harness.run(file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert fault in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr) < 2_000


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
