"""Receipts as PDF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet.page import page
from gateway.cabinet.visit import Visit
from gateway.cabinet.words import sum_in_words
from gateway.documents.files import file_response
from gateway.documents.receipt import receipt_pdf
from gateway.routes.payments import PaymentRoutes


class ReceiptFilePages:
    """The receipt of a payment, to print and to keep."""

    @page("GET", "/payments/<uuid:payment_id>/receipt.pdf")
    def receipt_file(self, visit: Visit) -> Response:
        """Return the receipt as PDF, with its proofs attached."""
        receipt = visit.api(PaymentRoutes.receipt, path=visit.path)
        made = receipt_pdf(
            receipt,
            words=sum_in_words(receipt["payment"]["total"], visit.language),
            names=_names(receipt),
            verify_url=visit.public_url("/verify"),
            timezone=visit.settings.timezone,
            language=visit.language,
        )
        return file_response(made, f"receipt-{receipt['payment']['payment_id']}", "pdf")


def _names(receipt: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of the services that were paid, by their codes."""
    return {
        part["service"]: part["name"]
        for posting in receipt["postings"]
        for part in posting["allocation"]
    }
