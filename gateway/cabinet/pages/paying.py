"""«Платежи-Оплатить» (S20-S22): sums beside the debt, the question above it, on to the bank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from eventlet import sleep
from werkzeug.wrappers import Response

from gateway.cabinet.forms import COMMAND, FormErrors
from gateway.cabinet.page import KEPT_SECONDS, page
from gateway.cabinet.pay_form import (
    UNDECIDED,
    CheckedLine,
    TypedLine,
    checked_lines,
    confirm_fields,
    order_body,
    shown_lines,
    typed_lines,
    wrong_sums,
)
from gateway.cabinet.policy import GOES_TO_BANK
from gateway.cabinet.visit import Refused, Visit
from gateway.problems import RETRY_AFTER_SECONDS, Refusal
from gateway.routes.payments import PaymentRoutes
from shared.errors import Unavailable

NEWEST = "50"
"""How many payments are looked through for one that is not decided."""
UNDER_WAY_PAUSES = (0.2, 0.4, 0.8, 1.6, 3.0)
"""Seconds between two questions whether the first of several equal requests is through."""


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
        return _question(visit, checked, kept["command"])


def _pay_page(visit: Visit, errors: FormErrors | None = None) -> Response:
    due, history = visit.together(
        lambda: visit.api(PaymentRoutes.due),
        lambda: visit.api(PaymentRoutes.history, query={"limit": NEWEST}),
    )
    if not due["accounts"]:
        return visit.render("pay_nothing.html")
    only = visit.query.get("account")
    if only is not None and only not in {line["account"] for line in due["accounts"]}:
        raise Refusal(404, "account_not_linked")
    undecided = [one for one in history["payments"] if one["state"] in UNDECIDED]
    blocked = {line["account"]: one for one in undecided for line in one["lines"]}
    lines = shown_lines(visit, due["accounts"], blocked)
    free = [line for line in lines if not line["blocked"]]
    paid = [line["paid"] for line in free]
    visit.request.environ[GOES_TO_BANK] = True
    return visit.render(
        "pay.html",
        lines=lines,
        free=free,
        due=due["total"],
        undecided=[one for one in undecided if any(line["blocked"] is one for line in lines)],
        total=None if None in paid else sum(paid),
        errors=errors,
    )


def _order(visit: Visit, lines: Sequence[TypedLine], checked: list[CheckedLine]) -> Response:
    try:
        outcome = _started(visit, order_body(lines))
    except Unavailable:
        # The bank may have the order or not: the same command goes on where this one stopped.
        command = visit.form.get(COMMAND, "")
        response = _question(visit, checked, command, status=503)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    if not isinstance(outcome, Refused):
        return visit.redirect(outcome["redirect_url"] or f"/payments/{outcome['payment_id']}")
    errors = outcome.errors
    if errors.code == "command_reused":
        text = visit.text(
            "С этой страницы уже начат платёж с другими суммами. Проверьте его в Истории платежей."
        )
        errors = replace(errors, text=text)
    return _pay_page(visit, errors)


def _started(visit: Visit, body: dict[str, Any]) -> Any:
    """Start the payment; where the same form is being sent twice, wait for the other request."""
    for pause in UNDER_WAY_PAUSES:
        try:
            return visit.attempt(PaymentRoutes.start_payment, body=body)
        except Unavailable as error:
            if error.code != "payment_under_way":
                raise
        sleep(pause)
    return visit.attempt(PaymentRoutes.start_payment, body=body)


def _question(
    visit: Visit, checked: list[CheckedLine], command: str, status: int = 200
) -> Response:
    visit.request.environ[GOES_TO_BANK] = True
    return visit.render(
        "pay_check.html",
        status=status,
        lines=checked,
        hidden={**confirm_fields(checked, visit.language), "confirmed": "yes", COMMAND: command},
        total=sum(line.amount + line.penalty for line in checked),
        changed=[line for line in checked if line.changed],
        over=sum(line.over for line in checked),
        silent=status == 503,
    )


def _sealed(visit: Visit, lines: Sequence[TypedLine]) -> str:
    names = [f"{name}-{line.account}" for line in lines for name in ("amount", "penalty", "was")]
    fields = {name: visit.form[name] for name in names if name in visit.form}
    kept: dict[str, Any] = {
        "person": _person_id(visit),
        "fields": fields,
        "command": visit.form.get(COMMAND, ""),
    }
    return visit.sealer.seal("pay", kept)


def _person_id(visit: Visit) -> str:
    return visit.person.person_id if visit.person else ""
