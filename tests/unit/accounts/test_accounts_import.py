"""Importing a registry: encodings, formats, control totals, quarantine, the same file twice."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from services.accounts import contract_import
from services.accounts.application import resolve
from services.accounts.contract_file import open_contract_file
from services.accounts.contract_import import ContractImport, Survey, survey
from shared.errors import ValidationFailed
from shared.tablefiles import ControlTotals

DEMO = Path(__file__).parents[3] / "deploy" / "demo" / "accounts.csv"
HEADER = "number;holder;address;residents;total_area;payer_kind;els;control_code;bill_total"
GOOD = "0100000009;Тестов Т.;г. Примерск, д. 4;2;54,20;household;50АД000001;C0DE-2026;4500,00"
SCREEN = Console(quiet=True)
TODAY = date(2026, 9, 1)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: str, encoding: str = "utf-8", name: str = "accounts.csv") -> Path:
        path = tmp_path / name
        path.write_bytes("\r\n".join(lines).encode(encoding))
        return path

    return write


def another(number: str) -> str:
    """Return the row of another account, which has no ЕЛС."""
    return GOOD.replace("0100000009", number).replace("50АД000001", "")


def load(harness: Any, path: Path) -> tuple[Survey, dict[str, Any]]:
    source = open_contract_file(path)
    found = survey(source, path.with_suffix(".quarantine"), SCREEN, TODAY)
    job = ContractImport(harness.store, source, harness.seal, found, SCREEN)
    return found, job.run("staff:tester", "a test")


def test_the_demo_company_loads_and_its_first_account_links(
    new_harness: Callable[..., Any],
) -> None:
    harness = new_harness()
    found, outcome = load(harness, DEMO)
    assert (found.rows, found.refused) == (40, 0)
    assert outcome["registered"] == outcome["bills"] == 40
    assert harness.link(harness.store.log[0].originator_id, "0100000001", "BNEV-QRPG")
    journal = harness.store.read_model.imports
    assert journal.begun[0].reason == "a test"
    assert journal.finished[0].registered == 40
    assert {record.actor for record in harness.store.log[:40]} == {"staff:tester"}
    assert {record.correlation_id for record in harness.store.log[:40]} == {outcome["import_id"]}
    _, again = load(harness, DEMO)
    assert again["unchanged"] == 40
    assert again["bills"] == 0
    assert len(harness.store.log) == 41


def test_column_that_says_what_proves_ownership_is_not_loaded(
    harness: Any, write: Callable[..., Path]
) -> None:
    load(harness, write(f"{HEADER};proof", f"{GOOD};1,23"))
    person = harness.store.log[0].originator_id
    assert not harness.link(person, "0100000009", "1,23")
    assert harness.link(person, "0100000009", "C0DE-2026")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251"])
def test_encodings_are_recognised(harness: Any, write: Callable[..., Path], encoding: str) -> None:
    load(harness, write(HEADER, GOOD, "", encoding=encoding))
    person = harness.store.log[0].originator_id
    assert harness.link(person, "0100000009", "C0DE-2026")
    assert harness.linked(person)[0]["holder"] == "Тестов Т."
    assert harness.linked(person)[0]["total_area"] == "54.2"


def test_one_bad_byte_refuses_its_row_and_leaves_the_file_in_utf_8(
    harness: Any, write: Callable[..., Path]
) -> None:
    broken = another("0100000010").replace("Тестов", "Другой")
    path = write(HEADER, GOOD, broken, another("0100000011"))
    path.write_bytes(path.read_bytes().replace("Другой".encode(), b"\xff"))
    found, outcome = load(harness, path)
    assert (found.rows, found.refused, outcome["registered"]) == (3, 1, 2)
    person = harness.store.log[0].originator_id
    assert harness.link(person, "0100000009", "C0DE-2026")
    assert harness.linked(person)[0]["holder"] == "Тестов Т."


def test_an_area_written_otherwise_amends_nothing(harness: Any, write: Callable[..., Path]) -> None:
    load(harness, write(HEADER, GOOD))
    _, outcome = load(harness, write("", HEADER, "", GOOD.replace("54,20", "54.2"), ";;"))
    assert outcome["unchanged"] == 1


def test_a_row_says_from_which_day_on_it_holds(harness: Any, write: Callable[..., Path]) -> None:
    header = f"{HEADER};effective_on"
    load(harness, write(header, f"{GOOD};2026-08-01"))
    changed = GOOD.replace("household", "organisation")
    _, outcome = load(harness, write(header, f"{changed};2026-08-15"))
    assert outcome["amended"] == 1
    assert harness.store.log[-1].event.effective_on == date(2026, 8, 15)


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        ("2026-09-02", "effective_on: must be a day from 1992-01-01 to today"),
        ("1899-12-31", "effective_on: must be a day from 1992-01-01 to today"),
        ("15.08.2026", "effective_on: must be a day, as 2026-03-31"),
        ("20260815", "effective_on: must be a day, as 2026-03-31"),
        ("2026-02-30", "effective_on: must be a day, as 2026-03-31"),
    ],
)
def test_a_day_that_no_amendment_can_have_is_refused(
    harness: Any, write: Callable[..., Path], day: str, reason: str
) -> None:
    path = write(f"{HEADER};effective_on", f"{GOOD};{day}")
    found, _ = load(harness, path)
    assert found.refused == 1
    assert reason in path.with_suffix(".quarantine").read_text("utf-8-sig")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (GOOD.replace("0100000009", "1" * 21), "number: must be 1 to 20 digits"),
        (GOOD.replace("household", "pensioner"), "payer_kind: must be one of"),
        (GOOD.replace("54,20", "54,20 м2"), "total_area: must be square metres"),
        (GOOD.replace(";2;", ";-2;"), "residents: must be a whole number"),
        (
            GOOD.replace("50АД000001", "50АД1"),
            "els: must be 2 digits, 2 Russian letters and 6 digits",
        ),
        (GOOD.replace("4500,00", "4500,001"), "bill_total: must be roubles"),
        (GOOD.replace("Тестов Т.", " "), "holder: must have 1 to 300 characters"),
        (GOOD + ";more", "the row has 10 fields, the header has 9"),
    ],
)
def test_a_bad_row_goes_to_the_quarantine_with_its_reason(
    harness: Any, write: Callable[..., Path], row: str, reason: str
) -> None:
    other = another("0100000010")
    path = write(HEADER, row, other)
    found, outcome = load(harness, path)
    assert (found.rows, found.refused, outcome["registered"]) == (2, 1, 1)
    quarantine = path.with_suffix(".quarantine")
    assert stat.S_IMODE(quarantine.stat().st_mode) == 0o600
    header, refused = csv.reader(io.StringIO(quarantine.read_text("utf-8-sig")), delimiter=";")
    assert header == [*HEADER.split(";"), "row", "refusal"]
    assert refused[-2] == "2"
    assert refused[-1].startswith(reason)


def test_a_refusal_gives_all_reasons_of_its_row(harness: Any, write: Callable[..., Path]) -> None:
    path = write(HEADER, GOOD.replace("household", "x").replace("54,20", "0"))
    load(harness, path)
    text = path.with_suffix(".quarantine").read_text("utf-8")
    assert "payer_kind:" in text
    assert "total_area:" in text


def test_an_account_is_refused_the_second_time_a_file_has_it(
    harness: Any, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract_import, "BATCH", 1)
    path = write(HEADER, GOOD, GOOD.replace("Тестов", "Другой"))
    found, outcome = load(harness, path)
    assert (found.refused, outcome["registered"]) == (1, 1)
    assert "line 2 has this account already" in path.with_suffix(".quarantine").read_text("utf-8")


def test_a_corrected_quarantine_file_can_be_imported(
    harness: Any, write: Callable[..., Path]
) -> None:
    path = write(HEADER, GOOD.replace("household", "pensioner"))
    load(harness, path)
    quarantine = path.with_suffix(".quarantine")
    corrected = write(quarantine.read_text("utf-8-sig").replace("pensioner", "household"))
    found, outcome = load(harness, corrected)
    assert (found.refused, outcome["registered"]) == (0, 1)


def test_a_formula_in_a_name_is_text_in_the_quarantine_and_a_name_again_after_it(
    harness: Any, write: Callable[..., Path]
) -> None:
    name = '=HYPERLINK("http://example.org","Тестов")'
    path = write(HEADER, GOOD.replace("Тестов Т.", name).replace("household", "pensioner"))
    load(harness, path)
    text = path.with_suffix(".quarantine").read_text("utf-8")
    assert "'=HYPERLINK" in text
    load(harness, write(text.replace("pensioner", "household"), name="corrected.csv"))
    person = harness.store.log[0].originator_id
    assert harness.link(person, "0100000009", "C0DE-2026")
    assert harness.linked(person)[0]["holder"] == name


def test_json_lines_hold_the_same_columns(harness: Any, write: Callable[..., Path]) -> None:
    fields = dict(zip(HEADER.split(";"), GOOD.split(";"), strict=True))
    second = fields | {"number": "0100000010", "residents": 3, "total_area": 41.5, "els": None}
    path = write(*(json.dumps(row, ensure_ascii=False) for row in (fields, second)))
    found, outcome = load(harness, path)
    assert (found.rows, found.total, outcome["registered"]) == (2, 900000, 2)
    person = harness.store.log[0].originator_id
    assert harness.link(person, "0100000010", "C0DE-2026")
    assert (harness.linked(person)[0]["residents"], harness.linked(person)[0]["total_area"]) == (
        3,
        "41.5",
    )


def test_a_file_changed_between_the_passes_is_not_loaded(
    harness: Any, write: Callable[..., Path]
) -> None:
    path, before = write(HEADER, GOOD), len(harness.store.log)
    source = open_contract_file(path)
    found = survey(source, path.with_suffix(".q"), SCREEN, TODAY)
    path.write_text(f"{HEADER}\n{GOOD}\n{GOOD}\n")
    with pytest.raises(ValidationFailed, match="was changed"):
        ContractImport(harness.store, source, harness.seal, found, SCREEN).run(
            "staff:tester", "a test"
        )
    assert len(harness.store.log) == before


def test_control_totals_show_their_differences(harness: Any, write: Callable[..., Path]) -> None:
    path = write(HEADER, GOOD, GOOD.replace("0100000009", "bad"))
    found = survey(open_contract_file(path), path.with_suffix(".q"), SCREEN, TODAY)
    assert found.differences(ControlTotals()) == []
    assert found.differences(ControlTotals(rows=2, total=900000)) == []
    assert len(found.differences(ControlTotals(rows=3, total=900001))) == 2


def test_an_els_is_stored_as_people_type_it_to_find_the_account(
    harness: Any, write: Callable[..., Path]
) -> None:
    load(harness, write(HEADER, GOOD.replace("50АД000001", "50ab 000-001")))
    assert harness.store.query(lambda session: resolve(session, "50АВ000001")) == "0100000009"


def test_ten_digits_are_no_els(harness: Any, write: Callable[..., Path]) -> None:
    found, _ = load(harness, write(HEADER, GOOD.replace("50АД000001", "5012000001")))
    assert found.refused == 1


def test_a_changed_spelling_makes_no_mass_of_new_holders(
    harness: Any, write: Callable[..., Path]
) -> None:
    rows = [another(f"02{index:08d}") for index in range(101)]
    load(harness, write(HEADER, *rows))
    path = write(HEADER, *(row.replace(";Тестов Т.", ";Гр. Тестов Т.") for row in rows))
    source = open_contract_file(path)
    found = survey(source, path.with_suffix(".q"), SCREEN, TODAY)
    job = ContractImport(harness.store, source, harness.seal, found, SCREEN)
    before = len(harness.store.log)
    (difference,) = job.holder_differences(None)
    assert "--holders 101" in difference
    assert "correction" in difference
    assert job.holder_differences(101) == []
    assert len(job.holder_differences(100)) == 1
    assert len(harness.store.log) == before


def test_a_hundred_new_holders_need_no_number_and_one_that_is_named_must_be_right(
    harness: Any, write: Callable[..., Path]
) -> None:
    rows = [another(f"02{index:08d}") for index in range(100)]
    load(harness, write(HEADER, *rows))
    path = write(HEADER, *(row.replace(";Тестов Т.", ";Гр. Тестов Т.") for row in rows))
    source = open_contract_file(path)
    found = survey(source, path.with_suffix(".q"), SCREEN, TODAY)
    job = ContractImport(harness.store, source, harness.seal, found, SCREEN)
    assert job.holder_differences(None) == []
    assert len(job.holder_differences(0)) == 1


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (("",), "is empty"),
        (("number;holder;address",), "lacks payer_kind"),
        (("number,holder,address,payer_kind",), "separated by ';'"),
        ((HEADER + ";bil_total",), "unknown columns: 'bil_total'"),
        ((HEADER + ";number",), "names a column twice"),
        (("number;holder\0",), "zero bytes"),
    ],
)
def test_a_file_with_other_columns_is_refused_as_a_whole(
    write: Callable[..., Path], lines: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(ValidationFailed, match=complaint):
        open_contract_file(write(*lines))


def test_an_unclosed_quotation_mark_swallows_no_other_row(
    harness: Any, write: Callable[..., Path]
) -> None:
    rows = [another(f"{index:010d}") for index in range(200)]
    path = write(HEADER, GOOD.replace("Тестов", '"Тестов'), *rows)
    found, outcome = load(harness, path)
    assert (found.rows, found.refused, outcome["registered"]) == (201, 1, 200)
    refused = path.with_suffix(".quarantine").read_text("utf-8").splitlines()[1]
    assert ";2;a quotation mark is not closed" in refused


def test_quotation_marks_within_a_name_are_kept(harness: Any, write: Callable[..., Path]) -> None:
    load(harness, write(HEADER, GOOD.replace("Тестов Т.", 'ООО "Тест"')))
    person = harness.store.log[0].originator_id
    assert harness.link(person, "0100000009", "C0DE-2026")
    assert harness.linked(person)[0]["holder"] == 'ООО "Тест"'


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationFailed, match="cannot be read"):
        open_contract_file(tmp_path / "nothing.csv")
