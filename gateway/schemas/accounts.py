"""Personal accounts, their balances, months and movements."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.base import (
    Answered,
    Day,
    Moment,
    Shape,
    account_number,
    cursor,
    day,
    described,
    following,
    instant,
    kopecks,
    notice,
    page_size,
    said,
    typed,
)


class LookUp(Shape):
    """«Проверить» (S11)."""

    number = account_number()


class Preview(Answered):
    """What may be shown of a contract before it is linked: nothing that names a person."""

    number = said("The personal account.", "0001234")
    address = said("The address without the flat.", "г. Рязань, ул. Ленина, д. 5, кв. **")
    holder = said("The initials of the holder.", "И*** И*** И***")
    linked = fields.Boolean(
        required=True, metadata=described("Whether it is in this cabinet already.", False)
    )


class Link(Shape):
    """An account and a fact of its last paper bill."""

    number = account_number()
    proof = typed(
        "What proves that the bill is at hand: its total or its number, as the operator asks.",
        "4500,00",
        least=0,
        most=64,
        required=False,
        load_default="",
    )


class Linked(Answered):
    """The account that was linked."""

    number = said("The personal account.", "0001234")
    message = notice()


class Account(Answered):
    """A linked account with the information of its contract."""

    number = said("The personal account.", "0001234")
    address = said("The address; null: erased.", "г. Рязань, ул. Ленина, д. 5", allow_none=True)
    holder = said("The holder; null: erased.", "Иванов Иван Иванович", allow_none=True)
    residents = fields.Integer(
        required=True, allow_none=True, metadata=described("How many people live there.", 3)
    )
    total_area = said("Total area, square metres.", "54.3", allow_none=True)
    living_area = said("Living area, square metres.", "38.6", allow_none=True)
    heated_area = said("Heated area, square metres.", "54.3", allow_none=True)
    els = said(
        "The single personal account of ГИС ЖКХ («единый лицевой счёт»).",
        "51АД600037",
        allow_none=True,
    )
    linked_at = instant("When it was linked.")


class Accounts(Answered):
    """The accounts of the cabinet, up to 10 (S15)."""

    accounts = fields.List(fields.Nested(Account), required=True)


class BalanceQuery(Shape):
    """The moment of a balance."""

    as_of = Moment(
        load_default=None,
        metadata=described(
            "A day (2026-05-15) or an instant (2026-05-15T12:00:00+03:00); now otherwise.",
            "2026-05-15",
        ),
    )


class ServiceBalance(Answered):
    """What is owed for one service."""

    service = said("The code of the service.", "heating")
    name = said("Its name.", "Отопление")
    amount = kopecks("The debt", 123456)


class Balance(Answered):
    """What an account owes, penalty apart."""

    number = said("The personal account.", "0001234")
    as_of = said("The moment it holds for; null: now.", allow_none=True)
    version = fields.Integer(
        required=True, metadata=described("The number of the last event counted.", 17)
    )
    principal = kopecks("The debt for services", 450000)
    penalty = kopecks("The penalty («пени»)", 1425)
    advance = kopecks("Paid in advance", 0)
    services = fields.List(fields.Nested(ServiceBalance), required=True)


class PenaltyQuery(Shape):
    """The day of the penalty, which may be past or to come."""

    on = Day(
        load_default=None,
        metadata=described("The day, it included, past or to come; today otherwise.", "2026-12-31"),
    )


class PenaltySegment(Answered):
    """Days on which the same debt bears the same part of the same rate."""

    first_day = day("The first day.", attribute="from", data_key="from")
    last_day = day("The last day, it included.", attribute="to", data_key="to")
    days = fields.Integer(required=True, metadata=described("How many days.", 36))
    base = kopecks("The debt", 450000)
    rate = said(
        "The yearly rate in per cent, a decimal; null: nothing accrues.", "9.5", allow_none=True
    )
    divisor = fields.Integer(
        required=True,
        allow_none=True,
        metadata=described(
            "The part of the rate that a day bears: 300 is 1/300; null: nothing accrues.", 300
        ),
    )
    amount = kopecks("The penalty of these days", 5130)
    reason = said(
        "`accrual`, or why nothing accrues: `deferment` (the first days of delay), `moratorium`.",
        "accrual",
    )


class PenaltyOfDebt(Answered):
    """The penalty on the debt of one month."""

    period = said(
        "The month, YYYY-MM; 0001-01: what was owed when the account was taken over.", "2026-03"
    )
    due_on = day("The last day to pay without delay.")
    principal = kopecks("The debt when it fell due", 450000)
    unpaid = kopecks("What of it is unpaid on that day", 250000)
    total = kopecks("The penalty on it", 11963)
    segments = fields.List(fields.Nested(PenaltySegment), required=True)


class PenaltyExplained(Answered):
    """The penalty by a day, explained (ЖК РФ ст. 155 ч. 14, 14.1)."""

    number = said("The personal account.", "0001234")
    on = day("The day, it included.")
    rules = said("The version of the rules.", "ru-2026-03+74a831fcd094")
    principal = kopecks("The debt for services: now, or at the end of a past day", 250000)
    total = kopecks("The penalty by the rules", 11963)
    accrued = kopecks("What of it has been accrued: so far, or by a past day", 5130)
    owed = kopecks("What of it would still have to be paid on that day", 11963)
    provisional = fields.Boolean(
        required=True,
        metadata=described("Whether a later payment may change it, by its rate.", True),
    )
    debts = fields.List(fields.Nested(PenaltyOfDebt), required=True)


class MonthsQuery(Shape):
    """A page of months, the newest first."""

    before = cursor("Months before")
    limit = page_size(12, 60)


class ChargeLine(Answered):
    """One service in a month's bill (facts of the bill: charged, recalculation, concession)."""

    service = said("The code of the service.", "heating")
    name = said("Its name.", "Отопление")
    unit = said("The unit of the volume.", "Гкал", allow_none=True)
    tariff = said(
        "Roubles for a unit, a decimal of up to 6 places.", "2345.678901", allow_none=True
    )
    volume = said("The volume, a decimal of up to 6 places.", "0.812345", allow_none=True)
    charged = kopecks("Charged", 190555)
    recalculation = kopecks("Recalculation («перерасчёт»), signed", 0)
    concession = kopecks("Concession («льгота»), taken off", 0)
    payable = kopecks("To be paid", 190555)
    explanation = said(
        "Why, in the words of the billing centre: of a recalculation or a concession.",
        "Перерасчёт: отключение на 10 суток",
        allow_none=True,
    )


class AdjustmentLine(Answered):
    """What a later recalculation changes of one service."""

    service = said("The code of the service.", "heating")
    amount = kopecks("Added to the bill; negative: taken off it", -5130)


class Adjustment(Answered):
    """A recalculation («перерасчёт») after the bill was posted: the bill itself stays."""

    effective_on = day("The day on which it takes effect.")
    reason = said("Why, in the words of the staff.", "Недопоставка отопления 3-5 октября")
    lines = fields.List(fields.Nested(AdjustmentLine), required=True)


class Month(Answered):
    """The charges of one month."""

    period = said("The month, YYYY-MM.", "2026-10")
    bill_number = said(
        "What the bill is numbered; null: not known.", "2026-10/1001", allow_none=True
    )
    total = kopecks("The sum of its lines and of its adjustments", 444870)
    due_on = day("The last day to pay without delay.")
    lines = fields.List(
        fields.Nested(ChargeLine), required=True, metadata=described("The bill as it was posted.")
    )
    adjustments = fields.List(
        fields.Nested(Adjustment),
        required=True,
        metadata=described("What was recalculated since, in the order in which it was recorded."),
    )


class Months(Answered):
    """Months of one account, the newest first."""

    months = fields.List(fields.Nested(Month), required=True)
    next = following()


class MonthsOfAccount(Months):
    """Months of one of the linked accounts."""

    number = said("The personal account.", "0001234")
    address = said("The address; null: erased.", "г. Рязань, ул. Ленина, д. 5", allow_none=True)


class AllCharges(Answered):
    """The months of every linked account; go on by account with its `next` (S19)."""

    accounts = fields.List(fields.Nested(MonthsOfAccount), required=True)


class AllChargesQuery(Shape):
    """How many months of each account."""

    limit = page_size(12, 60)


class Turnover(Answered):
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

    after = cursor("Movements after")
    limit = page_size(50, 200)


class Movement(Answered):
    """One entry of the ledger on the account."""

    position = fields.Integer(required=True, metadata=described("Its place in the ledger.", 17))
    effective_on = day("The day on which it takes effect.")
    recorded_at = instant("When it was recorded.")
    kind = said(
        "`opening` (owed when the account was taken over), `charges`, `adjustment` (of a bill), "
        "`penalty`, `penalty_correction`, `penalty_write_off`, `payment`, `payment_reversal`; "
        "show an unknown one by its `text`.",
        "charges",
    )
    text = said("In words.", "Начисления за 2026-10")
    amount = kopecks("Change of the debt for services, signed", 450000)
    penalty = kopecks("Change of the penalty, signed", 0)
    balance = kopecks(
        "Afterwards: debt and penalty less advance; negative: paid in advance", 450000
    )


class Statement(Answered):
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
    next = following()


class WholeStatement(Answered):
    """All movements of one account from one day to another."""

    number = said("The personal account.", "0001234")
    address = said("The address; null: erased.", "г. Рязань, ул. Ленина, д. 5", allow_none=True)
    movements = fields.List(fields.Nested(Movement), required=True)
    totals = fields.Nested(Turnover, required=True)


class Statements(Answered):
    """The statements of all linked accounts, and their totals."""

    first_day = day("The first day.", data_key="from")
    last_day = day("The last day.", data_key="to")
    accounts = fields.List(fields.Nested(WholeStatement), required=True)
    totals = fields.Nested(
        Turnover,
        required=True,
        metadata=described("All accounts together: the turnover sheet of these days."),
    )
