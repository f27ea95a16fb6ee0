"""Lines that are disputed: their marks on pages, and the line that a question is to be about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gateway.cabinet.visit import Visit
from gateway.problems import Refusal
from gateway.routes.charges import PERIOD, ChargeRoutes, months_after
from gateway.routes.disputes import DisputeRoutes
from shared import formats

Marks = Mapping[tuple[str, str, str], Mapping[str, Any]]
"""By number, month and service: ``{state, question_id|None, is_asked}``.

The question is the reader's own; ``is_asked``: one of his is under review.
"""

_STRONGEST = ("under_review", "corrected", "rejected")
"""Of several questions about a line an open one counts, then one that has changed the line."""


class Line(NamedTuple):
    """A line of a bill as a form has it: ``0100000001.2026-10.heating``."""

    number: str
    period: str
    service: str

    @property
    def value(self) -> str:
        """What the field of a form holds."""
        return ".".join(self)


def marks_of(visit: Visit, number: str | None = None) -> Callable[[], Marks]:
    """Return a read of the marks of an account, or of all; none while the help desk is silent."""

    def read() -> Marks:
        query = {} if number is None else {"account": number}
        found = visit.aside(lambda: visit.api(DisputeRoutes.disputes, query=query))()
        return _marks(found["disputes"]) if found else {}

    return read


def reviewed_months(marks: Marks) -> set[tuple[str, str]]:
    """Return number and month of each line that is under review."""
    return {place[:2] for place, mark in marks.items() if mark["state"] == "under_review"}


def line_of(text: str) -> Line | None:
    """Return the line that an address or a field names."""
    number, period, service = [*text.split(".", 2), "", ""][:3]
    return Line(number, period, service) if service and PERIOD.fullmatch(period) else None


def described_line(visit: Visit, line: Line) -> str | None:
    """Return a line in words; "" where the ledger is silent, None where there is no such line."""
    read = visit.aside(lambda: month_of(visit, line.number, line.period))
    months = read()
    if months is None:
        return ""
    lines = [one for month in months for one in month["lines"] if one["service"] == line.service]
    if not lines:
        return None
    return visit.text("%(name)s за %(month)s, начислено %(sum)s") % {
        "name": lines[0]["name"],
        "month": formats.month(line.period, visit.language),
        "sum": formats.roubles(lines[0]["payable"], visit.language),
    }


def month_of(visit: Visit, number: str, period: str) -> list[dict[str, Any]]:
    """Return the month of an account with its lines; empty where nothing was billed."""
    query = {"before": months_after(number, period), "limit": "1"}
    found = visit.api(ChargeRoutes.months, path={"number": number}, query=query)["months"]
    return [month for month in found if month["period"] == period]


def disputed_month(visit: Visit, dispute: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the month of a disputed line; None without one, and where it may not be read now."""
    if dispute is None:
        return None
    try:
        read = visit.aside(lambda: month_of(visit, dispute["account"], dispute["period"]))
        found = read()
    except Refusal:  # the access to the account has ended, the question is still the asker's
        return None
    return found[0] if found else None


def _marks(disputes: list[dict[str, Any]]) -> Marks:
    marks: dict[tuple[str, str, str], dict[str, Any]] = {}
    # The newest first of each state: the question of the reader's own is that of the state shown.
    for one in sorted(disputes, key=lambda one: _STRONGEST.index(one["state"])):
        mark = marks.setdefault(
            (one["account"], one["period"], one["service"]),
            {"state": one["state"], "question_id": None, "is_asked": False},
        )
        mark["question_id"] = mark["question_id"] or one["question_id"]
        mark["is_asked"] |= bool(one["question_id"]) and one["state"] == "under_review"
    return marks
