"""Fiscal receipts («кассовые чеки», 54-ФЗ) of a person's payments."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Call, Operation
from gateway.routes.payments import TAG
from gateway.schemas import fiscal_receipts as shapes
from gateway.web import route


class FiscalReceiptRoutes:
    """Routes of fiscal receipts."""

    @route(
        Operation(
            method="GET",
            path=f"{API}/payments/<uuid:payment_id>/fiscal-receipts",
            tag=TAG,
            summary="The fiscal receipts of a payment and of what went back of it.",
            description="A receipt is asked for when the card has been charged, and again for each "
            "refund; the cash register numbers it within minutes. There is none, and `offered` is "
            "false, where the operator has receipts made elsewhere.",
            result=shapes.FiscalReceipts,
            refusals={404: ("payment_not_found",)},
        )
    )
    def fiscal_receipts(self, call: Call) -> Any:
        return call.ask(
            "payments",
            "fiscal_receipts",
            person_id=call.person_id,
            payment_id=str(call.path["payment_id"]),
        )
