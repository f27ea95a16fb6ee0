"""What a bill as PDF costs: its data, its code, its way out of the hub, beside typst alone."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typst

from gateway.documents.bill import bill_pdf, with_payees
from gateway.documents.payees import load_payees
from tests.bench.company import Bench
from tests.bench.measure import RUNS, Result, compare, seconds

BILLS = 40
LINES = 12
MOST_SECONDS = 0.150
"""What a payer may wait for the slowest bill of twenty."""
_COLUMNS = ("opening", "charged", "recalculated", "concession", "penalty", "paid", "closing")
_BARE = """
#let data = json(bytes(sys.inputs.data))
#set document(title: data.number, date: datetime(year: 2026, month: 10, day: 31))
#set text(lang: "ru", size: 10pt)
= #data.number
#table(
  columns: 5,
  table.header([Услуга], [Объём], [Тариф], [Начислено], [Всего]),
  ..data.lines.map(line => (
    line.name, line.volume, line.tariff, str(line.charged), str(line.payable),
  )).flatten(),
)
"""


def bill_pdfs(_bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Return bills a second, and the 95th percentile of one in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder, "bare.typ")
        template.write_text(_BARE, "utf-8")
        compiler = typst.Compiler(input=str(template), root=folder)
        taken: dict[str, list[float]] = {"ours": [], "bare": []}

        def bare(number: str) -> None:
            text = json.dumps(_bill(number), ensure_ascii=False)
            compiler.compile(
                format="pdf", sys_inputs={"data": text}, pdf_standards=["a-3a", "ua-1"]
            )

        def each(name: str, make: Callable[[str], object]) -> float:
            for number in range(BILLS):
                taken[name].append(seconds(lambda n=number: make(f"{len(taken[name])}{n:06}")))
            return sum(taken[name][-BILLS:])

        def ours(number: str) -> None:
            bill_pdf(_bill(number), "ru")

        ours("0")
        bare("0")
        rate = compare(
            f"bills of {LINES} lines as PDF",
            "bills/s",
            BILLS,
            lambda: each("ours", ours),
            "bare typst compile of the same lines",
            lambda: each("bare", bare),
            progress=progress,
        )
    slow, slow_bare = (statistics.quantiles(times, n=20)[-1] for times in taken.values())
    slowest = Result(
        name=f"the same, 95th percentile of {BILLS * RUNS} (at most {MOST_SECONDS * 1000:.0f} ms)",
        unit="ms",
        ours=slow * 1000,
        reference_name="bare typst compile",
        reference=slow_bare * 1000,
        ratio=slow / slow_bare,
        target=None,
    )
    return [rate, slowest]


def _bill(number: str) -> dict[str, Any]:
    lines: list[dict[str, Any]] = [
        {
            "service": f"service_{place}",
            "name": f"Услуга номер {place}",
            "unit": "м³",
            "tariff": "36.18",
            "volume": f"{place}.638",
            "charged": 16780 + place,
            "recalculation": 0,
            "concession": 0,
            "payable": 16780 + place,
            "explanation": None,
        }
        for place in range(LINES)
    ]
    services = [
        {**dict.fromkeys(_COLUMNS, 0), "service": line["service"], "name": line["name"]}
        | {"charged": line["charged"], "closing": line["payable"]}
        for line in lines
    ]
    bill = {
        "number": number,
        "period": "2026-10",
        "latest": "2026-10",
        "bill_number": f"2026-10/{number}",
        "issued_on": "2026-10-31",
        "due_on": "2026-11-16",
        "first_day": "2026-10-01",
        "last_day": "2026-10-31",
        "lines": lines,
        "adjustments": [],
        "other_bills": [],
        "penalties": [],
        "payments": [],
        "services": services,
        "totals": {column: sum(row[column] for row in services) for column in _COLUMNS},
        "holder": "Примерова Полина Образцовна",
        "address": "г. Примерск, ул. Образцовая, д. 4, кв. 1",
        "residents": 3,
        "total_area": "54.2",
        "living_area": None,
        "heated_area": None,
        "els": None,
    }
    return with_payees(bill, load_payees())
