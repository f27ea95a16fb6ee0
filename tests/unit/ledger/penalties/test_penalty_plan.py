"""The plan of a debt: its segments without amounts, shared by all debts that are alike."""

from __future__ import annotations

from datetime import date

from services.ledger.penalties.calculator import penalty_on
from services.ledger.penalties.payment_matching import Due, Part
from services.ledger.penalties.plan import plan_of
from services.ledger.penalties.rules import load_rules
from shared.payer_kinds import PayerKind

RULES = load_rules(environ={})
DUE, JUNE, AUGUST = date(2026, 4, 15), date(2026, 6, 20), date(2026, 8, 10)
LATE = date(2026, 4, 16)


def total(*parts: Part) -> int:
    owed = Due(sum(part.amount for part in parts), "2026-03", DUE)
    return penalty_on(owed, parts, PayerKind.HOUSEHOLD, AUGUST, RULES).total


def test_debts_that_are_alike_share_their_plan() -> None:
    first = plan_of(RULES, PayerKind.HOUSEHOLD, LATE, AUGUST, (JUNE, None))
    assert plan_of(RULES, PayerKind.HOUSEHOLD, LATE, AUGUST, (JUNE, None)) is first
    assert plan_of(RULES, PayerKind.CAPITAL_REPAIR, LATE, AUGUST, (JUNE, None)) is not first


def test_a_plan_knows_no_amounts_so_each_debt_bears_its_own() -> None:
    assert total(Part(200_000, JUNE), Part(250_000)) == 11_963
    assert total(Part(400_000, JUNE), Part(500_000)) == 10_260 + 3_800 + 9_865


def test_parts_paid_on_one_day_bear_together_however_many_they_are() -> None:
    many = [Part(20_000, JUNE)] * 10 + [Part(25_000)] * 10
    assert total(*many) == total(Part(200_000, JUNE), Part(250_000)) == 11_963


def test_the_order_of_the_parts_makes_no_difference() -> None:
    parts = [Part(250_000), Part(100_000, JUNE), Part(100_000, date(2026, 5, 30))]
    assert total(*parts) == total(*reversed(parts)) > 0
