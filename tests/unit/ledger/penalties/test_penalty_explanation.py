"""A penalty explained day by day, as text, and as JSON."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from fractions import Fraction

from services.ledger.penalties.calculator import calculate
from services.ledger.penalties.explanation import as_data, as_text, days_of
from services.ledger.penalties.payment_matching import Charge, Credit
from services.ledger.penalties.rules import PenaltyRules
from shared.payer_kinds import PayerKind

MARCH = Charge(period="2026-03", amount=450_000)
PAID = (
    Credit(on=date(2026, 6, 20), amount=200_000),
    Credit(on=date(2026, 8, 10), amount=250_000),
)
LAST = date(2026, 8, 10)


def test_every_day_of_the_delay_is_listed(rules: PenaltyRules) -> None:
    penalty = calculate([MARCH], PAID, PayerKind.HOUSEHOLD, LAST, rules)
    days = list(days_of(penalty.charges[0]))
    assert [day.number for day in days] == list(range(1, 118))
    assert (days[0].day, days[-1].day) == (date(2026, 4, 16), LAST)
    assert (days[29].reason, days[30].reason) == ("deferment", "accrual")
    assert (days[29].exact, days[30].exact) == (Fraction(0), Fraction("142.5"))
    assert (days[29].rate, days[30].divisor) == (None, 300)
    assert (days[65].base, days[66].base) == (450_000, 250_000)
    assert days[90].divisor == 130
    assert sum(day.exact for day in days) == penalty.exact


def test_a_day_comes_twice_where_parts_bear_different_rates(rules: PenaltyRules) -> None:
    paid = [
        Credit(on=date(2023, 6, 20), amount=200_000),
        Credit(on=date(2023, 8, 10), amount=250_000),
    ]
    january = Charge(period="2023-01", amount=450_000)
    penalty = calculate([january], paid, PayerKind.ORGANISATION, date(2023, 8, 10), rules)
    first, second, third, *_ = days_of(penalty.charges[0])
    assert (first.day, second.day, third.number) == (date(2023, 2, 11), date(2023, 2, 11), 2)
    assert {first.rate, second.rate} == {Decimal("7.5"), Decimal("8.5")}


def test_the_text_in_russian(rules: PenaltyRules) -> None:
    text = as_text(calculate([MARCH], PAID, PayerKind.HOUSEHOLD, LAST, rules)).replace(
        "\u00a0", " "
    )
    assert text.splitlines() == [
        (
            "Пени на 10.08.2026 включительно. Плательщик: собственники и наниматели жилых "
            f"помещений. Редакция правил: {rules.version}."
        ),
        (
            "Основание: ЖК РФ ст. 155 ч. 14; "
            "Постановление Правительства РФ от 26.03.2022 № 474, с продлениями."
        ),
        "",
        "Начисление 2026-03: 4 500,00 руб., срок оплаты 15.04.2026.",
        (
            "  16.04.2026 - 15.05.2026: 4 500,00 руб., 30 дн., пени не начисляются: "
            "отсрочка с первого дня просрочки."
        ),
        "  16.05.2026 - 20.06.2026: 4 500,00 руб. × 36 дн. × 9,5 % / 300 = 51,30 руб.",
        "  21.06.2026 - 14.07.2026: 2 500,00 руб. × 24 дн. × 9,5 % / 300 = 19,00 руб.",
        "  15.07.2026 - 10.08.2026: 2 500,00 руб. × 27 дн. × 9,5 % / 130 = 49,33 руб.",
        "  Итого пеней по начислению: 119,63 руб.",
        "",
        "Всего пеней: 119,63 руб.",
    ]


def test_the_english_text_has_every_warning(rules: PenaltyRules) -> None:
    charges = [Charge(period="2022-02", amount=100_000), Charge(amount=5, due_on=LAST)]
    later = Credit(on=date(2026, 9, 1), amount=1)
    penalty = calculate(charges, [later], PayerKind.ORGANISATION, LAST, rules)
    text = as_text(penalty, "en")
    assert "no penalty: a moratorium." in text
    assert "9.5 % / 130" in text
    assert "There is no day of delay." in text
    assert "the day of payment will decide it." in text
    assert "no source has confirmed." in text
    assert "left out: 1." in text
    paid = [Credit(on=LAST, amount=100_105)]
    assert "Paid beyond the charges: 1,00" in as_text(
        calculate(charges, paid, PayerKind.ORGANISATION, LAST, rules), "en"
    )


def test_every_text_exists_in_both_languages(rules: PenaltyRules) -> None:
    for payer in PayerKind:
        penalty = calculate([MARCH], [], payer, LAST, rules)
        russian, english = as_text(penalty, "ru"), as_text(penalty, "en")
        assert len(russian.splitlines()) == len(english.splitlines())
        assert "{" not in russian + english


def test_the_json_is_exact_and_plain(rules: PenaltyRules) -> None:
    penalty = calculate([MARCH], PAID, PayerKind.CAPITAL_REPAIR, LAST, rules)
    data = as_data(penalty)
    assert json.loads(json.dumps(data)) == data
    assert (data["total"], data["total_exact"]) == (91_68, "18335/2")
    assert (data["payer"], data["on"]) == ("capital_repair", "2026-08-10")
    assert data["rule_version"] == rules.version
    assert data["provisional"] is False
    [charge] = data["charges"]
    assert (charge["period"], charge["due_on"], charge["total"]) == ("2026-03", "2026-04-15", 91_68)
    assert charge["segments"][-1] == {
        "from": "2026-06-21",
        "to": "2026-08-10",
        "days": 51,
        "base": 250_000,
        "rate": "9.5",
        "divisor": 300,
        "amount_exact": "8075/2",
        "amount": 40_38,
        "reason": "accrual",
        "basis": [
            "ЖК РФ ст. 155 ч. 14.1",
            "Постановление Правительства РФ от 26.03.2022 № 474, с продлениями",
        ],
        "provisional": False,
        "unconfirmed": False,
    }
    assert "days" not in charge
    days = as_data(penalty, with_days=True)["charges"][0]["days"]
    assert days[30] == {
        "day": "2026-05-16",
        "number": 31,
        "base": 450_000,
        "rate": "9.5",
        "divisor": 300,
        "amount_exact": "285/2",
        "reason": "accrual",
    }
