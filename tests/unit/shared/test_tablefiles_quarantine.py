"""Quarantine files: no spreadsheet runs them, and the reader gets every text back."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ValidationFailed
from shared.tablefiles import FileKind, QuarantineFile, TableFile, open_table, quarantine_path
from shared.tablefiles.formulae import csv_line, defuse, restore

KIND = FileKind(name="notes", required=("name", "amount"), optional=("note",))
FORMULAE = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1"]
NUMBERS = ["-12,50", "+7", "-4 500,00", "-4\u00a0500.5", "12,50", "0"]
tricky = st.text(alphabet="'=+-@\t;\",.0123 xЯ＝\u00a0", max_size=12)


def opened(path: Path, content: str, encoding: str = "utf-8") -> TableFile[FileKind]:
    path.write_bytes(content.encode(encoding))
    return open_table(path, [KIND])


def fields(table: TableFile[FileKind]) -> list[tuple[str, ...]]:
    return [row[4] for row in table.rows(table.start, table.row)]


def refuse_all(table: TableFile[FileKind]) -> Path:
    quarantine = QuarantineFile(table, quarantine_path(table.path))
    lines = ((line, "why, =1+1") for line in table.lines(table.start, table.row))
    quarantine.write(0, lines)
    return quarantine.path


@pytest.mark.parametrize("text", FORMULAE)
def test_a_formula_becomes_text(text: str) -> None:
    assert defuse(text) == f"'{text}"
    assert restore(defuse(text)) == text


@pytest.mark.parametrize(
    "text", [*NUMBERS, "", "'", "О'Коннор", "'quoted'", "a=b", "x@example.org"]
)
def test_numbers_and_plain_text_stay_as_they_are(text: str) -> None:
    assert defuse(text) == restore(text) == text


@given(tricky)
def test_every_text_comes_back_and_none_begins_a_formula(text: str) -> None:
    defused = defuse(text)
    assert restore(defused) == text
    assert defused in (text, f"'{text}")
    if defused.strip()[:1] in tuple("=+-@＝"):
        assert set(defused) <= set("+-0123456789,. \u00a0"), "a number, which is no formula"


@given(st.lists(tricky, min_size=2, max_size=4))
def test_a_field_is_no_formula_after_a_comma_or_a_tab_either(texts: list[str]) -> None:
    line = csv_line(texts).rstrip("\n")
    assert [restore(field) for field in next(csv.reader([line], delimiter=";"))] == texts
    for text in texts:
        if ",=" in text or "\t=" in text:
            doubled = defuse(text).replace('"', '""')
            assert f'"{doubled}"' in line


@given(st.lists(st.tuples(tricky, tricky, tricky), min_size=1, max_size=5))
def test_refused_rows_are_read_again_as_they_stood(rows: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        objects = [dict(zip(KIND.columns, row, strict=True)) for row in rows]
        content = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)
        first = refuse_all(opened(Path(folder) / "notes.jsonl", content))
        assert fields(open_table(first, [KIND])) == rows
        second = refuse_all(open_table(first, [KIND]))
        assert fields(open_table(second, [KIND])) == rows


def test_an_apostrophe_in_an_imported_file_is_text(tmp_path: Path) -> None:
    table = opened(tmp_path / "notes.csv", "name;amount\n'=1+1;1\n")
    assert fields(table) == [("'=1+1", "1", "")]
    again = open_table(refuse_all(table), [KIND])
    assert fields(again) == [("'=1+1", "1", "")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251"])
def test_a_quarantine_file_is_encoded_as_its_file(tmp_path: Path, encoding: str) -> None:
    path = refuse_all(opened(tmp_path / "notes.csv", "name;amount\r\nЯ;-12,50\r\n", encoding))
    expected = 'name;amount;row;refusal\nЯ;-12,50;2;"why, =1+1"\n'
    assert path.read_bytes() == expected.encode(encoding)
    assert path.stat().st_mode & 0o077 == 0


def test_an_unreadable_row_is_kept_as_one_text(tmp_path: Path) -> None:
    table = opened(tmp_path / "notes.csv", "name;amount\n=1;2;3\n")
    header, row = refuse_all(table).read_text().splitlines()
    assert row == '"\'=1;2;3";;2;"why, =1+1"'
    assert next(csv.reader([row], delimiter=";"))[:2] == ["'=1;2;3", ""]
    assert header == "name;amount;row;refusal"


def test_the_quarantine_file_cannot_be_the_imported_file(tmp_path: Path) -> None:
    table = opened(tmp_path / "notes.csv", "name;amount\n=1;2;3\n")
    content = table.path.read_bytes()
    link = tmp_path / "link.csv"
    link.symlink_to(table.path)
    for path in (table.path, tmp_path / "." / "notes.csv", link):
        with pytest.raises(ValidationFailed, match="name another file") as refused:
            QuarantineFile(table, path)
        assert refused.value.code == "quarantine_is_the_file"
    assert table.path.read_bytes() == content
