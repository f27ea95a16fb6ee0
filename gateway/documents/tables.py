"""Statements as tables for accountants: CSV as Excel in Russia reads it, and XLSX.

Sums are numbers in cells; text is never read as a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from gateway.documents.native_threads import out_of_hub
from gateway.documents.statement import COLUMNS, column_names, rows
from gateway.translation import translations
from shared.money import Kopecks

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_WIDTHS = (14, 12, 60, 16, 14, 16, 16)


def statement_csv(statements: Mapping[str, Any], language: str) -> bytes:
    """Return movements and totals as CSV: UTF-8 with its mark, ``;``, decimal comma."""
    return out_of_hub(lambda: _csv(statements, language))


def statement_xlsx(statements: Mapping[str, Any], language: str) -> bytes:
    """Return a workbook: a sheet of movements, a sheet of totals by account."""
    return out_of_hub(lambda: _xlsx(statements, language))


def _csv(statements: Mapping[str, Any], language: str) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
    writer.writerow(_movement_header(language))
    for number, movement, text in rows(statements, language):
        amount, penalty = movement["amount"], movement["penalty"]
        sums = (amount, penalty, amount + penalty, movement["balance"])
        day = f"{date.fromisoformat(movement['effective_on']):%d.%m.%Y}"
        writer.writerow([number, day, plain_cell(text), *map(typed_sum, sums)])
    writer.writerow([])
    writer.writerow(_totals_header(language))
    for name, totals in _totals(statements, language):
        writer.writerow([plain_cell(name), *(typed_sum(totals[column]) for column in COLUMNS)])
    return file.getvalue().encode("utf-8-sig")


def _xlsx(statements: Mapping[str, Any], language: str) -> bytes:
    import xlsxwriter

    file = io.BytesIO()
    # A row is written to disk as soon as the next one begins, however many there are.
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    text = translations(language).gettext
    with xlsxwriter.Workbook(file, options) as book:
        last_day = date.fromisoformat(statements["to"])
        book.set_properties({"created": datetime(last_day.year, last_day.month, last_day.day)})  # noqa: DTZ001 - a file's property has no zone
        head = book.add_format({"bold": True, "bottom": 1})
        money = book.add_format({"num_format": "#,##0.00"})
        bold_money = book.add_format({"num_format": "#,##0.00", "bold": True, "top": 1})
        day = book.add_format({"num_format": "dd.mm.yyyy"})
        sheet = book.add_worksheet(text("Движения"))
        for column, width in enumerate(_WIDTHS):
            sheet.set_column(column, column, width)
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, _movement_header(language), head)
        for row, (number, movement, said) in enumerate(rows(statements, language), start=1):
            sheet.write_string(row, 0, number)
            effective_on = datetime.fromisoformat(movement["effective_on"])
            sheet.write_datetime(row, 1, effective_on, day)
            sheet.write_string(row, 2, said)
            amount, penalty = movement["amount"], movement["penalty"]
            sums = (amount, penalty, amount + penalty, movement["balance"])
            for column, kopecks in enumerate(sums, start=3):
                sheet.write_number(row, column, kopecks / 100, money)
        sheet = book.add_worksheet(text("Итоги"))
        sheet.set_column(0, len(COLUMNS), 18)
        sheet.write_row(0, 0, _totals_header(language), head)
        for row, (name, totals) in enumerate(_totals(statements, language), start=1):
            sheet.write_string(row, 0, name)
            last = row > len(statements["accounts"])
            for column, key in enumerate(COLUMNS, start=1):
                sheet.write_number(row, column, totals[key] / 100, bold_money if last else money)
    return file.getvalue()


def _movement_header(language: str) -> list[str]:
    text = translations(language).gettext
    return [
        text("Лицевой счёт"),
        text("День"),
        text("Операция"),
        text("За услуги"),
        text("Пени"),
        text("Всего"),
        text("Остаток после"),
    ]


def _totals_header(language: str) -> list[str]:
    return [translations(language).gettext("Лицевой счёт"), *column_names(language)]


def _totals(
    statements: Mapping[str, Any], language: str
) -> Sequence[tuple[str, Mapping[str, Kopecks]]]:
    by_account = [(account["number"], account["totals"]) for account in statements["accounts"]]
    return [*by_account, (translations(language).gettext("Итого"), statements["totals"])]


def plain_cell(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def typed_sum(amount: Kopecks) -> str:
    """Return a sum as a cell of CSV has it: ``-1234,56``."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100},{abs(amount) % 100:02d}"
