"""First and last days, least and largest sums, and rules that are alike."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
import yaml
from penalty_rule_files import SHIPPED, WriteRules

from services.ledger.penalties.calculator import Penalty, calculate
from services.ledger.penalties.calendar import check_period, due_day_of
from services.ledger.penalties.payment_matching import Charge, Credit
from services.ledger.penalties.rules import PenaltyRules, Rate, load_rules
from shared.errors import ValidationFailed
from shared.money import MAX_AMOUNT
from shared.payer_kinds import PayerKind

A_DAY = timedelta(days=1)
DUE = date(2026, 4, 15)
MARCH = Charge(period="2026-03", amount=450_000)
CAP = {"from": "2022-02-28", "to": "2026-12-31", "percent": "9.5", "source": "a decree"}


def segments_of(penalty: Penalty) -> list[tuple[str, int, int, int]]:
    return [
        (f"{s.first_day:%m-%d}..{s.last_day:%m-%d}", s.days, s.base, s.amount)
        for s in penalty.charges[0].segments
    ]


def test_three_payments_make_four_steps_down(rules: PenaltyRules) -> None:
    """And two on one day are one."""
    days = [date(2026, 4, 20), date(2026, 5, 20), date(2026, 6, 20)]
    paid = [Credit(on=day, amount=100_000) for day in days]
    paid.append(Credit(on=days[1], amount=50_000))
    penalty = calculate([MARCH], paid, PayerKind.ORGANISATION, date(2026, 7, 20), rules)
    assert segments_of(penalty) == [
        ("04-16..04-20", 5, 450_000, 16_44),
        ("04-21..05-20", 30, 350_000, 76_73),
        ("05-21..06-20", 31, 200_000, 45_31),
        ("06-21..07-20", 30, 100_000, 21_92),
    ]
    assert penalty.unpaid == 100_000


def test_a_penalty_by_an_unconfirmed_rate_is_marked(write_rules: WriteRules) -> None:
    """Parts of one percentage are one debt, unconfirmed as soon as the rate of one part is."""
    known_to = date(2026, 7, 26)
    rules = load_rules(
        write_rules(key_rates={"2025-01-01": "5"}, key_rates_confirmed_to=str(known_to), caps=[])
    )
    assert (rules.rate_on(known_to).unconfirmed, rules.rate_on(known_to + A_DAY).unconfirmed) == (
        False,
        True,
    )
    half = Credit(on=known_to, amount=200_000)
    for last, expected in ((known_to, False), (known_to + A_DAY, True)):
        penalty = calculate([MARCH], [half], PayerKind.ORGANISATION, last, rules)
        assert {segment.unconfirmed for segment in penalty.charges[0].segments} == {expected}
        assert {segment.rate for segment in penalty.charges[0].segments} == {Decimal(5)}
        assert penalty.unconfirmed is expected
    rest = Credit(on=known_to + A_DAY, amount=250_000)
    in_turn = calculate([MARCH], [half, rest], PayerKind.ORGANISATION, date(2026, 9, 1), rules)
    assert in_turn.unconfirmed


def test_a_cap_holds_through_its_last_day(write_rules: WriteRules) -> None:
    """Also when the key rate changes on that very day."""
    caps: list[dict[str, Any]] = [{**CAP, "unconfirmed": "true"}]
    changes = {"key_rates": {"2025-01-01": "16", "2026-12-31": "20"}, "caps": caps}
    rules = load_rules(write_rules(**changes))
    capped = Rate(Decimal("9.5"), 19, 200, True, ("a decree",))
    assert rules.rate_on(date(2025, 1, 1)) == capped
    assert rules.rate_on(date(2026, 12, 31)) == capped
    assert rules.rate_on(date(2027, 1, 1)) == Rate(Decimal(20), 1, 5, True)
    confirmed = load_rules(write_rules(**changes | {"caps": [CAP]}))
    assert confirmed.rate_on(date(2026, 12, 31)) == Rate(
        Decimal("9.5"), 19, 200, False, ("a decree",)
    )


def test_a_cap_of_just_the_key_rate_decides(write_rules: WriteRules) -> None:
    """What the Bank has done since the last confirmed rate makes no difference then."""
    rules = load_rules(
        write_rules(
            key_rates={"2025-01-01": "9.5"}, key_rates_confirmed_to="2025-06-30", caps=[CAP]
        )
    )
    assert rules.rate_on(date(2026, 1, 1)) == Rate(Decimal("9.5"), 19, 200, False, ("a decree",))


def test_a_rate_of_the_last_confirmed_day_is_confirmed(write_rules: WriteRules) -> None:
    rules = load_rules(
        write_rules(
            key_rates={"2025-01-01": "5", "2025-06-30": "6.50"},
            key_rates_confirmed_to="2025-06-30",
            caps=[],
        )
    )
    assert rules.rate_on(date(2025, 6, 29)) == Rate(Decimal(5), 1, 20, False)
    assert rules.rate_on(date(2025, 6, 30)) == Rate(Decimal("6.5"), 13, 200, False)
    assert rules.rate_on(date(2025, 7, 1)) == Rate(Decimal("6.5"), 13, 200, True)


def test_the_law_that_caps_the_rate_is_named_beside_that_of_the_band(rules: PenaltyRules) -> None:
    capped = calculate([MARCH], [], PayerKind.HOUSEHOLD, date(2026, 5, 16), rules)
    deferred, borne = capped.charges[0].segments
    assert deferred.basis == ("ЖК РФ ст. 155 ч. 14",)
    assert borne.basis[0] == "ЖК РФ ст. 155 ч. 14"
    assert "№ 474" in borne.basis[1]


def test_the_version_does_not_depend_on_the_order_of_the_file(
    write_rules: WriteRules, rules: PenaltyRules
) -> None:
    payers = yaml.load(SHIPPED.read_text("utf-8"), yaml.BaseLoader)["payers"]  # noqa: S506
    turned = {kind: payers[kind] for kind in sorted(payers)}
    assert list(turned) != list(payers)
    assert load_rules(write_rules(payers=turned)).version == rules.version
    assert re.fullmatch(r"ru-2026-03\+[0-9a-f]{12}", rules.version)


@pytest.mark.parametrize("percent", ["0", "1000", "9.123456"])
def test_the_least_and_the_largest_rate(write_rules: WriteRules, percent: str) -> None:
    rules = load_rules(write_rules(key_rates={"2025-01-01": percent}, caps=[]))
    rate = rules.rate_on(date(2025, 1, 1))
    assert rate.percent == Decimal(percent)
    assert Fraction(rate.numerator, rate.denominator) == Fraction(percent) / 100


def test_adjacent_moratoria_stay_separate(write_rules: WriteRules) -> None:
    spared = [
        {"from": "2026-05-16", "to": "2026-05-16", "source": "one day"},
        {"from": "2026-05-17", "to": "2026-05-18", "source": "the days after"},
    ]
    rules = load_rules(write_rules(moratoria=spared))
    penalty = calculate([MARCH], [], PayerKind.HOUSEHOLD, date(2026, 5, 19), rules)
    assert [(s.reason, s.days, s.amount) for s in penalty.charges[0].segments] == [
        ("deferment", 30, 0),
        ("moratorium", 3, 0),
        ("accrual", 1, 1_43),
    ]


def test_a_single_day_between_two_moratoria_bears_a_penalty(write_rules: WriteRules) -> None:
    """A band of one day, and the one day of a band that a moratorium leaves."""
    bands = [
        {"from_day": "1", "to_day": "1", "divisor": "300"},
        {"from_day": "2", "to_day": "4", "divisor": "170"},
        {"from_day": "5", "divisor": "130"},
    ]
    law = {"from": "2016-01-01", "source": "x", "bands": bands}
    rules = load_rules(
        write_rules(
            payers={kind.value: [law] for kind in PayerKind},
            moratoria=[{"from": "2026-04-17", "to": "2026-04-18", "source": "a decree"}],
        )
    )
    penalty = calculate([MARCH], [], PayerKind.HOUSEHOLD, date(2026, 4, 20), rules)
    found = [(s.first_day.day, s.days, s.divisor) for s in penalty.charges[0].segments]
    assert found == [(16, 1, 300), (17, 2, None), (19, 1, 170), (20, 1, 130)]
    paid = [Credit(on=date(2026, 4, 18), amount=50_000), Credit(on=date(2026, 4, 19), amount=1)]
    cut = calculate([MARCH], paid, PayerKind.HOUSEHOLD, date(2026, 4, 20), rules)
    assert [(s.first_day.day, s.days, s.base) for s in cut.charges[0].segments] == [
        (16, 1, 450_000),
        (17, 2, 450_000),
        (19, 1, 400_000),
        (20, 1, 399_999),
    ]


def test_a_charge_is_owed_from_the_day_it_takes_effect(rules: PenaltyRules) -> None:
    charge = Charge(amount=100, due_on=date(2026, 4, 15), effective_on=date(2026, 5, 20))
    owed = []
    for day in (19, 20):
        penalty = calculate([charge], [], PayerKind.HOUSEHOLD, date(2026, 5, day), rules)
        assert penalty.charges[0].principal == 100
        owed.append(penalty.unpaid)
    assert owed == [0, 100]


def test_a_calculation_names_its_day_and_its_payer(rules: PenaltyRules) -> None:
    penalty = calculate([MARCH], [], PayerKind.HOUSEHOLD, date(2026, 5, 16), rules)
    assert (penalty.on, penalty.unpaid + penalty.total) == (date(2026, 5, 16), 450_143)
    assert penalty.payer is PayerKind.HOUSEHOLD


def test_nothing_charged_bears_an_exact_nothing(rules: PenaltyRules) -> None:
    penalty = calculate([], [], PayerKind.HOUSEHOLD, date(2026, 5, 16), rules)
    assert (penalty.exact, penalty.exact.denominator, penalty.total) == (0, 1, 0)


# --- what is refused ----------------------------------------------------------------------------


def test_a_month_before_the_first_rule_has_no_due_day(write_rules: WriteRules) -> None:
    rules = load_rules(
        write_rules(due_days=[{"from_period": "2026-03", "day": "15", "source": "x"}])
    )
    assert due_day_of("2026-03", rules).day == 15
    with pytest.raises(ValidationFailed, match="name no due day for 2026-02") as refused:
        due_day_of("2026-02", rules)
    assert (refused.value.code, refused.value.params) == ("no_due_day", {"period": "2026-02"})


def test_a_refusal_names_the_month(rules: PenaltyRules) -> None:
    with pytest.raises(ValidationFailed, match="'2026-13' is not a month") as refused:
        check_period("2026-13")
    assert (refused.value.code, refused.value.params) == ("invalid_period", {"period": "2026-13"})


def test_a_refusal_names_the_day_and_the_payer(rules: PenaltyRules) -> None:
    charge = Charge(amount=100, due_on=date(2015, 1, 10))
    with pytest.raises(ValidationFailed, match="begin on 2016-01-01, and this delay on") as refused:
        calculate([charge], [], PayerKind.ORGANISATION, date(2026, 1, 1), rules)
    assert refused.value.code == "no_penalty_rule"
    assert refused.value.params == {"payer": "organisation", "day": "2015-01-11"}
    with pytest.raises(ValidationFailed, match="no key rate for 2019-06-16") as refused:
        rules.rate_on(date(2019, 6, 16))
    assert refused.value.params == {"day": "2019-06-16"}


def test_the_first_day_of_a_rule_is_its_own(rules: PenaltyRules) -> None:
    charge = Charge(amount=100, due_on=date(2015, 12, 31))
    paid = [Credit(on=date(2016, 1, 30), amount=100)]
    penalty = calculate([charge], paid, PayerKind.HOUSEHOLD, date(2026, 1, 1), rules)
    assert [(s.first_day, s.days, s.amount) for s in penalty.charges[0].segments] == [
        (date(2016, 1, 1), 30, 0)
    ]


@pytest.mark.parametrize("amount", [0, MAX_AMOUNT])
def test_the_least_and_the_largest_charge(rules: PenaltyRules, amount: int) -> None:
    charge = Charge(period="2026-03", amount=amount)
    penalty = calculate([charge], [], PayerKind.ORGANISATION, date(2026, 4, 16), rules)
    assert penalty.unpaid == amount
    assert penalty.total == (2 * amount * 95 + 130_000) // 260_000
    for wrong in (-1, MAX_AMOUNT + 1):
        with pytest.raises(ValidationFailed, match=r"^A charge is a positive sum of kopecks\.$"):
            calculate([Charge(amount=wrong, due_on=DUE)], [], PayerKind.HOUSEHOLD, DUE, rules)
