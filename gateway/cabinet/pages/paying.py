"""«Платежи-Оплатить» (S20-S22): sums beside the debt, the question above it, on to the bank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet.forms import COMMAND, FormErrors
from gateway.cabinet.page import KEPT_SECONDS, page
from gateway.cabinet.pay_form import (
    ACQUIRER,
    CheckedLine,
    TypedLine,
    checked_lines,
    chosen_acquirer,
    confirm_fields,
    order_body,
    shown_lines,
    typed_lines,
    ways_to_pay,
    wrong_sums,
)
from gateway.cabinet.payment_states import closing_time, is_open, may_be_taken
from gateway.cabinet.policy import GOES_TO_BANK, is_of_acquirer
from gateway.cabinet.visit import Refused, Visit
from gateway.ownership import newest_of
from gateway.problems import RETRY_AFTER_SECONDS, Refusal
from gateway.routes.accounts import AccountRoutes
from gateway.routes.payments import PaymentRoutes
from shared.errors import Unavailable

NEWEST = "50"
"""How many payments are looked through for one that is not decided."""
GO_SECONDS = 2
"""How often the page that leads to the bank looks whether the bank's page is known."""
GO_ON_FOR = timedelta(minutes=1)
"""How long it does so after the payment was started; then the payer decides."""


class PayingPages:
    """From the debt to the bank's page."""

    @page("GET", "/pay")
    def pay_form(self, visit: Visit) -> Response:
        """Show what is due on each account, to be paid as it is or otherwise."""
        return _pay_page(visit)

    @page("POST", "/pay")
    def pay(self, visit: Visit) -> Response:
        """Make the order and go to the bank; ask first where it differs from the debt."""
        lines = typed_lines(visit.form)
        errors = wrong_sums(visit, lines)
        if errors or "_recount" in visit.form:
            return _pay_page(visit, errors)
        checked = checked_lines(lines, visit.api(PaymentRoutes.due)["accounts"])
        if not visit.form.get(COMMAND):  # arriving twice, it would be two orders
            return _pay_page(visit)
        confirmed = visit.form.get("confirmed") == "yes"
        if any(line.changed or (line.over and not confirmed) for line in checked):
            return visit.redirect(f"/pay/check?order={_sealed(visit, lines)}")
        return _order(visit, lines, checked)

    @page("GET", "/pay/check")
    def pay_check(self, visit: Visit) -> Response:
        """Show how the order differs from the debt, and ask once."""
        kept = visit.sealer.unseal("pay", visit.query.get("order", ""), seconds=KEPT_SECONDS)
        if kept is None or kept["person"] != _person_id(visit):
            return visit.redirect("/pay")
        lines = typed_lines(kept["fields"])
        checked = checked_lines(lines, visit.api(PaymentRoutes.due)["accounts"])
        asked = visit.with_form(kept["fields"])
        return _question(asked, checked, kept["command"])

    @page("GET", "/payments/<uuid:payment_id>/go", bare=True)
    def go_to_bank(self, visit: Visit) -> Response:
        """Lead to the bank's page of a payment; while there is none, wait for it a while."""
        address = f"/payments/{visit.path['payment_id']}"
        payment = visit.api(PaymentRoutes.payment, path=visit.path, query={"refresh": "false"})
        bank_page = payment["redirect_url"]
        if bank_page and is_of_acquirer(bank_page, visit.settings):
            return visit.redirect(bank_page)
        if not bank_page and payment["state"] != "created":
            return visit.redirect(address)
        started = datetime.fromisoformat(payment["created_at"])
        waits = visit.clocks.of("payments").now() < started + GO_ON_FOR
        response = visit.render(
            "payment_go.html",
            payment=payment,
            address=address,
            bank_page=bank_page,
            waits=waits,
            closes=closing_time(visit, payment),
        )
        if bank_page:
            # Another host than that of the bank's API: the policy of the form that led here would
            # stop a redirect.
            response.headers["Refresh"] = f"0; url={bank_page}"
        elif waits:
            response.headers["Refresh"] = str(GO_SECONDS)
        return response


def _pay_page(visit: Visit, errors: FormErrors | None = None) -> Response:
    due, history = visit.together(
        lambda: visit.api(PaymentRoutes.due),
        lambda: visit.api(PaymentRoutes.history, query={"limit": NEWEST}),
    )
    payable = [line for line in due["accounts"] if line["payable"]]
    only = visit.query.get("account")
    if only is not None and only not in {line["account"] for line in payable}:
        raise _not_payable(visit, only)
    if not payable:
        return visit.render("pay_nothing.html", linked=bool(due["accounts"]))
    payments = history["payments"]
    uncertain = [one for one in payments if may_be_taken(one)]
    blocked = {line["account"]: one for one in uncertain for line in one["lines"]}
    lines = shown_lines(visit, payable, blocked)
    free = [line for line in lines if not line["blocked"]]
    paid = [line["paid"] for line in free]
    visit.request.environ[GOES_TO_BANK] = True
    return visit.render(
        "pay.html",
        lines=lines,
        free=free,
        due=due["total"],
        uncertain=[one for one in uncertain if any(line["blocked"] is one for line in lines)],
        started=[(one, closing_time(visit, one)) for one in payments if is_open(one)],
        total=None if None in paid else sum(paid),
        ways=ways_to_pay(visit),
        way=chosen_acquirer(visit) or "",
        errors=errors,
    )


def _not_payable(visit: Visit, number: str) -> Refusal:
    """Return why an account is not on the page: it is not the person's, or not his to pay."""
    account = newest_of(visit.api(AccountRoutes.list_accounts)["accounts"], number)
    if account["state"] == "closed":
        return Refusal(409, "account_closed")
    return Refusal(409, "may_not_pay")


def _order(visit: Visit, lines: Sequence[TypedLine], checked: list[CheckedLine]) -> Response:
    try:
        outcome = visit.attempt(
            PaymentRoutes.start_payment, body=order_body(lines, chosen_acquirer(visit))
        )
    except Unavailable:
        # Whether the payment was started is not known: the same command goes on where this one
        # stopped.
        command = visit.form.get(COMMAND, "")
        response = _question(visit, checked, command, status=503)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    if not isinstance(outcome, Refused):
        return visit.redirect(_page_of(visit, outcome))
    errors = outcome.errors
    if errors.code == "command_reused":
        text = visit.text(
            "С этой страницы уже начат платёж с другими суммами. Проверьте его в Истории платежей."
        )
        errors = replace(errors, text=text)
    return _pay_page(visit, errors)


def _page_of(visit: Visit, started: dict[str, Any]) -> str:
    """Return where a started payment goes on: the bank's page, or a page of ours about it."""
    address = f"/payments/{started['payment_id']}"
    if is_of_acquirer(started["redirect_url"] or "", visit.settings):
        return str(started["redirect_url"])
    return f"{address}/go" if started["redirect_url"] else address


def _question(
    visit: Visit, checked: list[CheckedLine], command: str, status: int = 200
) -> Response:
    visit.request.environ[GOES_TO_BANK] = True
    hidden = {**confirm_fields(checked, visit.language), "confirmed": "yes", COMMAND: command}
    acquirer = chosen_acquirer(visit)
    return visit.render(
        "pay_check.html",
        status=status,
        lines=checked,
        hidden={**hidden, ACQUIRER: acquirer} if acquirer else hidden,
        total=sum(line.amount + line.penalty for line in checked),
        changed=[line for line in checked if line.changed],
        over=sum(line.over for line in checked),
        unanswered=status == 503,
    )


def _sealed(visit: Visit, lines: Sequence[TypedLine]) -> str:
    names = [f"{name}-{line.account}" for line in lines for name in ("amount", "penalty", "was")]
    fields = {name: visit.form[name] for name in (*names, ACQUIRER) if name in visit.form}
    kept: dict[str, Any] = {
        "person": _person_id(visit),
        "fields": fields,
        "command": visit.form.get(COMMAND, ""),
    }
    return visit.sealer.seal("pay", kept)


def _person_id(visit: Visit) -> str:
    return visit.person.person_id if visit.person else ""
