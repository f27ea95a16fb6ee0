"""The scenario of one account: random events, reproducible by the seed.

Payers have a behaviour (prompt, in part, in advance, seldom, never), billing centres err, banks
send their files late. Amounts depend on what is owed: about that, for the oracle takes its time,
and now and then exactly that.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from tests.simulation.reading import Row, entries_of, kopecks
from tests.simulation.reference_model import ModelAccount
from tests.simulation.steps import Step, first_of, last_of

SERVICES = {
    "heating": "Отопление",
    "hot_water": "Горячее водоснабжение",
    "cold_water": "Холодное водоснабжение",
    "sewerage": "Водоотведение",
    "maintenance": "Содержание «общего»; жилого помещения",
    "capital_repair": "Капитальный ремонт",
    "waste": "Обращение с ТКО",
    "electricity": 'Электроснабжение "ОДН"',
}
KINDS = {"household": 90, "organisation": 7, "managing_company": 3, "capital_repair": 0}
"""Payer kind -> how many of 100 accounts; capital repair is a line in the bills of the others."""
EXACTLY = 0.1
"""The share of payments that know to the kopeck what is owed."""
BEHAVIOURS = ("prompt", "in_part", "in_advance", "seldom", "never")


class AccountScenario:
    """One account; ``rows`` returns its rows of each step."""

    def __init__(self, seed: int, index: int) -> None:
        self._chance = random.Random(f"{seed} {index}")  # noqa: S311 - reproducible
        self.number = f"{index + 1:010}"
        self.account = ModelAccount()
        self._behaviour = self._chance.choice(BEHAVIOURS)
        [self._kind] = self._chance.choices([*KINDS], [*KINDS.values()])
        self._in_registry = self._chance.random() < 0.6
        # Some accounts from the registry get their opening balance only later, or never.
        self._opens_in = self._chance.choice((0, 0, 2, None)) if self._in_registry else 0
        self._billed: dict[str, list[str]] = {}
        self._area = self._chance.randint(25, 120)
        self._lines = self._chance.choice((8, 8, 8, 8, 5, 3, 1))

    def rows(self, step: Step) -> Sequence[Row]:
        """Return the rows of a step, and record them in the model."""
        if step.kind == "accrual":
            self.account.accrue(step.day)
            return ()
        makers: dict[str, Callable[[Step], list[dict[str, Any]]]] = {
            "registry": self._registry,
            "opening": self._opening,
            "charges": self._bill,
            "adjustments": self._adjustment,
            "payments": self._payments,
            "reversals": self._reversal,
            "write-offs": self._write_off,
        }
        rows = [{"account": self.number, **row} for row in makers[step.kind](step)]
        if rows:
            for entry in entries_of(step.kind, rows, self.account):
                self.account.record(entry)
        return rows

    def _registry(self, step: Step) -> list[dict[str, Any]]:
        if not self._in_registry:
            return []
        return [{"payer_kind": self._kind, "effective_on": first_of(0).isoformat()}]

    def _opening(self, step: Step) -> list[dict[str, Any]]:
        if self._opens_in != step.month:
            return []
        chance = self._chance
        day = first_of(0) if step.month == 0 else chance.choice((first_of(0), step.day))
        rows = []
        for service in chance.sample(list(SERVICES), chance.randint(1, 8)):
            amount = chance.choice((1, 1, 1, -1)) * chance.randint(1, 400_000)
            row = {"service": service, "amount": roubles(amount), "effective_on": day.isoformat()}
            rows.append({**row, "payer_kind": self._kind})
        return rows

    def _bill(self, step: Step) -> list[dict[str, Any]]:
        chance = self._chance
        if chance.random() < 0.01:
            return []  # the meters were not read
        period = f"{step.day:%Y-%m}"
        day = step.day if chance.random() < 0.9 else step.day.replace(day=chance.randint(20, 28))
        due = last_of(step.month + 1).replace(day=chance.choice((10, 15, 15)))
        services = list(SERVICES)[: self._lines]
        self._billed[period] = services
        is_zero = chance.random() < 0.03
        rows = [
            {
                "period": period,
                "due_on": due.isoformat(),
                "effective_on": day.isoformat(),
                "service": service,
                "name": SERVICES[service],
                **self._line(is_zero),
            }
            for service in services
        ]
        if chance.random() < 0.02 and self.account.about > 0:
            # A centre charges it to those who owe; the next accrual corrects it by the rules.
            rows[0]["penalty"] = roubles(chance.randint(1, 30_000))
        return rows

    def _line(self, is_zero: bool) -> dict[str, Any]:
        chance = self._chance
        tariff, volume = chance.randint(1_000_000, 60_000_000), chance.randint(1, self._area * 10)
        charged = 0 if is_zero or chance.random() < 0.04 else tariff * volume // 100_000
        recalculation = concession = 0
        explanation = ""
        if charged and chance.random() < 0.05:
            recalculation = chance.choice((-1, -1, 1)) * chance.randint(1, charged * 3)
            explanation = chance.choice(
                ("по акту; № 17", 'по "акту"', "показания за прошлый месяц")
            )
        if charged and chance.random() < 0.1:
            concession = charged // chance.choice((2, 3, 10))
        return {
            "charged": roubles(charged),
            "recalculation": roubles(recalculation) if recalculation else "",
            "concession": roubles(concession) if concession else "",
            "penalty": "",
            "unit": "м2",
            "tariff": f"{tariff // 1_000_000}.{tariff % 1_000_000:06}",
            "volume": f"{volume / 10:.1f}",
            "explanation": explanation,
        }

    def _adjustment(self, step: Step) -> list[dict[str, Any]]:
        chance = self._chance
        if not self._billed or chance.random() > 0.06:
            return []
        period = chance.choice(list(self._billed))
        services = self._billed[period]
        day = step.day - timedelta(chance.choice((0, 0, 3, 20, 45)))
        name = chance.choice((f"А-{step.number}", str(UUID(int=chance.getrandbits(128)))))
        return [
            {
                "adjustment_id": name,
                "period": period,
                "service": service,
                "amount": roubles(chance.choice((-1, -1, 1)) * chance.randint(1, 250_000)),
                "reason": "перерасчёт; по заявлению",
                "effective_on": day.isoformat(),
            }
            for service in chance.sample(services, chance.randint(1, min(3, len(services))))
        ]

    def _payments(self, step: Step) -> list[dict[str, Any]]:
        chance = self._chance
        often = {"prompt": 0.97, "in_part": 0.8, "in_advance": 0.6, "seldom": 0.15, "never": 0.02}
        rows: list[dict[str, Any]] = []
        if self.account.entries and chance.random() < often[self._behaviour]:
            rows.append(self._payment(step))
            if chance.random() < 0.05:
                rows.append(self._payment(step))
        return rows

    def _payment(self, step: Step) -> dict[str, Any]:
        chance, owed = self._chance, max(0, self.account.about)
        penalty_owed = chance.randint(0, owed // 50)
        if chance.random() < EXACTLY:
            state = self.account.states([step.day])[step.day]
            owed, penalty_owed = state.total, state.owed
        amount = {
            "prompt": owed,
            "in_part": owed * chance.randint(10, 99) // 100,
            "in_advance": (owed // 100_000 + chance.randint(0, 9)) * 100_000,
            "seldom": chance.randint(1, max(1, owed * 3)),
            "never": chance.randint(1, 10_000),
        }[self._behaviour]
        penalty: int | None = chance.choice(
            (penalty_owed, penalty_owed, 0, penalty_owed // 2, penalty_owed + 100, None)
        )
        if amount + (penalty or 0) <= 0:
            amount = 1
        # A bank's register may come a month late; the day is that of the payment.
        day = step.day - timedelta(chance.choice((0, 1, 2, 5, 10, 15, 20, 24, 40)))
        months = list(self._billed)
        period = chance.choice(months) if months and chance.random() < 0.05 else ""
        return {
            "payment_id": str(UUID(int=chance.getrandbits(128), version=4)),
            "paid_on": max(day, first_of(0)).isoformat(),
            "amount": amount,
            "penalty": penalty,
            "period": period,
        }

    def _reversal(self, step: Step) -> list[dict[str, Any]]:
        chance, payments = self._chance, list(self.account.payments)
        if not payments or chance.random() > 0.03:
            return []
        day: date = step.day - timedelta(chance.choice((0, 0, 10)))
        return [{"payment_id": chance.choice(payments), "on": day.isoformat()}]

    def _write_off(self, step: Step) -> list[dict[str, Any]]:
        if not self.account.entries or self._chance.random() > 0.1:
            return []
        owed = self.account.states([step.day])[step.day].owed
        if not owed:
            return []
        part = self._chance.choice((owed, owed // 2 or owed))
        return [{"amount": part, "on": step.day.isoformat()}]


def roubles(amount: int) -> str:
    """Format kopecks as a file has them, so that they parse back unchanged."""
    text = f"{'-' if amount < 0 else ''}{abs(amount) // 100},{abs(amount) % 100:02}"
    assert kopecks(text) == amount
    return text
