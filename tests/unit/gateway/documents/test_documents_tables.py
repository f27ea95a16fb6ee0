"""Tables for accountants: numbers are numbers, texts are never formulae, totals are there."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from xml.etree import ElementTree

import document_samples as samples
import pytest

from gateway.documents.statement import operation
from gateway.documents.tables import statement_csv, statement_xlsx

CELL = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
FORMULAE = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]


def cells(book: bytes, sheet: int) -> dict[str, tuple[str, str]]:
    """Return type and value of each cell by its place."""
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        root = ElementTree.fromstring(archive.read(f"xl/worksheets/sheet{sheet}.xml"))  # noqa: S314
    assert not list(root.iter(f"{CELL}f")), "a formula"
    return {
        cell.attrib["r"]: (cell.attrib.get("t", "n"), "".join(cell.itertext()))
        for cell in root.iter(f"{CELL}c")
    }


def test_csv_is_what_excel_in_russia_reads() -> None:
    made = statement_csv(samples.statements(), "ru")
    assert made.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(made.decode("utf-8-sig")), delimiter=";"))
    assert rows[2] == [
        "0100000001", "31.05.2026", "Начислено, май 2026", "4500,00", "0,00", "4500,00", "4500,00"
    ]  # fmt: skip
    assert rows[-1] == [
        "Итого", "1200,00", "4500,00", "-51,30", "0,00", "14,25", "1200,00", "4462,95"
    ]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAE)
def test_no_formula_begins_in_a_cell(text: str) -> None:
    hostile = samples.statements()
    hostile["accounts"][0]["movements"][0] |= {"kind": "unheard_of", "text": text}
    made = statement_csv(hostile, "ru").decode("utf-8-sig")
    for row in csv.reader(io.StringIO(made, newline=""), delimiter=";"):
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "\t", "\r"))
            assert not cell.startswith("-") or re.fullmatch(r"-[0-9]+,[0-9]{2}", cell)
    cells(statement_xlsx(hostile, "ru"), 1)


def test_sums_of_a_workbook_are_numbers() -> None:
    book = statement_xlsx(samples.statements(), "ru")
    movements, totals = cells(book, 1), cells(book, 2)
    assert movements["A3"] == ("inlineStr", "0100000001")
    assert movements["D3"] == ("n", "4500")
    assert movements["D4"] == ("n", "-51.3")
    assert movements["G5"] == ("n", "4462.95")
    assert totals["A4"] == ("inlineStr", "Итого")
    assert totals["H4"] == ("n", "4462.95")


def test_equal_statements_give_equal_workbooks() -> None:
    assert statement_xlsx(samples.statements(), "ru") == statement_xlsx(samples.statements(), "ru")


def test_operations_are_named_with_month_and_reason() -> None:
    adjusted = samples.movement("2026-06-05", "adjustment", "Перерасчёт за 2026-05: ошибка: два")
    assert operation(adjusted, "ru").replace("\u00a0", " ") == "Перерасчёт, май 2026: ошибка: два"
    assert operation(adjusted, "en").startswith("Adjustment, May")
    unknown = samples.movement("2026-06-05", "unheard_of", "Нечто за 2026-05")
    assert operation(unknown, "ru") == "Нечто за 2026-05"


@pytest.mark.parametrize(
    ("kind", "russian", "english"),
    [
        ("payment_refund", "Возврат оплаты", "Payment refunded"),
        (
            "payment_moved_here",
            "Оплата перенесена с другого лицевого счёта",
            "Payment moved from another account",
        ),
        (
            "payment_moved_away",
            "Оплата перенесена на другой лицевой счёт",
            "Payment moved to another account",
        ),
    ],
)
def test_what_is_done_to_a_payment_is_named(kind: str, russian: str, english: str) -> None:
    movement = {"kind": kind, "text": russian}
    assert operation(movement, "ru") == russian
    assert operation(movement, "en") == english


def test_a_payment_of_a_cash_desk_is_named_with_its_document() -> None:
    movement = {"kind": "payment", "text": "Оплата в кассе: № 117"}
    assert operation(movement, "ru") == "Оплата в кассе: № 117"
    assert operation(movement, "en") == "Payment at a cash desk: № 117"
