"""``saldo payments export``: charges and refunds for accounting, by day and account."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from services.language import text
from services.staff_calls import StaffCalls, calls_to
from services.terminal import Json, counting, day, new_table, print_json, reporting, roubles
from services.terminal import show as show_table
from shared.money import format_roubles
from shared.tablefiles.formulae import csv_line

PAGE = 500
COLUMNS = (
    "day", "kind", "payment_id", "account", "amount", "penalty", "fee", "acquirer", "order_number",
)  # fmt: skip


class Encoding(StrEnum):
    """How the file is encoded."""

    UTF_8 = "utf-8"
    CP1251 = "cp1251"


def export(
    file: Annotated[Path, typer.Argument(metavar="OUT", help="The CSV file to write.")],
    from_: Annotated[str, typer.Option("--from", help="The first day.")],
    to: Annotated[str, typer.Option("--to", help="The last day.")],
    encoding: Annotated[Encoding, typer.Option(help="utf-8 begins with a BOM.")] = Encoding.UTF_8,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    json: Json = False,
) -> None:
    """Export what was charged and what went back, by day and account, with its totals.

    A CSV with semicolons; sums are in roubles, refunds negative, on the day on which they went
    back. On failure no file is left.
    """
    with reporting():
        first, last = day(from_, "--from"), day(to, "--to")
        if first > last:
            raise ValueError(text("--from: {first} is after {last}", first=first, last=last))
        if file.exists() and not overwrite:
            raise ValueError(text("{file} exists; --overwrite replaces it", file=file))
        with (
            calls_to("payments") as payments,
            counting(text("writing {file}", file=file.name), None) as advance,
        ):
            totals = _write(file, encoding, _rows(payments, first, last), advance)
    if json:
        print_json({"file": str(file), "from": first, "to": last, "totals": totals})
    else:
        _show(file, totals)


def _rows(payments: StaffCalls, first: date, last: date) -> Iterator[dict[str, Any]]:
    after: list[str] | None = None
    while True:
        rows = payments.ask(
            "money", first=first.isoformat(), last=last.isoformat(), after=after, limit=PAGE
        )["rows"]
        yield from rows
        if len(rows) < PAGE:
            return
        after = [rows[-1][name] for name in ("day", "kind", "account", "id")]


def _write(
    file: Path,
    encoding: Encoding,
    rows: Iterator[dict[str, Any]],
    advance: Callable[[int], None],
) -> dict[str, dict[str, int]]:
    """Write the rows, and at the end their totals; return these by kind."""
    totals: dict[str, dict[str, int]] = {}
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as written:
            if encoding is Encoding.UTF_8:
                written.write(codecs.BOM_UTF8)
            _line(written, encoding, list(COLUMNS))
            for row in rows:
                _line(written, encoding, _fields(row))
                total = totals.setdefault(row["kind"], dict.fromkeys(("rows", *_SUMS), 0))
                total["rows"] += 1
                for name in _SUMS:
                    total[name] += row[name] or 0
                advance(1)
            for kind, total in totals.items():
                sums = {name: total[name] for name in _SUMS}
                _line(written, encoding, _fields({"day": "total", "kind": kind, **sums}))
            written.flush()
            os.fsync(written.fileno())
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return totals


_SUMS = ("amount", "penalty", "fee")


def _line(written: Any, encoding: Encoding, fields: list[str]) -> None:
    # RFC 4180; a character that cp1251 lacks must not end the export.
    line = csv_line(fields).replace("\n", "\r\n")
    written.write(line.encode(encoding.value, errors="replace"))


def _fields(row: Mapping[str, Any]) -> list[str]:
    return [
        (_plain(row.get(name)) if name in _SUMS else str(row.get(name) or "")) for name in COLUMNS
    ]


def _plain(amount: int | None) -> str:
    """Return an amount as a spreadsheet reads it; an unknown fee is empty."""
    return "" if amount is None else format_roubles(amount).replace("\u00a0", "")


def _show(file: Path, totals: Mapping[str, Mapping[str, int]]) -> None:
    table = new_table(
        str(file),
        text("What"),
        text("Number"),
        amounts=(text("Sum"), text("Penalty"), text("Fee")),
    )
    names = {
        "charge": text("charges"),
        "refund": text("refunds"),
        "bank": text("payments in banks"),
    }
    for kind, total in totals.items():
        table.add_row(
            names.get(kind, kind),
            str(total["rows"]),
            *(roubles(total[name]) for name in _SUMS),
        )
    show_table(table)
