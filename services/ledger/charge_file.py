"""Reading a billing centre's file of charges: CSV (UTF-8 or cp1251, ``;``), a row per service.

Columns: ``account;period;due_on;effective_on;service;name;unit;tariff;volume;charged;
recalculation;privilege;penalty;explanation``. Sums are in roubles (``4500,00``). Rows of one bill
(account and period) stand together. ``penalty`` on a row is a penalty accrued by the billing
centre for late payment of that account.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from services.ledger.events import ChargeLine
from shared.errors import ValidationFailed
from shared.money import Kopecks, parse_rubles

REQUIRED = ("account", "period", "due_on", "effective_on", "service", "name", "charged")
MAX_FIELD = 2_000


@dataclass(frozen=True)
class Bill:
    """One account's bill of one month, as it stands in the file."""

    row: int
    account: str
    period: str
    due_on: date
    effective_on: date
    lines: tuple[ChargeLine, ...]
    penalty: Kopecks

    @property
    def total(self) -> Kopecks:
        return sum(line.payable for line in self.lines)


def encoding_of(path: Path) -> str:
    """Answer the encoding of a file: UTF-8 (with or without a mark) if it decodes, else cp1251."""
    try:
        with path.open(encoding="utf-8-sig", errors="strict") as file:
            for _ in iter(lambda: file.read(1 << 16), ""):
                continue
    except UnicodeDecodeError:
        return "cp1251"
    return "utf-8-sig"


def read_bills(path: Path) -> Iterator[Bill]:
    """Yield the bills of a file without holding it in memory.

    Raises ValidationFailed with the number of the row (the header is row 1) that is wrong.
    """
    csv.field_size_limit(MAX_FIELD)
    with path.open(encoding=encoding_of(path), newline="") as file:
        reader = csv.DictReader(file, delimiter=";")
        missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
        if missing:
            raise ValidationFailed(
                "invalid_file", f"The header lacks {', '.join(missing)}; columns end with `;`."
            )
        try:
            rows = enumerate(reader, start=2)
            for (account, period), group in itertools.groupby(
                rows, key=lambda numbered: (numbered[1]["account"], numbered[1]["period"])
            ):
                yield _bill(account, period, list(group))
        except csv.Error as error:
            raise ValidationFailed(
                "invalid_file", f"Row {reader.line_num} cannot be read: {error}."
            ) from None


def _bill(account: str, period: str, rows: list[tuple[int, dict[str, str]]]) -> Bill:
    number, first = rows[0]
    try:
        lines = tuple(_line(row) for _, row in rows)
        bill = Bill(
            row=number,
            account=account.strip(),
            period=period.strip(),
            due_on=date.fromisoformat(first["due_on"]),
            effective_on=date.fromisoformat(first["effective_on"]),
            lines=lines,
            penalty=sum(_money(row, "penalty") for _, row in rows),
        )
        date.fromisoformat(f"{bill.period}-01")
    except (ValueError, TypeError, AttributeError) as error:
        raise ValidationFailed(
            "invalid_row", f"Rows {number} to {rows[-1][0]}: {error}.", row=number
        ) from None
    return bill


def _line(row: dict[str, str]) -> ChargeLine:
    charged, recalculation = _money(row, "charged"), _money(row, "recalculation")
    privilege = _money(row, "privilege")
    return ChargeLine(
        service=row["service"].strip(),
        name=row["name"].strip(),
        unit=(row.get("unit") or "").strip(),
        tariff=(row.get("tariff") or "").strip(),
        volume=(row.get("volume") or "").strip(),
        charged=charged,
        recalculation=recalculation,
        privilege=privilege,
        payable=charged + recalculation - privilege,
        explanation=(row.get("explanation") or "").strip()[:500],
    )


def _money(row: dict[str, str], name: str) -> Kopecks:
    text = row.get(name) or ""
    return parse_rubles(text) if text.strip() else 0
