"""Papers of an account: the act of reconciliation, certificates of its debt or of none."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from gateway.documents.engine import paper_pdf
from gateway.documents.files import file_response
from gateway.documents.payees import load_payees
from gateway.messages import language_of
from gateway.operations import API, Call, Operation
from gateway.ownership import of_linked_account, of_own_account
from gateway.problems import Refusal
from gateway.schemas import papers as shapes
from gateway.schemas.accounts import DaysQuery
from gateway.web import route
from gateway.whole_statements import days_asked
from shared.config import Settings

TAG = "Charges"


class PaperRoutes:
    """The papers of the linked accounts."""

    settings: Any  # of the process; the gateway provides it
    clocks: Any

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<account:number>/reconciliation.pdf",
            tag=TAG,
            summary="The act of reconciliation («Акт сверки») of given days, as PDF.",
            description="Opening and closing balance, each movement by day of effect, the turnover "
            "by service, places for signatures. Equal data give equal bytes; the language follows "
            "`Accept-Language`.",
            query=DaysQuery,
            media_type="application/pdf",
            refusals={
                404: ("account_not_found", "account_not_linked"),
                422: (
                    "invalid_day",
                    "invalid_days",
                    "no_due_day",
                    "no_key_rate",
                    "no_penalty_rule",
                    "too_many_movements",
                ),
            },
        )
    )
    def reconciliation_file(self, call: Call) -> Response:
        first_day, last_day = days_asked(call, self.clocks.of("ledger"))
        account, found = of_linked_account(
            call,
            call.path["number"],
            lambda key: call.ask(
                "ledger",
                "reconciliation",
                number=key,
                first_day=first_day.isoformat(),
                last_day=last_day.isoformat(),
            ),
        )
        name = f"reconciliation-{found['number']}-{found['first_day']}-{found['last_day']}"
        return _paper(call, self.settings, "reconciliation", account, found, name)

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<account:number>/debt",
            tag=TAG,
            summary="What is owed by the end of a day, the penalty of that day included.",
            description="`owed` is `principal` + `penalty` - `advance`; zero where the account is "
            "paid. The penalty is by the rules, accrued or not.",
            query=shapes.DebtQuery,
            result=shapes.Debt,
            refusals={
                404: ("account_not_found", "account_not_linked"),
                422: ("invalid_day",),
            },
        )
    )
    def debt(self, call: Call) -> Any:
        return of_own_account(call, call.path["number"], lambda key: _debt(call, key))

    @route(
        Operation(
            method="GET",
            path=f"{API}/accounts/<account:number>/certificate.pdf",
            tag=TAG,
            summary="A certificate that nothing is owed on a day, or of what is, as PDF.",
            description="`kind=no_debt` («Справка об отсутствии задолженности») is refused while "
            "anything is owed, `kind=debt` while nothing is; `debt` says which of the two holds.",
            query=shapes.CertificateQuery,
            media_type="application/pdf",
            refusals={
                404: ("account_not_found", "account_not_linked"),
                409: ("account_in_debt", "account_not_in_debt"),
                422: ("invalid_day",),
            },
        )
    )
    def certificate_file(self, call: Call) -> Response:
        account, found = of_linked_account(call, call.path["number"], lambda key: _debt(call, key))
        certifies_debt = call.query["kind"] == "debt"
        if found["owed"] and not certifies_debt:
            raise Refusal(409, "account_in_debt")
        if certifies_debt and not found["owed"]:
            raise Refusal(409, "account_not_in_debt")
        name = f"certificate-{found['number']}-{found['on']}"
        return _paper(call, self.settings, "certificate", account, found, name)


def _debt(call: Call, key: str) -> Any:
    on = call.query["on"].isoformat() if call.query["on"] else None
    return call.ask("ledger", "debt", number=key, on=on)


def _paper(
    call: Call,
    settings: Settings,
    paper: str,
    account: dict[str, Any],
    found: dict[str, Any],
    name: str,
) -> Response:
    data = {
        **found,
        "organisation": load_payees(settings.payees).main.name,
        "holder": account["holder"] or "",
        "address": account["address"] or "",
    }
    language = language_of(call.request.accept_languages)
    return file_response(paper_pdf(paper, data, language), name, "pdf")
