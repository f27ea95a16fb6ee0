"""Balances of accounts, their months and movements."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.base import (
    Day,
    Moment,
    Result,
    Shape,
    account_number,
    cursor,
    day,
    described,
    kopecks,
    next_cursor,
    output_text,
    page_size,
)
from gateway.schemas.movements import Movement


class BalanceQuery(Shape):
    """The day or instant of a balance."""

    as_of = Moment(
        load_default=None,
        metadata=described(
            "A day (2026-05-15) or an instant (2026-05-15T12:00:00+03:00); by default now.",
            "2026-05-15",
        ),
    )


class ServiceBalance(Result):
    """The debt for one service."""

    service = output_text("The code of the service.", "heating")
    name = output_text("Its name.", "Отопление")
    amount = kopecks("The debt", 123456)


class Balance(Result):
    """The balance of an account, with the penalty apart.

    The penalty grows from day to day; it is booked when the operator accrues it, or when it is
    paid.
    """

    number = output_text("The personal account.", "0001234")
    as_of = output_text("The day or instant of the balance; null means now.", allow_none=True)
    version = fields.Integer(
        required=True, metadata=described("The number of the last event counted.", 17)
    )
    principal = kopecks("The debt for services", 450000)
    penalty = kopecks(
        "The penalty («пени») owed by the rules through that day, or through today",
        1425,
        attribute="penalty_due",
    )
    penalty_accrued = kopecks(
        "The penalty that is booked by now, and neither paid nor written off; it may be less or "
        "more than `penalty`",
        1200,
        attribute="penalty",
    )
    advance = kopecks("Paid in advance", 0)
    services = fields.List(fields.Nested(ServiceBalance), required=True)


class PenaltyQuery(Shape):
    """The day of the penalty, past or future."""

    on = Day(
        load_default=None,
        metadata=described("The last day counted, past or future; by default today.", "2026-12-31"),
    )


class PenaltySegment(Result):
    """Days with the same debt, rate and divisor."""

    first_day = day("The first day.", attribute="from", data_key="from")
    last_day = day("The last day, inclusive.", attribute="to", data_key="to")
    days = fields.Integer(required=True, metadata=described("The number of days.", 36))
    base = kopecks("The debt", 450000)
    rate = output_text(
        "The yearly rate in per cent, a decimal; null if nothing accrues.", "9.5", allow_none=True
    )
    divisor = fields.Integer(
        required=True,
        allow_none=True,
        metadata=described(
            "The divisor of the daily rate: 300 means 1/300 a day; null if nothing accrues.", 300
        ),
    )
    amount = kopecks("The penalty of these days", 5130)
    reason = output_text(
        "`accrual`, or the reason why nothing accrues: `deferment` (the first days of delay), "
        "`moratorium`.",
        "accrual",
    )


class PenaltyOfDebt(Result):
    """The penalty on the debt of one month; capital repair is a debt of its own."""

    period = output_text(
        "The month, YYYY-MM; 0001-01 is the debt at the takeover of the account.", "2026-03"
    )
    payer_kind = output_text(
        "The kind of payer whose rules hold for it: that of the account, or `capital_repair`.",
        "household",
    )
    due_on = day("The due day: the last day to pay without delay.")
    principal = kopecks("The debt when it fell due", 450000)
    unpaid = kopecks("The part of it that is unpaid on the day of the penalty", 250000)
    total = kopecks("The penalty on it", 11963)
    segments = fields.List(fields.Nested(PenaltySegment), required=True)


class PenaltyExplained(Result):
    """The penalty up to a day, explained (ЖК РФ ст. 155 ч. 14, 14.1)."""

    number = output_text("The personal account.", "0001234")
    on = day("The last day counted.")
    rules = output_text("The version of the rules.", "ru-2026-03+74a831fcd094")
    principal = kopecks("The debt for services now, or at the end of a past day", 250000)
    total = kopecks("The penalty by the rules", 11963)
    accrued = kopecks("The part of it that has been accrued, so far or by a past day", 5130)
    owed = kopecks("The part of it that would still be owed on that day", 11963)
    provisional = fields.Boolean(
        required=True,
        metadata=described("Whether a later payment may change it, by the rate of its day.", True),
    )
    debts = fields.List(fields.Nested(PenaltyOfDebt), required=True)


class MonthsQuery(Shape):
    """A page of months, newest first."""

    before = cursor("Months before", "WyJtb250aHMgMDAwMTIzNCIsIjIwMjYtMDMiXQ")
    limit = page_size(12, 60)


class ChargeLine(Result):
    """One service in the bill of a month: charged, recalculation, concession."""

    service = output_text("The code of the service.", "heating")
    name = output_text("Its name.", "Отопление")
    unit = output_text("The unit of the volume.", "Гкал", allow_none=True)
    tariff = output_text(
        "Roubles per unit, a decimal of up to 6 places.", "2345.678901", allow_none=True
    )
    volume = output_text("The volume, a decimal of up to 6 places.", "0.812345", allow_none=True)
    charged = kopecks("Charged", 190555)
    recalculation = kopecks("Recalculation («перерасчёт»), signed", 0)
    concession = kopecks("Concession («льгота»), deducted", 0)
    payable = kopecks("The amount to pay", 190555)
    explanation = output_text(
        "Why, in the words of the billing centre: of a recalculation or a concession.",
        "Перерасчёт: отключение на 10 суток",
        allow_none=True,
    )


class AdjustmentLine(Result):
    """The change of one service by a later recalculation."""

    service = output_text("The code of the service.", "heating")
    amount = kopecks("Added to the bill; negative if deducted", -5130)


class Adjustment(Result):
    """A recalculation («перерасчёт») after the bill was posted; the bill itself stays unchanged."""

    effective_on = day("The day on which it takes effect.")
    reason = output_text("The reason given by staff.", "Недопоставка отопления 3-5 октября")
    lines = fields.List(fields.Nested(AdjustmentLine), required=True)


class Month(Result):
    """The charges of one month."""

    period = output_text("The month, YYYY-MM.", "2026-10")
    bill_number = output_text(
        "What the bill is numbered; null: not known.", "2026-10/1001", allow_none=True
    )
    total = kopecks("The sum of its lines and of its adjustments", 444870)
    due_on = day("The due day: the last day to pay without delay.")
    lines = fields.List(
        fields.Nested(ChargeLine), required=True, metadata=described("The bill as it was posted.")
    )
    adjustments = fields.List(
        fields.Nested(Adjustment),
        required=True,
        metadata=described("Later recalculations, in the order of recording."),
    )


class Months(Result):
    """Months of one account, newest first."""

    months = fields.List(fields.Nested(Month), required=True)
    next = next_cursor()


class MonthsOfAccount(Months):
    """Months of one of the linked accounts."""

    number = output_text("The personal account.", "0001234")
    address = output_text(
        "The address; null if erased.", "г. Рязань, ул. Ленина, д. 5", allow_none=True
    )


class AllCharges(Result):
    """The months of every linked account; each account continues at its `next` (S19)."""

    accounts = fields.List(fields.Nested(MonthsOfAccount), required=True)


class AllChargesQuery(Shape):
    """The number of months of each account."""

    limit = page_size(12, 60)


class Turnover(Result):
    """Columns of the turnover sheet («оборотно-сальдовая ведомость»), kopecks.

    closing = opening + charged + recalculated - concession + penalty - paid.
    """

    opening = kopecks("Owed before the first day; negative: paid in advance", 120000)
    charged = kopecks("Charged", 450000)
    recalculated = kopecks("Recalculations («перерасчёт»), signed", 0)
    concession = kopecks("Concessions («льгота»), taken off", 0)
    penalty = kopecks("Penalty accrued, corrected or written off, signed", 1425)
    paid = kopecks("Paid", 120000)
    closing = kopecks("Owed after the last day; negative: paid in advance", 451425)


class DaysQuery(Shape):
    """From one day to another, both included."""

    first_day = Day(
        data_key="from",
        load_default=None,
        metadata=described(
            "The first day; otherwise a year of months ends with `to`.", "2026-01-01"
        ),
    )
    last_day = Day(
        data_key="to",
        load_default=None,
        metadata=described("The last day, it included; today otherwise.", "2026-06-30"),
    )


class StatementsQuery(DaysQuery):
    """Which of the linked accounts, from one day to another."""

    account = account_number(required=False, load_default=None, allow_none=True)


class StatementQuery(DaysQuery):
    """A page of movements: of given days in the order of effect, else of all by position."""

    after = cursor("Movements after", "WyJzdGF0ZW1lbnQgMDAwMTIzNCIsMTdd")
    limit = page_size(50, 200)


class Statement(Result):
    """Movements of one account."""

    movements = fields.List(fields.Nested(Movement), required=True)
    first_day = fields.String(
        data_key="from", metadata=described("The first day, where days were asked for.")
    )
    last_day = fields.String(
        data_key="to", metadata=described("The last day, where days were asked for.")
    )
    totals = fields.Nested(
        Turnover,
        metadata=described("The turnover of these days, of all pages, where days were asked for."),
    )
    next = next_cursor()


class WholeStatement(Result):
    """All movements of one account from one day to another."""

    number = output_text("The personal account.", "0001234")
    address = output_text(
        "The address; null: erased.", "г. Рязань, ул. Ленина, д. 5", allow_none=True
    )
    movements = fields.List(fields.Nested(Movement), required=True)
    totals = fields.Nested(Turnover, required=True)


class Statements(Result):
    """The statements of all linked accounts, and their totals."""

    first_day = day("The first day.", data_key="from")
    last_day = day("The last day.", data_key="to")
    accounts = fields.List(fields.Nested(WholeStatement), required=True)
    totals = fields.Nested(
        Turnover,
        required=True,
        metadata=described("All accounts together: the turnover sheet of these days."),
    )
