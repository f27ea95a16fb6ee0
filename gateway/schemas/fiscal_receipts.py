"""The fiscal receipts («кассовые чеки», 54-ФЗ) of a payment, with the codes of ФФД 1.2."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.base import Result, described, identifier, instant, kopecks, output_text


def _code(description: str, example: int) -> fields.Integer:
    return fields.Integer(required=True, metadata=described(description, example))


class FiscalItem(Result):
    """A position of a receipt («предмет расчёта», tag 1059)."""

    name = output_text("Tag 1030.", "Оплата жилищно-коммунальных услуг, лицевой счёт 0001234")
    price = kopecks("Tag 1079: the price", 450000)
    quantity = _code("Tag 1023.", 1)
    measure_code = _code("Tag 2108: the measure of the quantity; 0 is a piece.", 0)
    sum = kopecks("Tag 1043: the sum", 450000)
    vat = output_text("The rate of VAT by its name.", "none")
    vat_code = _code("Tag 1199: the rate of VAT.", 6)
    subject_code = _code("Tag 1212: 4 is a service, 10 a payment (a penalty).", 4)
    method_code = _code("Tag 1214: 4 is a full payment, 3 an advance.", 4)


class FiscalSeller(Result):
    """Whose receipts they are."""

    name = output_text("Tag 1048.", "ООО «Примерский расчётный центр»")
    inn = output_text("Tag 1018.", "6200098765")
    place = output_text("Tag 1187: where the sale takes place.", "https://saldo.example")


class FiscalReceipt(Result):
    """A fiscal receipt: of the payment, or of what went back of it."""

    receipt_id = identifier("Our id of the receipt.")
    refund_id = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The refund that it is of; null for the payment.", format="uuid"),
    )
    kind = output_text("`income`, or `income_return` of money that went back.", "income")
    kind_code = _code("Tag 1054: 1 «приход», 2 «возврат прихода».", 1)
    state = output_text(
        "`requested` (on its way to the cash register), `registered`, `refused` (staff look at "
        "it; the payment stands).",
        "registered",
    )
    total = kopecks("Tags 1020 and 1081: the sum, paid by card", 451425)
    seller = fields.Nested(FiscalSeller, required=True, metadata=described("Whose receipt it is."))
    taxation = output_text("The system of taxation by its name.", "osn")
    taxation_code = _code("Tag 1055: the system of taxation.", 1)
    items = fields.List(fields.Nested(FiscalItem), required=True)
    requested_at = instant("When it was asked for.")
    issued_at = instant("Tag 1012: when it was registered; null before.", allow_none=True)
    drive = output_text("«ФН», tag 1041: the fiscal drive.", "9960440300000001", allow_none=True)
    document = output_text("«ФД», tag 1040: its number there.", "17", allow_none=True)
    sign = output_text("«ФПД», tag 1077: its fiscal sign.", "2938475610", allow_none=True)
    register = output_text(
        "Tag 1037: the registration number of the cash register.",
        "0000000001000001",
        allow_none=True,
    )
    url = output_text(
        "Where the operator of fiscal data shows it.",
        "https://ofd.example/receipts/17",
        allow_none=True,
    )
    code = output_text(
        "What its QR says, for the tax service's own check; null before it is registered.",
        "t=20260514T1231&s=4514.25&fn=9960440300000001&i=17&fp=2938475610&n=1",
        allow_none=True,
    )


class FiscalReceipts(Result):
    """The fiscal receipts of a payment."""

    offered = fields.Boolean(
        required=True,
        metadata=described(
            "Whether receipts are made here: without it the operator has them made elsewhere.",
            True,
        ),
    )
    receipts = fields.List(
        fields.Nested(FiscalReceipt),
        required=True,
        metadata=described("The oldest first; one for the payment, one for each refund."),
    )
