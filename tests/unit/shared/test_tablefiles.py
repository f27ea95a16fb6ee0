"""Table files: encodings, rows and their flaws, control totals, names that may come once."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from shared.errors import ValidationFailed
from shared.tablefiles import CUT, ControlTotals, FileKind, SeenNames, TableFile, open_table
from shared.tablefiles.encodings import EncodingVote

PEOPLE = FileKind(name="people", required=("name", "street"), optional=("note",))
PLACES = FileKind(name="places", required=("street",), optional=("note",))


def opened(folder: Path, content: bytes) -> TableFile[FileKind]:
    path = folder / "people.csv"
    path.write_bytes(content)
    return open_table(path, [PEOPLE, PLACES])


def rows(table: TableFile[FileKind]) -> list[tuple[int, tuple[str, ...], str]]:
    return [(row[0], row[4], row[5]) for row in table.rows(table.start, table.row)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251"])
def test_a_row_is_read_in_the_order_of_the_kinds_columns(tmp_path: Path, encoding: str) -> None:
    table = opened(tmp_path, "street;name\nПримерск;Анна\n".encode(encoding))
    assert (table.kind, table.row, table.has_mark) == (PEOPLE, 1, encoding == "utf-8-sig")
    assert rows(table) == [(2, ("Анна", "Примерск", ""), "")]


def test_json_lines_are_read_as_csv_is(tmp_path: Path) -> None:
    objects = [{"street": "Примерск", "name": "Анна"}, {"name": 7, "street": "x", "row": "1"}]
    lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)
    assert rows(opened(tmp_path, lines.encode())) == [
        (1, ("Анна", "Примерск", ""), ""),
        (2, ("7", "x", ""), ""),
    ]


def test_a_flaw_is_that_of_its_row_alone(tmp_path: Path) -> None:
    content = "name;street\nАнна;Я\none\n\n".encode() + b'a;"b\n\xff;c\nd;e'
    found = rows(opened(tmp_path, content))
    assert [(row, fields) for row, fields, _ in found] == [
        (2, ("Анна", "Я", "")),
        (3, ()),
        (5, ()),
        (6, ()),
        (7, ("d", "e", "")),
    ]
    assert [flaw for _, _, flaw in found] == [
        "",
        "the row has 1 fields, the header has 2",
        "a quotation mark is not closed, or stands within a field",
        "byte 0xff at 0 is no utf-8 text",
        CUT,
    ]


def test_lines_vote_on_the_encoding_wherever_a_block_ends() -> None:
    lines = "Анна\nБорис\n".encode() + b"\xff\xfe\n" + "plain\nВера".encode()
    for size in (12, 16, 23, 1_000):
        vote = EncodingVote()
        for first in range(0, len(lines), size):
            vote.count(lines[first : first + size])
        assert vote.winner == "utf-8", size
    vote = EncodingVote()
    vote.count("Анна\nБорис\n".encode("cp1251") + "Вера".encode())
    assert vote.winner == "cp1251"


def test_an_only_line_without_an_end_votes_too() -> None:
    vote = EncodingVote()
    vote.count("Анна".encode("cp1251"))
    assert vote.winner == "cp1251"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"name;nick\n", "lacks street and has unknown columns: 'nick'"),
        (b"name;street;name\n", "names a column twice"),
        (b"name\0;street\n", "zero bytes"),
        ("name;street\n".encode("utf-16"), "is UTF-16"),
    ],
)
def test_a_file_without_its_columns_is_refused(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    with pytest.raises(ValidationFailed, match=complaint) as refused:
        opened(tmp_path, content)
    assert refused.value.code == "invalid_file"


def test_a_file_changed_during_the_import_is_noticed(tmp_path: Path) -> None:
    table = opened(tmp_path, b"name;street\n")
    table.check_unchanged()
    table.path.write_bytes(b"name;street\na;b\n")
    with pytest.raises(ValidationFailed) as refused:
        table.check_unchanged()
    assert refused.value.code == "file_changed"


def test_control_totals_that_are_not_given_differ_from_nothing() -> None:
    found = ControlTotals(rows=3, entries=2, total=-1250)
    assert not ControlTotals().are_given
    assert ControlTotals().differences(found) == []
    assert ControlTotals(rows=3, entries=2, total=-1250).differences(found) == []
    wrong = ControlTotals(rows=4, entries=0, total=0)
    assert wrong.are_given
    assert wrong.differences(found, "bills") == [
        "3 rows, not 4",
        "2 bills, not 0",
        "-12,50 roubles, not 0,00",
    ]


def test_a_name_keeps_the_row_that_had_it_first() -> None:
    with closing(SeenNames()) as seen:
        assert [seen.first_row(name, row) for row, name in enumerate("abaa")] == [0, 1, 0, 0]
