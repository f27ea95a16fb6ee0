"""A month's bill as a page and as PDF, with the QR and the details to pay by."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet.disputed_lines import marks_of
from gateway.cabinet.page import page
from gateway.cabinet.visit import Visit
from gateway.documents.bill import bill_pdf
from gateway.documents.files import file_response
from gateway.routes.bills import BillRoutes, control_code
from gateway.routes.payments import PaymentRoutes
from shared.errors import NotFound


class BillPages:
    """Bills of the linked accounts."""

    @page("GET", "/accounts/<number>/bills/<period>")
    def bill_page(self, visit: Visit) -> Response:
        """Show the bill of a month; where there is none yet, say so and lead to the latest."""
        try:
            bill, due, disputes = visit.together(
                lambda: visit.api(BillRoutes.bill, path=visit.path),
                visit.aside(lambda: visit.api(PaymentRoutes.due)),
                marks_of(visit),
            )
        except NotFound as error:
            return _not_issued(visit, error)
        return visit.render(
            "bill.html",
            bill=bill,
            disputes=disputes,
            due_now=_due_now(due, bill),
            payable=_is_payable(due, bill["number"]),
            payees=bill["payees"],
        )

    @page("GET", "/accounts/<number>/bills/<period>.pdf")
    def bill_page_file(self, visit: Visit) -> Response:
        """Return the bill as PDF; an owner's has the control code of the account."""
        person_id = visit.person.person_id if visit.person else ""
        try:
            bill, code = visit.together(
                lambda: visit.api(BillRoutes.bill, path=visit.path),
                lambda: control_code(visit.services, person_id, visit.path["number"]),
            )
        except NotFound as error:
            return _not_issued(visit, error)
        name = f"bill-{bill['number']}-{bill['period']}"
        return file_response(bill_pdf(bill, visit.language, code), name, "pdf")


def _due_now(due: Any, bill: dict[str, Any]) -> Any:
    """Return what is due on the account today; what the bill says where that cannot be had."""
    if due is None:
        return bill["to_pay"]
    return next((one["total"] for one in due["accounts"] if one["account"] == bill["number"]), 0)


def _is_payable(due: Any, number: str) -> bool:
    lines = due["accounts"] if due else ()
    return next((bool(one["payable"]) for one in lines if one["account"] == number), True)


def _not_issued(visit: Visit, error: NotFound) -> Response:
    if error.code != "bill_not_issued":
        raise error
    known: dict[str, Any] = {"latest": "", "latest_issued_on": "", **error.params}
    return visit.render(
        "bill_not_issued.html",
        status=404,
        number=visit.path["number"],
        period=visit.path["period"],
        latest=known["latest"],
        latest_issued_on=known["latest_issued_on"],
    )
