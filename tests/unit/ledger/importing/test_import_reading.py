"""Reading files of billing centres: encodings, rows, entries, flaws, quarantine."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from services.ledger.domain import EVENTS
from services.ledger.importing.charges import Bill, Charges
from services.ledger.importing.groups import Entries, Refused
from services.ledger.importing.imports import ImportRequest, posting_of
from services.ledger.importing.kinds import CHARGES, KINDS, open_source
from services.ledger.importing.posting import Posting
from services.ledger.importing.quarantine import Quarantine
from shared.errors import ValidationFailed
from shared.eventstore import MemoryStore
from shared.tablefiles import MAX_ROW
from tests.fixed_clock import FixedClock

TODAY = date(2026, 4, 1)
HEADER = "account;period;due_on;effective_on;service;name;charged;recalculation;explanation\n"


def row(account: str = "01", service: str = "heating", charged: str = "10,50", **more: str) -> str:
    values = {"period": "2026-03", "again": "", "name": "Отопление", "why": ""} | more
    return (
        f"{account};{values['period']};2026-04-15;2026-03-31;{service};{values['name']};{charged};"
        f"{values['again']};{values['why']}\n"
    )


def read(path: Path, **options: Any) -> list[Bill | Refused]:
    source = open_source(path, **options)
    return list(Entries(source, Charges(lambda: TODAY).read).after(source.start, source.row))


def write(path: Path, *rows: str, header: str = HEADER, encoding: str = "utf-8") -> Path:
    file = path / "charges.csv"
    file.write_bytes((header + "".join(rows)).encode(encoding))
    return file


def bills(found: list[Bill | Refused]) -> list[Bill]:
    return [one for one in found if isinstance(one, Bill)]


def refusals(found: list[Bill | Refused]) -> list[Refused]:
    return [one for one in found if isinstance(one, Refused)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251"])
def test_rows_of_a_bill_are_one_bill_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    lines = [row(), row(service="water", name="Вода", charged="5"), row("02")]
    first, second = bills(read(write(tmp_path, *lines, encoding=encoding)))
    assert (first.account, first.period, first.amount, first.rows) == ("01", "2026-03", 1550, 2)
    assert [line.name for line in first.lines] == ["Отопление", "Вода"]
    assert (second.account, second.row, second.end) == (
        "02",
        4,
        second.start + second.end - second.start,
    )


def test_json_lines_give_the_same_bills_as_csv(tmp_path: Path) -> None:
    names = HEADER.strip().split(";")
    file = tmp_path / "charges.jsonl"
    lines = [row(), row(service="water", charged="-0", again="-5"), row("02")]
    objects = [dict(zip(names, line.strip().split(";"), strict=True)) for line in lines]
    objects[0]["charged"] = 10.5  # type: ignore[assignment]
    objects[1]["recalculation"] = -5  # type: ignore[assignment]
    del objects[2]["explanation"]
    file.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects))
    csv = bills(read(write(tmp_path, *lines)))
    assert [(b.account, b.lines, b.row + 1) for b in bills(read(file))] == [
        (b.account, b.lines, b.row) for b in csv
    ]


def test_a_json_fraction_is_never_a_binary_float(tmp_path: Path) -> None:
    file = tmp_path / "charges.jsonl"
    one = dict(zip(HEADER.strip().split(";"), row().strip().split(";"), strict=True))
    text = json.dumps(one).replace('"10,50"', "90071992547.41")
    file.write_text(text)
    [bill] = bills(read(file))
    assert bill.amount == 9_007_199_254_741


def test_a_quoted_field_may_hold_semicolons(tmp_path: Path) -> None:
    [bill] = bills(read(write(tmp_path, row(why='"по счётчику; ""новому"""'))))
    assert bill.lines[0].explanation == 'по счётчику; "новому"'


def test_rows_may_end_in_cr_lf_and_blank_rows_are_skipped(tmp_path: Path) -> None:
    text = [HEADER, "\n", row(), "  \n", row(service="water"), row("02")]
    file = tmp_path / "charges.csv"
    file.write_bytes("".join(text).replace("\n", "\r\n").encode())
    first, second = bills(read(file))
    assert (first.row, first.last, first.rows, second.row) == (3, 5, 2, 6)


def test_a_row_that_was_cut_within_empty_cells_is_not_an_empty_row(tmp_path: Path) -> None:
    header = "bill_number;explanation;account;period;due_on;effective_on;service;name;charged\n"
    whole = ";;01;2026-03;2026-04-15;2026-03-31;heating;Heating;1,00\n"
    [bill] = bills(read(write(tmp_path, whole, ";" * 8, header=header)))
    assert bill.rows == 1
    found = refusals(read(write(tmp_path, whole, ";;", header=header)))
    assert [(refused.code, refused.row) for refused in found] == [("file_cut", 2), ("file_cut", 3)]


def test_a_bill_is_refused_with_any_of_its_rows(tmp_path: Path) -> None:
    found = read(write(tmp_path, row(), row(service="water", charged="x"), row("02")))
    [refused] = refusals(found)
    assert (refused.row, refused.rows, refused.code) == (2, 2, "invalid")
    assert "charged: 'x' is no sum" in refused.reasons[3]
    assert refused.reason.startswith("refused because of row 3")
    assert refused.amount == 1050
    assert [bill.account for bill in bills(found)] == ["02"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (row(charged="-1,00"), "negative"),
        (row(charged="999999999999999"), "more than the largest"),
        (row(charged=""), "is empty"),
        (row("12-3"), "no account number"),
        (row(period="2026-3"), "no month"),
        (row(service=""), "service: is empty"),
        (row(why="x" * 501), "up to 500"),
        (row().replace("2026-04-15", "15.04.2026"), "no day"),
        (row().replace(";heating", ""), "8 fields, the header has 9"),
        (row(why='"open'), "quotation mark"),
        (row(why="a\0b"), "control characters"),
        (row(why="x" * MAX_ROW), "are read"),
    ],
)
def test_a_wrong_row_is_refused_alone_with_its_fault(tmp_path: Path, line: str, fault: str) -> None:
    found = read(write(tmp_path, row("02"), line, row("03")))
    [refused] = refusals(found)
    assert fault in refused.reason
    assert [bill.account for bill in bills(found)] == ["02", "03"]


def test_a_row_of_ten_megabytes_is_refused_alone(tmp_path: Path) -> None:
    found = read(write(tmp_path, row(), row("02", why="x" * 10_000_000), row("03")))
    assert [bill.account for bill in bills(found)] == ["01", "03"]
    [refused] = refusals(found)
    assert (refused.row, "10000" in refused.reason) == (3, True)


def test_a_broken_row_does_not_change_the_encoding_of_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, row(), row("02"), row("03"))
    file.write_bytes(file.read_bytes().replace(b"02;", b"02\xff;"))
    found = read(file)
    assert [bill.lines[0].name for bill in bills(found)] == ["Отопление"] * 2
    assert "byte 0xff" in refusals(found)[0].reason


def test_a_broken_row_within_a_bill_refuses_the_bill(tmp_path: Path) -> None:
    file = write(tmp_path, row(), row("\x01\x02"), row(service="water"), row("02"))
    found = read(file)
    assert [bill.account for bill in bills(found)] == ["01", "02"] or len(refusals(found)) == 1
    file = write(tmp_path, row(), "rubbish\n", row(service="water"), row("02"))
    found = read(file)
    [refused] = refusals(found)
    assert (refused.row, refused.rows) == (2, 3)
    assert [bill.account for bill in bills(found)] == ["02"]


def test_a_file_cut_anywhere_gives_no_altered_bill(tmp_path: Path) -> None:
    lines = [row(), row(service="water", charged="7,25"), row("02", charged="9,99", why="по норме")]
    whole = write(tmp_path, *lines).read_bytes()
    expected = {
        bill.account: (bill.amount, bill.rows) for bill in bills(read(tmp_path / "charges.csv"))
    }
    body = len(HEADER.encode())
    second = whole.index(b"\n", body) + 1
    for length in range(body, len(whole)):
        (tmp_path / "charges.csv").write_bytes(whole[:length])
        for bill in bills(read(tmp_path / "charges.csv")):
            # A cut between two rows shows only in control totals.
            between_rows = length in (second - 1, second)
            assert (bill.amount, bill.rows) == expected[bill.account] or between_rows


def test_a_last_row_without_a_line_end_is_read_if_evidently_whole(tmp_path: Path) -> None:
    header = "account;period;due_on;effective_on;service;name;charged\n"
    for last, is_whole in (("10,50", True), ("10,5", False), ("10", False), ("", False)):
        line = f"01;2026-03;2026-04-15;2026-03-31;heating;Отопление;{last}"
        found = read(write(tmp_path, line, header=header))
        assert bool(bills(found)) is is_whole, last
        if not is_whole:
            assert refusals(found)[0].code == "file_cut"


def test_bill_keeps_the_number_that_is_printed_on_it(tmp_path: Path) -> None:
    header = HEADER.replace("explanation", "bill_number")
    lines = [row(why="2026-03/7"), row(service="water", why="2026-03/7")]
    [bill] = bills(read(write(tmp_path, *lines, header=header)))
    assert bill.bill_number == "2026-03/7"
    [unnumbered] = bills(read(write(tmp_path, row())))
    assert unnumbered.bill_number == ""
    lines[1] = row(service="water", why="2026-03/8")
    [refused] = refusals(read(write(tmp_path, *lines, header=header)))
    assert "bill_number is not that" in refused.reasons[3]


def test_a_bill_has_one_due_date(tmp_path: Path) -> None:
    other = row(service="water").replace("2026-04-15", "2026-04-20")
    [refused] = refusals(read(write(tmp_path, row(), other)))
    assert "due_on or effective_on" in refused.reasons[3]


def test_thousands_of_rows_with_one_key_are_refused(tmp_path: Path) -> None:
    [refused] = refusals(read(write(tmp_path, *(row(service=f"s{n}") for n in range(2_500)))))
    assert (refused.code, refused.rows) == ("too_many_rows", 2_500)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b"a,b,c\n", "lacks account"),
        (HEADER.replace(";", ",").encode(), "separated by commas, and must be separated by ';'"),
        (HEADER.replace(";", "\t").encode(), "separated by tabs.*export it as CSV"),
        (gzip.compress(HEADER.encode(), mtime=0), r"is compressed \(gzip\): unpack it"),
        (b"%PDF-1.7\n%\xe2\xe3\n", "is a PDF.*export it as CSV"),
        (b"PK\x03\x04\x14\x00", "is a workbook.*export it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "is an old Excel workbook"),
        (HEADER.replace("charged", "chraged").encode(), "chraged"),
        (HEADER.encode("utf-16"), "UTF-16"),
        (b"account;account;payer_kind\n", "twice"),
        (b"{]\n", "no JSON object"),
        (b"x" * (MAX_ROW + 1), "first row"),
    ],
)
def test_a_malformed_file_is_refused_as_a_whole(tmp_path: Path, content: bytes, fault: str) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(content)
    with pytest.raises(ValidationFailed, match=fault):
        open_source(file)


def test_the_columns_determine_the_kind(tmp_path: Path) -> None:
    def with_columns(*columns: str) -> Path:
        return write(tmp_path, header=";".join(columns) + "\n")

    for kind in KINDS.values():
        assert open_source(with_columns(*kind.required)).kind is kind
        assert open_source(with_columns(*kind.columns, "row", "refusal")).kind is kind
    assert open_source(with_columns(*CHARGES.required), "charges").kind is CHARGES
    with pytest.raises(ValidationFailed):
        open_source(with_columns(*CHARGES.required), "registry")


def test_every_kind_can_be_imported(tmp_path: Path) -> None:
    store: Any = MemoryStore(EVENTS, None, FixedClock(datetime(2026, 4, 1, tzinfo=UTC)))
    for kind in KINDS.values():
        file = tmp_path / f"{kind.name}.csv"
        file.write_text(";".join(kind.columns) + "\n")
        request = ImportRequest(path=file, actor="staff:test", reason="test", limit=0)
        assert isinstance(posting_of(store, open_source(file), request), Posting)


def test_the_quarantine_keeps_rows_unchanged_and_can_be_imported(tmp_path: Path) -> None:
    file = write(tmp_path, row("02", charged="x"), row(why='"a;b"', charged="y"), row("03"),
                 encoding="cp1251")  # fmt: skip
    source, found = open_source(file), read(file)
    quarantine = Quarantine(source, tmp_path / "refused.csv")
    length = quarantine.put(0, refusals(found))
    text = quarantine.path.read_text("cp1251")
    assert text.splitlines()[0] == HEADER.strip() + ";row;refusal"
    assert text.splitlines()[1].startswith(
        "02;2026-03;2026-04-15;2026-03-31;heating;Отопление;x;;;2;"
    )
    assert length == quarantine.path.stat().st_size
    assert quarantine.path.stat().st_mode & 0o077 == 0
    corrected = tmp_path / "corrected.csv"
    corrected.write_text(text.replace(";x;", ";1,00;").replace(";y;", ";2,00;"), "cp1251")
    assert [(b.account, b.amount) for b in bills(read(corrected))] == [("02", 100), ("01", 200)]


def test_formulae_and_negative_sums_survive_the_quarantine(tmp_path: Path) -> None:
    lines = [row("02", again="-12,50", name="=1+1", why="-2+3", charged="x"), row("03")]
    file = write(tmp_path, *lines)
    quarantine = Quarantine(open_source(file), tmp_path / "refused.csv")
    quarantine.put(0, refusals(read(file)))
    text = quarantine.path.read_text("utf-8")
    assert ";'=1+1;x;-12,50;'-2+3;" in text
    quarantine.path.write_text(text.replace(";x;", ";20,00;"), "utf-8")
    [bill] = bills(read(quarantine.path))
    assert (bill.amount, bill.lines[0].name, bill.lines[0].explanation) == (750, "=1+1", "-2+3")


def test_refused_rows_far_apart_come_into_the_quarantine_in_order(tmp_path: Path) -> None:
    lines = [row(f"{n:02}", charged="x" if n % 7 == 0 else "1,00") for n in range(50)]
    lines[21] = lines[21] + "\n" + row("21", service="water")
    file = write(tmp_path, *lines)
    quarantine = Quarantine(open_source(file), tmp_path / "refused.csv")
    quarantine.put(0, reversed(refusals(read(file))))
    _, *refused = quarantine.path.read_text("utf-8").splitlines()
    assert [(text[:2], int(text.split(";")[9])) for text in refused] == [
        ("00", 2), ("07", 9), ("14", 16), ("21", 23), ("21", 25), ("28", 32), ("35", 39),
        ("42", 46), ("49", 53),
    ]  # fmt: skip


def test_rows_of_an_uncommitted_chunk_are_cut_off_the_quarantine(tmp_path: Path) -> None:
    file = write(tmp_path, row("02", charged="x"), row("03", charged="y"))
    first, second = refusals(read(file))
    quarantine = Quarantine(open_source(file), tmp_path / "refused.csv")
    length = quarantine.put(0, [first])
    once = quarantine.path.read_bytes()
    quarantine.put(length, [second])
    both = quarantine.path.read_bytes()
    again = Quarantine(open_source(file), tmp_path / "refused.csv")
    assert again.put(length, []) == length
    assert quarantine.path.read_bytes() == once
    again.put(length, [second])
    assert quarantine.path.read_bytes() == both
