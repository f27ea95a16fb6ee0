"""A penalty explained: day by day, as text for staff and courts, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import msgspec

from services.ledger.domain import OPENING_PERIOD
from services.ledger.penalties.calculator import ChargePenalty, Penalty, Segment
from services.ledger.penalties.timeline import Reason
from shared.money import Kopecks, format_roubles
from shared.payer_kinds import PayerKind

Language = Literal["ru", "en"]


class Day(msgspec.Struct, frozen=True):
    """The penalty of one day of delay on one base; ``number`` counts the days of delay from 1.

    ``exact`` is kopecks. ``reason`` is why a day bears nothing: the deferment, a moratorium.
    """

    day: date
    number: int
    base: Kopecks
    rate: Decimal | None
    divisor: int | None
    exact: Fraction
    reason: Reason


class _Words(NamedTuple):
    """The sentences of one language."""

    decimal_point: str
    heading: str
    basis: str
    charge: str
    opening: str
    accrued: str
    nothing: str
    of_charge: str
    total: str
    in_time: str
    provisional: str
    unconfirmed: str
    advance: str
    left_out: str
    payers: dict[PayerKind, str]
    reasons: dict[Reason, str]


_WORDS: dict[Language, _Words] = {
    "ru": _Words(
        decimal_point=",",
        basis="Основание: {sources}.",
        heading="Пени на {on} включительно. Плательщик: {payer}. Редакция правил: {version}.",
        opening="(долг на начало)",
        charge="Начисление{period}: {principal} руб., срок оплаты {due_on}.",
        accrued="{first} - {last}: {base} руб. × {days} дн. × {rate} % / {divisor} = {amount} руб.",
        nothing="{first} - {last}: {base} руб., {days} дн., пени не начисляются: {reason}.",
        of_charge="Итого пеней по начислению: {amount} руб.",
        total="Всего пеней: {amount} руб.",
        in_time="Дней просрочки нет.",
        provisional="Долг погашен не полностью: на неоплаченную часть взята ставка дня расчёта, "
        "ставку определит день оплаты.",
        unconfirmed="Расчёт опирается на правило, не подтверждённое источником.",
        advance="Оплачено сверх начислений: {amount} руб.",
        left_out="Оплаты после дня расчёта не учтены: {count}.",
        payers={
            PayerKind.HOUSEHOLD: "собственники и наниматели жилых помещений",
            PayerKind.CAPITAL_REPAIR: "взнос на капитальный ремонт",
            PayerKind.ORGANISATION: "организация",
            PayerKind.MANAGING_COMPANY: "управляющая организация",
        },
        reasons={
            "accrual": "",
            "deferment": "отсрочка с первого дня просрочки",
            "moratorium": "мораторий",
        },
    ),
    "en": _Words(
        decimal_point=".",
        basis="By law: {sources}.",
        heading="Penalty as of {on}, that day included. Payer: {payer}. Rules: {version}.",
        opening="(opening debt)",
        charge="Charge{period}: {principal} roubles, due on {due_on}.",
        accrued="{first} - {last}: {base} roubles × {days} days × {rate} % / {divisor} = "
        "{amount} roubles.",
        nothing="{first} - {last}: {base} roubles, {days} days, no penalty: {reason}.",
        of_charge="Penalty on this charge: {amount} roubles.",
        total="Penalty in all: {amount} roubles.",
        in_time="There is no day of delay.",
        provisional="The debt is not fully paid: the unpaid part goes by the rate of the day of "
        "this calculation; the day of payment will decide it.",
        unconfirmed="The calculation rests on a rule that no source has confirmed.",
        advance="Paid beyond the charges: {amount} roubles.",
        left_out="Payments after the day of the calculation were left out: {count}.",
        payers={
            PayerKind.HOUSEHOLD: "owners and tenants of housing",
            PayerKind.CAPITAL_REPAIR: "contribution to capital repair",
            PayerKind.ORGANISATION: "organisation",
            PayerKind.MANAGING_COMPANY: "managing company",
        },
        reasons={
            "accrual": "",
            "deferment": "the deferment of the first days of delay",
            "moratorium": "a moratorium",
        },
    ),
}


def days_of(charge: ChargePenalty) -> Iterator[Day]:
    """Yield every day of delay of a charge, in order.

    A day comes more than once where parts of the debt go by different rates.
    """
    days = []
    for segment in charge.segments:
        exact = segment.exact / segment.days
        for offset in range(segment.days):
            day = segment.first_day + timedelta(days=offset)
            number = (day - charge.late_after).days
            days.append(
                Day(
                    day,
                    number,
                    segment.base,
                    segment.rate,
                    segment.divisor,
                    exact,
                    segment.reason,
                )
            )
    days.sort(key=lambda found: found.day)
    yield from days


def as_text(penalty: Penalty, language: Language = "ru") -> str:
    """Return a penalty as plain text, a line for each segment."""
    words = _WORDS[language]
    lines = [
        words.heading.format(
            on=_date(penalty.on), payer=words.payers[penalty.payer], version=penalty.rule_version
        )
    ]
    sources = [
        source
        for charge in penalty.charges
        for segment in charge.segments
        for source in segment.basis
    ]
    if sources:
        lines.append(words.basis.format(sources="; ".join(dict.fromkeys(sources))))
    for charge in penalty.charges:
        lines += ["", *_lines_of(charge, words)]
    lines += ["", words.total.format(amount=format_roubles(penalty.total))]
    if penalty.provisional:
        lines.append(words.provisional)
    if penalty.unconfirmed:
        lines.append(words.unconfirmed)
    if penalty.advance:
        lines.append(words.advance.format(amount=format_roubles(penalty.advance)))
    if penalty.left_out:
        lines.append(words.left_out.format(count=len(penalty.left_out)))
    return "\n".join(lines)


def as_data(penalty: Penalty, with_days: bool = False) -> dict[str, Any]:
    """Return a penalty as plain JSON values.

    Sums are whole kopecks; ``amount_exact`` and ``total_exact`` are kopecks too, as an exact
    fraction in text (``"285/2"``); rates are exact decimals in text (``"9.5"``, % a year).
    """
    return {
        "total": penalty.total,
        "total_exact": str(penalty.exact),
        "payer": penalty.payer.value,
        "on": penalty.on.isoformat(),
        "rule_version": penalty.rule_version,
        "charges": [_charge_data(charge, with_days) for charge in penalty.charges],
        "provisional": penalty.provisional,
        "unconfirmed": penalty.unconfirmed,
        "unpaid": penalty.unpaid,
        "advance": penalty.advance,
        "left_out": [
            {"on": credit.on.isoformat(), "amount": credit.amount} for credit in penalty.left_out
        ],
    }


def _charge_data(charge: ChargePenalty, with_days: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        "period": charge.period,
        "due_on": charge.due_on.isoformat(),
        "principal": charge.principal,
        "unpaid": charge.unpaid,
        "segments": [_segment_data(segment) for segment in charge.segments],
        "total": charge.total,
        "total_exact": str(charge.exact),
        "provisional": charge.provisional,
        "unconfirmed": charge.unconfirmed,
    }
    if with_days:
        data["days"] = [
            {
                "day": day.day.isoformat(),
                "number": day.number,
                "base": day.base,
                "rate": _rate(day.rate),
                "divisor": day.divisor,
                "amount_exact": str(day.exact),
                "reason": day.reason,
            }
            for day in days_of(charge)
        ]
    return data


def _segment_data(segment: Segment) -> dict[str, Any]:
    return {
        "from": segment.first_day.isoformat(),
        "to": segment.last_day.isoformat(),
        "days": segment.days,
        "base": segment.base,
        "rate": _rate(segment.rate),
        "divisor": segment.divisor,
        "amount_exact": str(segment.exact),
        "amount": segment.amount,
        "reason": segment.reason,
        "basis": list(segment.basis),
        "provisional": segment.provisional,
        "unconfirmed": segment.unconfirmed,
    }


def _lines_of(charge: ChargePenalty, words: _Words) -> Iterator[str]:
    period = words.opening if charge.period == OPENING_PERIOD else charge.period
    yield words.charge.format(
        period=f" {period}" if period else "",
        principal=format_roubles(charge.principal),
        due_on=_date(charge.due_on),
    )
    for segment in charge.segments:
        sentence = words.nothing if segment.rate is None else words.accrued
        yield "  " + sentence.format(
            first=_date(segment.first_day),
            last=_date(segment.last_day),
            base=format_roubles(segment.base),
            days=segment.days,
            rate=(_rate(segment.rate) or "").replace(".", words.decimal_point),
            divisor=segment.divisor,
            amount=format_roubles(segment.amount),
            reason=words.reasons[segment.reason],
        )
    if not charge.segments:
        yield "  " + words.in_time
    yield "  " + words.of_charge.format(amount=format_roubles(charge.total))


def _date(day: date) -> str:
    return f"{day:%d.%m.%Y}"


def _rate(rate: Decimal | None) -> str | None:
    return None if rate is None else f"{rate:f}"
