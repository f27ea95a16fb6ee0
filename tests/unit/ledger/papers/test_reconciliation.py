"""An act of reconciliation adds up: by movement, by service, and with the statement."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

import pypdfium2
import pytest
from account_sessions import AccountSession
from eventful_account import ID, NUMBER, an_account, bill, day, eventful

from services.ledger.domain.decision import BY_FACTS, BY_LATER_ENTRY
from services.ledger.papers import reconciliation as module
from services.ledger.papers.reconciliation import reconciliation
from services.ledger.reports.history import statement_by_days
from services.ledger.reports.totals import turnover_of_account
from shared.documents.papers import paper_pdf
from shared.errors import NotFound, ValidationFailed

COLUMNS = ("charged", "recalculated", "concession", "penalty", "paid")
SIGNS = {"concession": -1, "paid": -1}
ALL = (day("09-01"), day("12-31"))


def act(session: AccountSession, first: date, last: date) -> dict:  # type: ignore[type-arg]
    return reconciliation(session, NUMBER, first, last)  # type: ignore[arg-type]


@pytest.mark.parametrize("days", [ALL, (day("10-31"), day("11-21")), (day("12-02"), day("12-04"))])
def test_movements_and_services_add_up_to_the_totals(days: tuple[date, date]) -> None:
    session = AccountSession(eventful().pending)
    found = act(session, *days)
    totals = found["totals"]
    for column in COLUMNS:
        assert sum(one[column] for one in found["movements"]) == totals[column]
    for column in (*COLUMNS, "opening", "closing"):
        assert sum(row[column] for row in found["services"]) == totals[column]
    balance = totals["opening"]
    for one in found["movements"]:
        balance += sum(SIGNS.get(column, 1) * one[column] for column in COLUMNS)
        assert one["balance"] == balance
    assert balance == totals["closing"]
    shown = statement_by_days(session, NUMBER, *days)  # type: ignore[arg-type]
    assert totals["closing"] == shown["closing"]


def test_each_movement_stands_in_the_columns_of_its_kind() -> None:
    found = act(AccountSession(eventful().pending), *ALL)
    by_kind = {
        one["kind"]: {column: one[column] for column in COLUMNS if one[column]}
        for one in found["movements"]
        if one["period"] != "2026-11"
    }
    assert by_kind == {
        "charges": {"charged": 560, "recalculated": -120, "concession": 10},
        "penalty": {"penalty": 8},
        "payment": {"paid": 1_570},
        "adjustment": {"recalculated": -275},
        "penalty_correction": {"penalty": -31},
        "penalty_write_off": {"penalty": -3},
        "payment_reversal": {"paid": -1_570},
        "payer_kind": {},
        "advance_settled": {},
    }
    assert found["services"][-1]["service"] == "penalty", "services first"
    assert {"heating": "Отопление", "water": "water"}.items() <= {
        row["service"]: row["name"] for row in found["services"]
    }.items(), "the name of the latest bill"


def test_refunds_and_moves_lower_what_is_paid() -> None:
    account, other = an_account("09-01"), an_account("09-01")
    bill(account, "10-31", heating=1_000)
    first, second = uuid4(), uuid4()
    account.post_payment(first, day("11-10"), 600, 0)
    account.refund_payment(first, uuid4(), 150, day("11-12"))
    account.post_payment(second, day("11-13"), 300, 0)
    account.move_payment(second, other, day("11-14"), "a wrong account")
    found = act(AccountSession(account.pending), *ALL)
    assert [(one["kind"], one["paid"], one["balance"]) for one in found["movements"]] == [
        ("charges", 0, 1_000),
        ("payment", 600, 400),
        ("payment_refund", -150, 550),
        ("payment", 300, 250),
        ("payment_moved_away", -300, 550),
    ]
    assert (found["totals"]["paid"], found["totals"]["closing"]) == (450, 550)
    assert turnover_of_account(ID, account.pending, *ALL).books["clearing"] == 450
    there = act(AccountSession(other.pending), *ALL)
    assert [(one["kind"], one["paid"]) for one in there["movements"]] == [
        ("payment_moved_here", 300)
    ]


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("reason", [BY_FACTS, BY_LATER_ENTRY])
def test_reason_that_the_ledger_gives_is_in_the_language_of_the_paper(
    reason: str, language: str
) -> None:
    found = act(AccountSession(eventful().pending), *ALL)
    corrected = next(one for one in found["movements"] if one["kind"] == "penalty_correction")
    written = dict.fromkeys(("organisation", "holder", "address"), "")
    pdf = paper_pdf(
        "reconciliation",
        {**found, **written, "movements": [{**corrected, "reason": reason}]},
        language,
    )
    [page] = pypdfium2.PdfDocument(pdf)
    words = " ".join(page.get_textpage().get_text_bounded().split())
    told = {
        ("ru", BY_FACTS): "Уточнение пеней: оплата или перерасчёт",
        ("ru", BY_LATER_ENTRY): "Уточнение пеней: запись, внесённая позже своего дня",
        ("en", BY_FACTS): "Correction of the penalty: a payment or an adjustment",
        ("en", BY_LATER_ENTRY): "Correction of the penalty: an entry recorded after its day",
    }
    assert told[language, reason] in words


def test_penalty_that_nobody_has_accrued_stands_apart() -> None:
    account = an_account("01-01")
    bill(account, "01-31", "2026-01", heating=4_500_00)
    found = act(AccountSession(account.pending), day("01-01"), day("06-30"))
    assert found["totals"]["penalty"] == 0
    assert found["unbooked_penalty"] > 0
    assert found["penalty_day"] == "2026-06-30"
    ahead = act(AccountSession(account.pending), day("01-01"), date(2027, 3, 1))
    assert ahead["penalty_day"] == "2026-12-31", "no forecast"


def test_days_and_accounts_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    session = AccountSession(eventful().pending)
    with pytest.raises(ValidationFailed, match="first day is after"):
        act(session, day("12-31"), day("09-01"))
    with pytest.raises(NotFound):
        act(AccountSession([]), *ALL)
    monkeypatch.setattr(module, "MOST", 5)
    with pytest.raises(ValidationFailed) as refused:
        act(session, *ALL)
    assert refused.value.code == "too_many_movements"
