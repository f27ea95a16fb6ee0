"""Importing files of a billing centre: which rows are posted, which refused, and why."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest

from services.ledger.domain import account_id
from services.ledger.importing.charges import Charges
from services.ledger.penalties.accrual_run import accrue_all
from services.ledger.penalties.rules import load_rules
from services.ledger.tables.closed_periods import close_period
from tests.conftest import Database
from tests.integration.ledger.import_harness import HEADER, ImportHarness, line
from tests.staff_logins import OPERATOR

pytestmark = pytest.mark.nodes


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
    # The advance that came along has paid of it at once.
    assert owed["open_items"]["0001-01"] == {"heating": 95_000}
    # 50,00 came along in advance and 10,00 are money back of water; they have paid of heating.
    assert owed["principal"] - owed["advance"] == 100_000 + 10_000 - 1_000 - 5_000 - 2_050
    # The centre's figure stands until the rules are next applied.
    assert owed["penalty"] == 150
    accrue_all(harness.store, date(2026, 3, 27), load_rules(environ={}), "staff:test", workers=1)
    # 55 days of 950,00 at 9,5 % / 300 by the day of the bill.
    assert harness.balance("01")["penalty"] == 1_655
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


def test_registries_open_accounts_and_change_payers(harness: ImportHarness) -> None:
    harness.opens("01", "02")
    header = "account;payer_kind;effective_on\n"
    rows = ("01;household;\n", "02;organisation;2026-03-01\n", "03;household;\n", "04;king;\n")
    counts = harness.imports(harness.file("r.csv", *rows, header=header), code=1)["counts"]
    assert (counts["entries"], counts["unchanged"], counts["events"]) == (2, 1, 2)
    assert counts["refusals"] == {"invalid": 1}
    assert harness.balance("02")["payer_kind"] == "organisation"
    history = harness.store.query(lambda session: session.history(account_id("02")))
    changed = history[-1].event
    assert (changed.payer_kind, changed.effective_on) == ("organisation", date(2026, 3, 1))
    harness.is_sound()


def test_a_payer_does_not_change_in_a_closed_month(harness: ImportHarness) -> None:
    harness.opens("01", "02")
    close_period(harness.store, "2026-03", "staff:test", "reported")
    header = "account;payer_kind;effective_on\n"
    rows = ("01;organisation;2026-03-31\n", "02;organisation;2026-04-01\n")
    rows += ("03;organisation;2026-03-31\n",)
    counts = harness.imports(harness.file("r.csv", *rows, header=header), code=1)["counts"]
    assert counts["refusals"] == {"period_closed": 1}
    kinds = [harness.balance(number)["payer_kind"] for number in ("01", "02", "03")]
    assert kinds == ["household", "organisation", "organisation"]


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


def test_an_opening_debt_keeps_the_day_since_which_it_is_late(harness: ImportHarness) -> None:
    header = "account;service;amount;payer_kind;effective_on;due_on\n"
    days = "household;2026-03-01;2025-12-10"
    rows = [f"01;heat;4500;{days}\n", f"01;lift;50;{days}\n", "02;heat;1;household;2026-03-01;\n"]
    wrong = ["03;heat;1;household;;2025-13-10\n", "04;heat;1;household;;2099-01-01\n"]
    uneven = [f"05;heat;1;{days}\n", "05;lift;1;household;2026-03-01;\n"]
    file = harness.file("o.csv", *rows, *wrong, *uneven, header=header)
    counts = harness.imports(file, code=1)["counts"]
    assert (counts["entries"], counts["refusals"]) == (2, {"invalid": 3, "invalid_day": 1})
    due_dates = [harness.balance(number)["due_dates"]["0001-01"] for number in ("01", "02")]
    assert due_dates == ["2025-12-10", "2026-03-01"]
    harness.opens("06")
    late = harness.file("p.csv", "06;heat;1;;2026-03-01;2025-12-10\n", header=header)
    harness.imports(late)
    assert harness.balance("06")["due_dates"]["0001-01"] == "2025-12-10"
    harness.is_sound()


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
