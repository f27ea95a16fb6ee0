"""«Кассовый чек»: the fiscal receipts of a payment, to be read, printed and checked."""

from __future__ import annotations

from werkzeug.wrappers import Response

from gateway.cabinet.page import page
from gateway.cabinet.visit import Visit
from gateway.routes.fiscal_receipts import FiscalReceiptRoutes

RATES = {
    "vat0": "0 %",
    "vat5": "5 %",
    "vat7": "7 %",
    "vat10": "10 %",
    "vat20": "20 %",
    "vat22": "22 %",
    "vat105": "5/105",
    "vat107": "7/107",
    "vat110": "10/110",
    "vat120": "20/120",
    "vat122": "22/122",
}
"""The rates of VAT as a receipt prints them."""


class FiscalReceiptPages:
    """The receipts that a cash register has issued, or is about to."""

    @page("GET", "/payments/<uuid:payment_id>/fiscal")
    def fiscal_receipts_page(self, visit: Visit) -> Response:
        """Show the receipts of a payment; where there is none, no more than that."""
        found = visit.api(FiscalReceiptRoutes.fiscal_receipts, path=visit.path)
        return visit.render(
            "fiscal_receipts.html",
            payment_id=visit.path["payment_id"],
            offered=found["offered"],
            receipts=found["receipts"],
            rates=RATES,
        )
