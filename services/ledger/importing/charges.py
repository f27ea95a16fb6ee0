"""Files of charges: a row for each service of a bill, the rows of a bill next to each other.

``penalty`` is what the billing centre itself has accrued for late payment of that account.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID

from services.ledger.domain import Account
from services.ledger.events import ChargeLine
from services.ledger.importing import fields as field
from services.ledger.importing.groups import Entry, Group, RowsRefused
from services.ledger.importing.source import Fields
from shared.money import Kopecks

RULE = "billing-centre"
_CACHED = 10_000


class Bill(Entry, kw_only=True):
    """One account's bill of one month; ``amount`` is the sum of what is payable."""

    period: str
    due_on: date
    effective_on: date
    lines: tuple[ChargeLine, ...]
    penalty: Kopecks


class BillReader:
    """Makes a bill of its rows."""

    def __init__(self) -> None:
        self._titles: dict[Fields, Fields] = {}

    def __call__(self, group: Group) -> Bill:
        """Answer the bill; raises RowsRefused with all rows that are wrong."""
        number, first = group.read[0]
        lines, bad, penalty, amount = [], dict[int, str](), 0, 0
        head = first[:4]
        for number, row in group.read:
            try:
                if row[:4] != head:
                    raise ValueError(
                        "due_on or effective_on is not the one of the bill's first row"
                    )
                line, accrued = self._line(row)
            except ValueError as error:
                bad[number] = str(error)
            else:
                lines.append(line)
                penalty += accrued
                amount += line.payable
        try:
            account, period = field.account_number(head[0]), field.month(head[1], "period")
            due_on, effective_on = field.day(head[2], "due_on"), field.day(head[3], "effective_on")
        except ValueError as error:
            bad.setdefault(group.row, str(error))
        if bad:
            raise RowsRefused(bad, amount)
        return Bill(
            row=group.row,
            start=group.start,
            end=group.end,
            rows=group.rows,
            account=account,
            amount=amount,
            period=period,
            due_on=due_on,
            effective_on=effective_on,
            lines=tuple(lines),
            penalty=penalty,
        )

    def _line(self, row: Fields) -> tuple[ChargeLine, Kopecks]:
        _, _, _, _, service, name, text, again, less, late, unit, tariff, volume, why = row
        titles = service, name, unit, tariff
        known = self._titles.get(titles) or self._title(titles)
        service, name, unit, tariff = known
        charged = field.kopecks(text, "charged")
        if charged < 0:
            raise ValueError(
                f"charged: {field.shown(text)} is negative; money back is a recalculation"
            )
        recalculation = field.kopecks(again, "recalculation") if again else 0
        privilege = field.positive(less, "privilege") if less else 0
        line = ChargeLine(
            service,
            name,
            charged + recalculation - privilege,
            charged,
            recalculation,
            privilege,
            unit,
            tariff,
            field.decimal(volume, "volume") if volume else "",
            field.words(why, "explanation", 500) if why else "",
        )
        return line, field.positive(late, "penalty") if late else 0

    def _title(self, titles: Fields) -> Fields:
        # The same few services come on every bill: they are checked once, and kept once.
        service, name, unit, tariff = titles
        if len(self._titles) >= _CACHED:
            self._titles.clear()
        known = (
            field.service_code(service),
            field.words(name, "name", 200, needed=True),
            field.words(unit, "unit", 40),
            field.decimal(tariff.strip(), "tariff"),
        )
        return self._titles.setdefault(titles, known)
