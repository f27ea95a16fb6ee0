"""A month's bill («платёжный документ») with its account and whom to pay."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.accounts import AdjustmentLine, ChargeLine, Turnover
from gateway.schemas.base import Result, day, described, kopecks, output_text


class NamedAdjustmentLine(AdjustmentLine):
    """What a recalculation changes of one service."""

    name = output_text("Its name.", "Отопление")


class BillAdjustment(Result):
    """A recalculation («перерасчёт») that took effect in the days of this bill."""

    period = output_text("The month whose bill it corrects.", "2026-09")
    effective_on = day("The day on which it takes effect.")
    reason = output_text("Why, in the words of the staff.", "Недопоставка отопления 3-5 октября")
    lines = fields.List(fields.Nested(NamedAdjustmentLine), required=True)


class OtherBill(Result):
    """The bill of another month that took effect in the days of this one."""

    period = output_text("Its month.", "2026-09")
    amount = kopecks("What it came to", 444870)


class BillPenalty(Result):
    """A penalty that was accrued, corrected or written off in the days of this bill."""

    effective_on = day("The day on which it takes effect.")
    kind = output_text("`accrual`, `correction` or `write_off`.", "accrual")
    amount = kopecks("What it adds, signed", 1425)
    reason = output_text("Why; null: by the rules.", allow_none=True)


class BillPayment(Result):
    """A payment in the days of this bill; negative: money that went back, or a reversal."""

    effective_on = day("The day on which it was paid.")
    amount = kopecks("For services", 450000)
    penalty = kopecks("Penalty", 0)


class ServiceTurnover(Turnover):
    """The account of one service."""

    service = output_text(
        "The code of the service; `penalty` and `advance` are rows too.", "heating"
    )
    name = output_text("Its name; the code where no bill names it.", "Отопление")


class BillPayee(Result):
    """Whom to pay how much, and the payment QR of ГОСТ Р 56042-2014."""

    name = output_text("The payee.", "ООО «Примерский расчётный центр»")
    inn = output_text("ИНН.", "6200098765")
    kpp = output_text("КПП; empty: none.", "620001001")
    account = output_text("The payee's account.", "40702810300000001001")
    bank = output_text("The bank.", "АО «Образцовый банк»")
    bic = output_text("БИК.", "049999777")
    correspondent_account = output_text("The bank's account; empty: none.", "30101810700000000777")
    contacts = output_text("Address and telephone.", "г. Примерск, ул. Образцовая, д. 1")
    services = fields.List(
        fields.String(), required=True, metadata=described("Codes of the services paid to it.")
    )
    amount = kopecks("To be paid for services", 450000)
    penalty = kopecks("Penalty to be paid", 1425)
    payment_code = output_text(
        "What the QR says; null: nothing to pay.",
        "ST00012|Name=...|PersonalAcc=...|Sum=450000|AddAmount=1425",
        allow_none=True,
    )


class Bill(Result):
    """The bill of a month: lines, the account of its days, whom to pay."""

    number = output_text("The personal account.", "0001234")
    period = output_text("The month, YYYY-MM.", "2026-10")
    latest = output_text("The latest month that has a bill.", "2026-10")
    bill_number = output_text(
        "What the bill is numbered; null: not known.", "2026-10/1001", allow_none=True
    )
    holder = output_text("The holder; null: erased.", "Иванов Иван Иванович", allow_none=True)
    address = output_text(
        "The address; null: erased.", "г. Рязань, ул. Ленина, д. 5", allow_none=True
    )
    residents = fields.Integer(
        required=True, allow_none=True, metadata=described("How many people live there.", 3)
    )
    total_area = output_text("Total area, square metres.", "54.3", allow_none=True)
    living_area = output_text("Living area, square metres.", "38.6", allow_none=True)
    heated_area = output_text("Heated area, square metres.", "54.3", allow_none=True)
    els = output_text("The single personal account of ГИС ЖКХ.", "51АД600037", allow_none=True)
    issued_on = day("The day of the bill.")
    due_on = day("The last day to pay without delay.")
    first_day = day("The first day of its account.")
    last_day = day("The last day of its account: `to_pay` is as of its end.")
    lines = fields.List(fields.Nested(ChargeLine), required=True)
    adjustments = fields.List(fields.Nested(BillAdjustment), required=True)
    other_bills = fields.List(fields.Nested(OtherBill), required=True)
    penalties = fields.List(fields.Nested(BillPenalty), required=True)
    payments = fields.List(fields.Nested(BillPayment), required=True)
    services = fields.List(
        fields.Nested(ServiceTurnover),
        required=True,
        metadata=described("The account by service: each row, and `totals`, adds up."),
    )
    totals = fields.Nested(Turnover, required=True)
    to_pay = kopecks("The closing balance, 0 where it is an advance", 451425)
    payees = fields.List(fields.Nested(BillPayee), required=True)
