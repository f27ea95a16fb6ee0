"""Statements of given days: of one account as a page, of one or all as CSV, XLSX and PDF."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.wrappers import Response

from gateway.cabinet import spellings
from gateway.cabinet.forms import FormErrors
from gateway.cabinet.page import page
from gateway.cabinet.visit import Visit
from gateway.documents.files import file_response
from gateway.documents.statement import (
    COLUMNS,
    SUBTRACTED,
    column_names,
    operation,
    statement_name,
    statement_pdf,
)
from gateway.documents.tables import statement_csv, statement_xlsx
from gateway.problems import Refusal
from gateway.routes.charges import ChargeRoutes

MOST_SHOWN = 300
"""Movements on the page; the files have all of them."""
WRITERS: Mapping[str, Callable[[Mapping[str, Any], str], bytes]] = {
    "csv": statement_csv,
    "xlsx": statement_xlsx,
    "pdf": statement_pdf,
}


class StatementPages:
    """Movements with a running balance, and their control totals."""

    @page("GET", "/accounts/<number>/statement")
    def statement_page(self, visit: Visit) -> Response:
        """Show what happened on an account from one day to another."""
        number = visit.path["number"]
        typed = {name: visit.query.get(name, "").strip() for name in ("from", "to")}
        errors = None
        try:
            found = _statements(visit, number, typed)
        except _WrongDays as wrong:
            errors = wrong.errors
            found = _statements(visit, number, {})
        account = found["accounts"][0]
        movements = [
            {**movement, "operation": operation(movement, visit.language)}
            for movement in account["movements"]
        ]
        days = f"from={found['from']}&to={found['to']}"
        return visit.render(
            "statement.html",
            account=account,
            statement=found,
            movements=movements[:MOST_SHOWN],
            left_out=max(0, len(movements) - MOST_SHOWN),
            totals=list(
                zip(
                    column_names(visit.language),
                    [account["totals"][column] for column in COLUMNS],
                    [column in SUBTRACTED for column in COLUMNS],
                    strict=True,
                )
            ),
            typed=typed,
            days=days,
            errors=errors,
        )

    @page("GET", "/accounts/<number>/statement.<any(csv,xlsx,pdf):ending>")
    def statement_file(self, visit: Visit) -> Response:
        """Return the statement of one account as a file."""
        return _file(visit, visit.path["number"])

    @page("GET", "/statement.<any(csv,xlsx,pdf):ending>")
    def statement_of_all_file(self, visit: Visit) -> Response:
        """Return the statement of all linked accounts as a file."""
        return _file(visit, None)


class _WrongDays(Exception):  # noqa: N818 - a form to put right
    def __init__(self, errors: FormErrors) -> None:
        super().__init__()
        self.errors = errors


def _statements(visit: Visit, number: str | None, typed: Mapping[str, str]) -> Any:
    """Return the statements of one account, or of all, in the days that were typed.

    Raises _WrongDays for days that are none or stand in the wrong order, Refusal 404 for an
    account that is not linked.
    """
    query = {name: spellings.day(text) for name, text in typed.items() if text}
    if number is not None:
        query["account"] = number
    try:
        return visit.api(ChargeRoutes.statements, query=query)
    except Refusal as refusal:
        wrong = [error.get("parameter", "") for error in refusal.errors]
        if "account" in wrong:
            raise Refusal(404, "account_not_linked") from None
        if not wrong:
            raise
        text = visit.text("Введите два дня, первый не позже второго, например 01.01.2026.")
        fields = dict.fromkeys(wrong, text)
        raise _WrongDays(FormErrors(code=refusal.code, text=text, fields=fields)) from None


def _file(visit: Visit, number: str | None) -> Response:
    typed = {name: visit.query.get(name, "").strip() for name in ("from", "to")}
    try:
        found = _statements(visit, number, typed)
    except _WrongDays as wrong:
        raise Refusal(422, "invalid_days") from wrong
    ending = visit.path["ending"]
    return file_response(WRITERS[ending](found, visit.language), statement_name(found), ending)
