"""Bills («платёжные документы»): each month's, with whom to pay; as data and as PDF."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from gateway.concurrently import all_of
from gateway.documents.bill import bill_pdf, with_payees
from gateway.documents.files import file_response
from gateway.documents.payees import load_payees
from gateway.messages import language_of
from gateway.operations import API, SERVICE_TIMEOUT, Call, Operation, ServiceCalls
from gateway.ownership import of_linked_account
from gateway.problems import Refusal
from gateway.routes.charges import PERIOD
from gateway.schemas.base import instance_of
from gateway.schemas.bills import Bill
from gateway.web import route
from shared.config import Settings

TAG = "Charges"


class BillRoutes:
    """The bills of the linked accounts."""

    settings: Any  # of the process; the gateway provides it

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<account:number>/bills/<month:period>",
            tag=TAG,
            summary="The bill of a month: lines, account, payments, whom to pay.",
            description="Each row of `services`, and `totals`, adds up: closing = opening + "
            "charged + recalculated - concession + penalty - paid. `payees` say how much goes to "
            "whom, with the text of the payment QR.",
            result=Bill,
            refusals={404: ("account_not_found", "account_not_linked", "bill_not_issued")},
        )
    )
    def bill(self, call: Call) -> Any:
        return _bill(call, self.settings)

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<account:number>/bills/<month:period>.pdf",
            tag=TAG,
            summary="The same bill as PDF/A-3a and PDF/UA-1, with its data attached.",
            description="An owner finds the control code of the account on it. "
            "Equal data give equal bytes. The language follows `Accept-Language`; "
            "`bill.json` is attached to the file.",
            media_type="application/pdf",
            refusals={404: ("account_not_found", "account_not_linked", "bill_not_issued")},
        )
    )
    def bill_file(self, call: Call) -> Response:
        bill, code = all_of(
            [
                lambda: _bill(call, self.settings),
                lambda: control_code(call.services, call.person_id, call.path["number"]),
            ]
        )
        found: Any = instance_of(Bill).dump(bill)
        language = language_of(call.request.accept_languages)
        name = f"bill-{found['number']}-{found['period']}"
        return file_response(bill_pdf(found, language, code), name, "pdf")


def control_code(services: ServiceCalls, person_id: str, number: str) -> Any:
    """Return the control code to print on an owner's bill; nothing for anybody else."""
    answer = services.call(
        "accounts", "control_code", deadline=SERVICE_TIMEOUT, person_id=person_id, number=number
    )
    return answer["control_code"] or ""


def _bill(call: Call, settings: Settings) -> dict[str, Any]:
    """Return a bill of a linked account, and whom to pay. Raises 404 for what is no month."""
    if not PERIOD.fullmatch(call.path["period"]):
        raise Refusal(404, "path_not_found")
    account, found = of_linked_account(
        call,
        call.path["number"],
        lambda key: call.ask("ledger", "bill", number=key, period=call.path["period"]),
    )
    return with_payees({**account, **found}, load_payees(settings.payees))
