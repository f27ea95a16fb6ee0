"""The oracle gives what was worked out by hand."""

from __future__ import annotations

from datetime import date
from itertools import permutations

import pytest

from tests.ledger_oracle import law
from tests.ledger_oracle.facts import Fact
from tests.ledger_oracle.oracle import State, shares, state_of


def day(text: str) -> date:
    return date.fromisoformat(text)


def opened(kind: str = "household", **lines: int) -> Fact:
    return Fact(day("2024-01-01"), "open", period="0001-01", kind=kind, lines=lines)


def bill(period: str, on: str, due: str, **lines: int) -> Fact:
    return Fact(day(on), "bill", period, period, lines, day(due))


def paid(name: str, on: str, amount: int, penalty: int = 0, period: str = "") -> Fact:
    return Fact(day(on), "pay", name, period, amount=amount, penalty=penalty)


def adjusted(name: str, period: str, on: str, **lines: int) -> Fact:
    return Fact(day(on), "adjust", name, period, lines, law.due_on(day(on)))


def refunded(name: str, on: str, payment: str, amount: int) -> Fact:
    return Fact(day(on), "refund", name, amount=amount, payment=payment)


def reversed_(name: str, on: str) -> Fact:
    return Fact(day(on), "reverse", name)


def sums(state: State) -> tuple[int, int, int]:
    return state.total, state.owed, state.advance


@pytest.mark.parametrize(
    ("kind", "service", "total"),
    [
        ("household", "heating", 119_63),
        ("household", "capital_repair", 91_68),
        ("organisation", "heating", 310_21),
    ],
)
def test_worked_example(kind: str, service: str, total: int) -> None:
    facts = [
        opened(kind),
        bill("2026-03", "2026-03-31", "2026-04-15", **{service: 4_500_00}),
        paid("a", "2026-06-20", 2_000_00),
        paid("b", "2026-08-10", 2_500_00),
    ]
    state = state_of(facts, day("2026-08-10"))
    assert (state.penalty, state.owed, state.principal) == (total, total, {})


@pytest.mark.parametrize(
    ("on", "penalty"),
    [("2026-05-15", 0), ("2026-05-16", 1_43), ("2026-07-14", 85_50), ("2026-07-15", 88_79)],
)
def test_worked_example_unpaid(on: str, penalty: int) -> None:
    facts = [opened(), bill("2026-03", "2026-03-31", "2026-04-15", heating=4_500_00)]
    assert state_of(facts, day(on)).owed == penalty


def test_two_bills_in_any_order_of_recording() -> None:
    facts = [
        opened(),
        bill("2024-01", "2024-01-31", "2024-02-10", water=1_000_00),
        bill("2024-05", "2024-05-31", "2024-06-10", water=1_000_00),
        paid("a", "2024-05-20", 1_000_00),
        paid("b", "2024-08-10", 1_000_00),
    ]
    for order in permutations(facts):
        assert state_of(order, day("2024-09-01")).owed == 36_13
    assert state_of(facts, day("2024-08-01")).owed == 33_28


def test_penalty_named_too_high_pays_principal_and_then_becomes_an_advance() -> None:
    facts = [
        opened(),
        bill("2026-03", "2026-03-31", "2026-04-15", water=4_500_00),
        paid("a", "2026-07-14", 0, 100_00),
    ]
    # 85.50 of penalty are owed by that day, and are paid; the rest pays principal.
    assert sums(state_of(facts, day("2026-07-14"))) == (4_485_50, 0, 0)
    facts.append(paid("b", "2026-07-14", 4_485_50, 3_00))
    assert sums(state_of(facts, day("2026-12-01"))) == (0, 0, 3_00)


def test_reversal_takes_the_advance_and_then_what_it_paid_the_last_first() -> None:
    facts = [
        opened(),
        bill("2026-03", "2026-03-31", "2026-04-15", water=100_00),
        paid("a", "2026-04-10", 230_00),
        bill("2026-04", "2026-04-30", "2026-05-15", water=60_00, lift=40_00),
        reversed_("a", "2026-05-01"),
    ]
    state = state_of(facts, day("2026-05-01"))
    assert state.principal == {
        "2026-03": {"water": 100_00},
        "2026-04": {"water": 60_00, "lift": 40_00},
    }
    assert state.advance == 0


def test_a_refund_takes_what_is_left_over_the_penalty_and_the_newest_month() -> None:
    facts = [
        opened(),
        bill("2026-03", "2026-03-31", "2026-04-15", heating=3_000_00, water=1_500_00),
        bill("2026-04", "2026-04-30", "2026-05-15", heating=2_000_00, water=1_000_00),
        paid("a", "2026-06-20", 7_600_00, 57_00),
        refunded("x", "2026-07-01", "a", 60_00),
    ]
    assert sums(state_of(facts, day("2026-07-01"))) == (0, 0, 40_00)
    facts.append(refunded("y", "2026-07-01", "a", 1_060_00))
    state = state_of(facts, day("2026-07-01"))
    assert state.principal == {"2026-04": {"heating": 642_00, "water": 321_00}}
    assert (state.paid, state.advance) == (0, 0)
    facts.append(refunded("z", "2026-07-01", "a", 6_537_00))
    assert sums(state_of(facts, day("2026-07-01"))) == (7_500_00, 83_13, 0)


def test_a_reversal_undoes_what_refunds_have_left() -> None:
    facts = [
        opened(),
        bill("2026-03", "2026-03-31", "2026-04-15", water=100_00),
        paid("a", "2026-04-10", 100_00),
        refunded("x", "2026-05-01", "a", 30_00),
        Fact(day("2026-04-20"), "reverse", "a", amount=70_00),
    ]
    assert sums(state_of(facts, day("2026-04-20"))) == (70_00, 0, 0)
    assert sums(state_of(facts, day("2026-05-01"))) == (100_00, 0, 0)


def test_another_payments_advance_pays_what_a_reversal_reopens() -> None:
    facts = [
        opened(),
        bill("2026-03", "2026-03-31", "2026-04-15", water=100_00),
        paid("a", "2026-04-10", 100_00),
        paid("b", "2026-04-11", 70_00),
        reversed_("a", "2026-05-01"),
    ]
    assert sums(state_of(facts, day("2026-05-01"))) == (30_00, 0, 0)


def test_money_back_pays_its_own_month_then_the_oldest_then_the_penalty() -> None:
    facts = [
        opened(),
        bill("2026-03", "2026-03-31", "2026-04-15", water=4_500_00),
        bill("2026-06", "2026-06-30", "2026-07-15", water=10_00, lift=-4_600_00),
        bill("2026-07", "2026-07-31", "2026-08-17", water=1_00),
    ]
    # By 2026-06-30 46 days at 1/300: 65.55. Of 4600.00 10.00 pay June, 4500.00 March.
    assert sums(state_of(facts, day("2026-06-30"))) == (0, 0, 24_45)
    assert sums(state_of(facts, day("2026-07-31"))) == (0, 0, 23_45)


def test_recalculation_downwards_gives_back_waiver_and_penalty() -> None:
    facts = [
        opened(),
        bill("2026-03", "2026-03-31", "2026-04-15", water=4_500_00),
        Fact(day("2026-07-14"), "write_off", amount=50_00),
        paid("a", "2026-07-14", 4_500_00, 35_50),
        adjusted("x", "2026-03", "2026-07-20", water=-4_500_00),
    ]
    state = state_of(facts, day("2026-07-20"))
    assert (state.penalty, state.paid, state.waived, state.advance) == (0, 0, 0, 4_535_50)


def test_penalty_that_was_paid_before_it_is_waived_is_money_back() -> None:
    facts = [
        opened(),
        bill("2026-03", "2026-03-31", "2026-04-15", water=4_500_00),
        paid("a", "2026-07-14", 4_500_00, 85_50),
        Fact(day("2026-07-20"), "write_off", amount=100_00),
    ]
    state = state_of(facts, day("2026-07-20"))
    assert (state.penalty, state.paid, state.waived, state.advance) == (85_50, 0, 85_50, 85_50)


def test_fall_of_the_rate_between_facts_gives_money_back_on_its_day() -> None:
    facts = [
        opened("organisation"),
        bill("2019-06", "2019-06-30", "2019-07-10", water=100_000_00),
        paid("a", "2019-07-28", 0, 1_038_46),
    ]
    # 18 days at 7.5 %, 1/130: all paid. On the 29th 19 days at 7.25 % are 1 059.62; on 2019-09-09
    # the rate falls again, but a day more each day outweighs it.
    assert sums(state_of(facts, day("2019-07-28"))) == (100_000_00, 0, 0)
    assert sums(state_of(facts, day("2019-07-29"))) == (100_000_00, 21_16, 0)
    early = [*facts[:2], paid("a", "2020-04-26", 0, 99_999_99)]
    before, after = (state_of(early, day(text)) for text in ("2020-04-26", "2020-04-27"))
    assert after.penalty < before.paid, "during the moratorium no day outweighs the fall"
    assert sum(after.principal["2019-06"].values()) < sum(before.principal["2019-06"].values())
    assert after.owed == 0


def test_adjustment_upwards_is_late_with_the_bill_of_its_month() -> None:
    facts = [
        opened("organisation"),
        bill("2026-03", "2026-03-31", "2026-04-15", water=1_00),
        paid("a", "2026-04-01", 1_00),
        adjusted("x", "2026-03", "2026-06-20", water=10_000_00),
    ]
    assert state_of(facts, day("2026-07-15")).penalty == 0
    assert state_of(facts, day("2026-07-16")).penalty == 7_31


def test_change_of_payer_kind_holds_for_debts_from_its_day() -> None:
    facts = [
        opened(),
        bill("2026-03", "2026-03-31", "2026-04-15", water=1_000_00),
        Fact(day("2026-04-30"), "kind", kind="organisation"),
        bill("2026-04", "2026-04-30", "2026-05-15", water=1_000_00),
    ]
    assert state_of(facts, day("2026-05-15")).penalty == 0
    assert state_of(facts, day("2026-05-16")).penalty == 73 + 32


def test_largest_remainders_add_up() -> None:
    assert shares(100, {"a": 1, "b": 1, "c": 1}) == {"a": 34, "b": 33, "c": 33}
    assert sum(shares(101, {"a": 7, "b": 5, "c": 11, "d": 200}).values()) == 101
