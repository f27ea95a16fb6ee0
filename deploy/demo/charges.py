"""Generates the bills of the demo company: ``python -m deploy.demo charges > charges.csv``.

The same input always gives the same file. Volumes are pseudo-random meter readings, except that of
heating in the last month: it makes the total of the bill equal the `bill_total` by which the owner
of the account proves ownership. The file is as :mod:`services.ledger.importing`
reads it; tariff x volume is the charge, to the kopeck, on every line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any, TextIO

from deploy.demo.company import DEMO_PERSON_ACCOUNTS, DemoAccount
from deploy.demo.penalties import penalty_of_month
from shared.money import Kopecks

PERIODS = (
    "2025-10", "2025-11", "2025-12", "2026-01", "2026-02", "2026-03", "2026-04",
    "2026-05", "2026-06", "2026-07", "2026-08", "2026-09", "2026-10",
)  # fmt: skip
"""A year, and the month before it: the last month can be compared with that of a year ago."""
COLUMNS = (
    "account", "period", "due_on", "effective_on", "service", "name", "unit", "tariff", "volume",
    "charged", "recalculation", "concession", "penalty", "explanation", "bill_number",
)  # fmt: skip


@dataclass(frozen=True)
class Service:
    """A service with its tariffs in roubles per unit: until 2026-09, and from 2026-10 on."""

    code: str
    name: str
    unit: str
    before: Decimal
    since_october: Decimal

    def tariff(self, period: str) -> Decimal:
        return self.since_october if period >= "2026-10" else self.before


def _service(code: str, name: str, unit: str, before: str, since_october: str) -> Service:
    return Service(code, name, unit, Decimal(before), Decimal(since_october))


HEATING = _service("heating", "Отопление", "Гкал", "2418.36", "2659.7125")
HOT_WATER = _service("hot_water", "Горячее водоснабжение", "м³", "176.94", "194.52")
COLD_WATER = _service("cold_water", "Холодное водоснабжение", "м³", "36.18", "39.61")
SEWERAGE = _service("sewerage", "Водоотведение", "м³", "29.47", "32.05")
MAINTENANCE = _service("maintenance", "Содержание жилого помещения", "м²", "16.84", "16.84")
WASTE = _service("waste", "Обращение с ТКО", "м²", "3.12", "3.38")
CAPITAL_REPAIR = _service("capital_repair", "Взнос на капитальный ремонт", "м²", "13.16", "13.16")


@dataclass(frozen=True)
class Billing:
    """What a payer kind is billed for: services by area, and heat and water by meter.

    The volume of water follows from the residents, or else from the area.
    """

    by_area: tuple[Service, ...] = ()
    metered: bool = True
    by_residents: bool = False


BILLING = {
    "household": Billing((MAINTENANCE, WASTE, CAPITAL_REPAIR), by_residents=True),
    "capital_repair": Billing((CAPITAL_REPAIR,), metered=False),
    "organisation": Billing(),
    "managing_company": Billing(),
}
"""By payer kind."""

HEATING_SEASON = {
    "2025-10": Decimal("0.95"), "2025-11": Decimal("1.20"), "2025-12": Decimal("1.45"),
    "2026-01": Decimal("1.60"), "2026-02": Decimal("1.50"), "2026-03": Decimal("1.20"),
    "2026-04": Decimal("0.80"), "2026-05": Decimal("0.35"), "2026-10": Decimal(1),
}  # fmt: skip
"""The heat of a month as a part of the last October's; none in summer."""
LEAST_HEAT = Decimal("11.0")
"""Roubles per square metre that the last bill keeps for heating, at the cost of water."""


@dataclass(frozen=True)
class Line:
    """One line of a bill; sums in kopecks."""

    service: Service
    tariff: Decimal
    volume: Decimal
    charged: Kopecks
    recalculation: Kopecks = 0
    concession: Kopecks = 0
    explanation: str = ""

    @property
    def payable(self) -> Kopecks:
        return self.charged + self.recalculation - self.concession


@dataclass(frozen=True)
class Bill:
    """One month of an account; `penalty` is what its earlier bills accrued in that month."""

    account: DemoAccount
    period: str
    lines: tuple[Line, ...]
    penalty: Kopecks = 0

    @property
    def total(self) -> Kopecks:
        return sum(line.payable for line in self.lines)


def all_bills(accounts: Sequence[DemoAccount]) -> list[Bill]:
    """Return the bills of all accounts, month by month."""
    # A separate account for capital repair is not billed for it twice.
    apart = {one.address for one in accounts if one.payer_kind == "capital_repair"}
    bills: list[Bill] = []
    for period in PERIODS:
        for number, account in enumerate(accounts, start=1):
            if period not in PERIODS[-_months_of(account, number) :]:
                continue
            lines = _lines(account, period, number, account.address in apart)
            unpaid = [
                (bill.total, due_on(bill.period)) for bill in bills if bill.account == account
            ]
            penalty = penalty_of_month(account.payer_kind, unpaid, last_day(period))
            bills.append(Bill(account, period, lines, penalty))
    return bills


def write_bills(bills: Iterable[Bill], file: TextIO) -> None:
    """Write a file of charges: CSV with `;`, a row per line of a bill."""
    writer = csv.DictWriter(file, COLUMNS, delimiter=";", lineterminator="\n")
    writer.writeheader()
    for bill in bills:
        for index, line in enumerate(bill.lines):
            writer.writerow(_row(bill, line, bill.penalty if index == 0 else 0))


def due_on(period: str) -> date:
    """Return the due date of a month: the 10th of the next one, or the next working day.

    From 2026-03 on it is the 15th (ЖК РФ ст. 155 ч. 1 as of 2026-03-01). No public holiday falls
    on these days.
    """
    day = last_day(period) + timedelta(days=15 if period >= "2026-03" else 10)
    while day.weekday() >= 5:
        day += timedelta(days=1)
    return day


def last_day(period: str) -> date:
    """Return the last day of a month, on which its charges take effect."""
    first = date.fromisoformat(f"{period}-01")
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _months_of(account: DemoAccount, number: int) -> int:
    """Return how many months the company has billed an account.

    A quarter of the accounts and those of the demo person are billed for all periods. Nobody has
    paid yet, so those are the debtors; the others are recent.
    """
    if number % 4 == 1 or number == 38 or account.number in DEMO_PERSON_ACCOUNTS:
        return len(PERIODS)
    return 1 + number % 3


def _lines(account: DemoAccount, period: str, number: int, repair_apart: bool) -> tuple[Line, ...]:
    billing = BILLING[account.payer_kind]
    fixed = []
    for service in billing.by_area:
        if service is CAPITAL_REPAIR and billing.metered and repair_apart:
            continue
        concession = "Льгота 50 %" if service is MAINTENANCE and number % 10 == 4 else ""
        fixed.append(_charged(service, period, account.total_area, concession))
    if not billing.metered:
        return tuple(fixed)
    water = _water(account, period, number, fixed)
    heating = _heating(account, period, number, [*fixed, *water])
    return (*heating, *water, *fixed)


def _water(account: DemoAccount, period: str, number: int, fixed: Sequence[Line]) -> list[Line]:
    meter = Random(f"water {account.number} {period}")  # noqa: S311 - no secret
    by_residents = BILLING[account.payer_kind].by_residents
    people = account.residents if by_residents else account.total_area / 12
    hot, cold = (people * Decimal(meter.randint(*liters)) for liters in ((650, 1450), (900, 2100)))
    if period == PERIODS[-1]:
        wish = [_charged(HOT_WATER, period, hot / 1000), _charged(COLD_WATER, period, cold / 1000)]
        wish.append(_charged(SEWERAGE, period, (hot + cold) / 1000))
        budget = account.bill_total - _sum(fixed) - int(account.heated_area * LEAST_HEAT * 100)
        part = min(Decimal(1), Decimal(budget) / max(1, _sum(wish)))
        hot, cold = hot * part, cold * part
    hot, cold = (_rounded(volume / 1000, "0.001") for volume in (hot, cold))
    lines = [
        _charged(HOT_WATER, period, hot),
        _charged(COLD_WATER, period, cold),
        _charged(SEWERAGE, period, hot + cold),
    ]
    if period == "2026-08" and number % 2:
        days = 10
        less = _kopecks(lines[0].charged * Decimal(days) / 31 / 100)
        lines[0] = _with(
            lines[0], recalculation=-less, explanation=f"Перерасчёт: отключение на {days} суток"
        )
    return [line for line in lines if line.volume]


def _heating(account: DemoAccount, period: str, number: int, others: Sequence[Line]) -> list[Line]:
    if period not in HEATING_SEASON:
        return []
    late = period == "2026-10" and number % 7 == 3
    less = _kopecks(account.heated_area * Decimal("1.15")) if late else 0
    tariff = HEATING.tariff(period)
    if period == PERIODS[-1]:
        charged = account.bill_total - _sum(others) + less
        volume = _rounded(Decimal(charged) / 100 / tariff, "0.000001")
    else:
        meter = Random(f"heat {account.number} {period}")  # noqa: S311 - no secret
        october = account.heated_area * Decimal(meter.randint(9000, 14000)) / 1_000_000
        volume = _rounded(october * HEATING_SEASON[period], "0.000001")
    line = _charged(HEATING, period, volume)
    if late:
        why = "Перерасчёт: отопление включено позже на 2 суток"
        line = _with(line, recalculation=-less, explanation=why)
    return [line]


def _charged(service: Service, period: str, volume: Decimal, concession: str = "") -> Line:
    tariff = service.tariff(period)
    charged = _kopecks(tariff * volume)
    half = _kopecks(Decimal(charged) / 200) if concession else 0
    return Line(service, tariff, volume, charged, concession=half, explanation=concession)


def _with(line: Line, *, recalculation: Kopecks, explanation: str) -> Line:
    return Line(
        line.service, line.tariff, line.volume, line.charged, recalculation, line.concession,
        explanation,
    )  # fmt: skip


def _sum(lines: Iterable[Line]) -> Kopecks:
    return sum(line.payable for line in lines)


def _kopecks(roubles: Decimal) -> Kopecks:
    return int((roubles * 100).quantize(Decimal(1), ROUND_HALF_UP))


def _rounded(number: Decimal, step: str) -> Decimal:
    return number.quantize(Decimal(step), ROUND_HALF_UP)


def _row(bill: Bill, line: Line, penalty: Kopecks) -> dict[str, Any]:
    return {
        "account": bill.account.number,
        "period": bill.period,
        "due_on": due_on(bill.period).isoformat(),
        "effective_on": last_day(bill.period).isoformat(),
        "service": line.service.code,
        "name": line.service.name,
        "unit": line.service.unit,
        "tariff": _plain(line.tariff),
        "volume": _plain(line.volume),
        "charged": _roubles(line.charged),
        "recalculation": _roubles(line.recalculation),
        "concession": _roubles(line.concession),
        "penalty": _roubles(penalty),
        "explanation": line.explanation,
        "bill_number": f"{bill.period}/{bill.account.bill_number.rpartition('/')[2]}",
    }


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _roubles(amount: Kopecks) -> str:
    """Format an amount as in files; an empty text for zero."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100},{abs(amount) % 100:02d}" if amount else ""
