"""«Начисления» (S19): months by account, their lines, the year as a picture, penalty by days."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet import spellings
from gateway.cabinet.charts import year_chart
from gateway.cabinet.comparison import why
from gateway.cabinet.disputed_lines import marks_of, reviewed_months
from gateway.cabinet.forms import FormErrors
from gateway.cabinet.page import page
from gateway.cabinet.penalty_steps import next_step
from gateway.cabinet.visit import Refused, Visit
from gateway.ownership import may_pay
from gateway.problems import Refusal
from gateway.routes.accounts import AccountRoutes
from gateway.routes.charges import PERIOD, ChargeRoutes, months_after

YEAR = 13
"""Months on a page: a year, and the one before it to compare with."""
FEW = 3
"""Months of each account where several are shown."""

AHEAD = timedelta(days=100)
"""How far a growing rate is looked for: past the 90 days of the law."""


class ChargePages:
    """What was charged, why, and what being late costs."""

    @page("GET", "/charges")
    def charges(self, visit: Visit) -> Response:
        """Show the months of each account, or of the one that is named, newest first."""
        chosen = visit.query.get("account", "").strip()
        if chosen:
            linked, found, disputes = visit.together(
                lambda: visit.api(AccountRoutes.list_accounts)["accounts"],
                lambda: _months(visit, chosen),
                marks_of(visit, chosen),
            )
        else:
            linked = visit.api(AccountRoutes.list_accounts)["accounts"]
            if not linked:
                return visit.redirect("/accounts")
            if len(linked) == 1:
                chosen = linked[0]["number"]
                found, disputes = visit.together(
                    lambda: _months(visit, chosen), marks_of(visit, chosen)
                )
        if chosen:
            pages = [{**one, **found} for one in linked if one["number"] == chosen]
        else:
            pages, disputes = visit.together(
                lambda: visit.api(ChargeRoutes.all_charges, query={"limit": str(FEW)})["accounts"],
                marks_of(visit),
            )
        accounts = [{**account, "months": _explained(account["months"])} for account in pages]
        return visit.render(
            "charges.html",
            accounts=accounts,
            linked=linked,
            chosen=chosen,
            disputes=disputes,
            reviewed=reviewed_months(disputes),
            open_all=visit.query.get("open") == "all",
            chart=year_chart(pages[0]["months"][:12]) if chosen else None,
        )

    @page("GET", "/charges/<number>/<period>")
    def charge_month(self, visit: Visit) -> Response:
        """Show one month of an account on a page of its own."""
        number, period = visit.path["number"].strip(), visit.path["period"]
        if not PERIOD.fullmatch(period):
            raise Refusal(404, "path_not_found")
        query = {"before": months_after(number, period), "limit": "2"}
        found, disputes = visit.together(
            lambda: visit.api(ChargeRoutes.months, path={"number": number}, query=query),
            marks_of(visit, number),
        )
        months = _explained(found["months"])
        if not months or months[0]["period"] != period:
            raise Refusal(404, "path_not_found")
        return visit.render("charge_month.html", number=number, month=months[0], disputes=disputes)

    @page("GET", "/accounts/<number>/penalty")
    def penalty_page(self, visit: Visit) -> Response:
        """Explain the penalty by a day: today, a past one, or one to come."""
        typed = visit.query.get("on", "").strip()
        on = spellings.day(typed) if typed else ""
        errors = None
        today = visit.clocks.of("ledger").today()
        account, penalty, forecast = visit.together(
            visit.aside(lambda: visit.api(AccountRoutes.account, path=visit.path)),
            lambda: visit.attempt(
                ChargeRoutes.penalty, path=visit.path, query={"on": on} if on else {}
            ),
            visit.aside(lambda: _penalty_by(visit, _well_after(on, today))),
        )
        if isinstance(penalty, Refused):
            text = visit.text("Введите день, например 15.04.2026.")
            errors = FormErrors(code=penalty.errors.code, text=text, fields={"on": text})
            # What was refused for its number, not for its day, is refused here again: a 404.
            penalty, forecast = visit.api(ChargeRoutes.penalty, path=visit.path), None
        return visit.render(
            "penalty.html",
            penalty=penalty,
            payable=may_pay(account),
            pending=penalty["total"] - penalty["accrued"],
            step=_next_step(visit, penalty["on"], today, forecast),
            open=visit.query.get("open") == "all",
            typed=typed,
            today=today.isoformat(),
            ahead=bool(on) and errors is None and date.fromisoformat(on) > today,
            errors=errors,
        )


def _penalty_by(visit: Visit, day: date) -> Any:
    return visit.api(ChargeRoutes.penalty, path=visit.path, query={"on": day.isoformat()})


def _well_after(on: str, today: date) -> date:
    """Return a day so far after the one that was typed, or today, that the rate has grown."""
    try:
        day = date.fromisoformat(on)
    except ValueError:
        day = today
    return min(day, date.max - AHEAD) + AHEAD


def _next_step(visit: Visit, on: str, today: date, forecast: Any) -> dict[str, Any] | None:
    """Return what the penalty is by the last day before it grows faster; None for no such day."""
    day = date.fromisoformat(on)
    step = next_step(forecast["debts"], day) if forecast and day >= today else None
    if step is None:
        return None
    first_day, old, new = step
    last_day = first_day - timedelta(days=1)
    penalty = visit.aside(lambda: _penalty_by(visit, last_day))()
    if penalty is None:
        return None
    owed = penalty["owed"]
    return {"first_day": first_day, "last_day": last_day, "owed": owed, "old": old, "new": new}


def _months(visit: Visit, number: str) -> dict[str, Any]:
    """Return a year of an account, or what came before the year that was shown."""
    before = visit.query.get("before")
    query = {"limit": str(YEAR), **({"before": before} if before else {})}
    found: dict[str, Any] = visit.api(ChargeRoutes.months, path={"number": number}, query=query)
    return found


def _explained(months: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return months with the change against the month before, where that one is known."""
    explained = []
    for place, month in enumerate(months):
        before = months[place + 1] if place + 1 < len(months) else None
        change = month["total"] - before["total"] if before else None
        parts = why(month, before) if before else []
        explained.append({**month, "before": before, "change": change, "why": parts})
    return explained
