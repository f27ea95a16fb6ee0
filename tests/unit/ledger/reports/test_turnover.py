"""The turnover report of one account, by service, penalty and advance."""

from __future__ import annotations

from eventful_account import ID, an_account, day, eventful

from services.ledger.domain import Account
from services.ledger.domain.effective_order import in_effective_order
from services.ledger.domain.events import ServiceAmount
from services.ledger.reports.totals import TurnoverReport, turnover_of_account
from services.ledger.reports.turnover import Row, Turnover


def report(account: Account, first: str, last: str) -> dict[str, dict[str, int]]:
    made = Turnover(day(first), day(last))
    made.add(in_effective_order(ID, account.pending))
    return {
        name: {column: amount for column, amount in row.as_dict().items() if amount}
        for name, row in made.rows.items()
    }


def test_a_report_has_a_row_for_each_service_and_for_penalty_and_advance() -> None:
    assert report(eventful(), "10-01", "12-31") == {
        "heating": {
            "opening": 970,
            "charged": 500,
            "recalculated": -320,
            "concession": 10,
            # 40 by what water gave back, 1 400 by the payment, 300 given back, 1 100 undone.
            "paid": 40,
            "closing": 1_100,
        },
        "advance": {},
        "water": {"charged": 660, "recalculated": -100, "paid": -40, "closing": 600},
        "penalty": {"penalty": 64, "closing": 64},
        "waste": {"recalculated": 25, "closing": 25},
    }


def test_a_report_has_what_was_paid_when_it_was_paid() -> None:
    account = eventful()
    assert report(account, "11-01", "11-30") == {
        "heating": {"opening": 1_400, "paid": 1_400},
        "advance": {},
        "water": {"charged": 600, "paid": 80, "closing": 520},
        "penalty": {"penalty": 90, "paid": 90},
    }


def test_the_total_is_the_sum_of_the_rows() -> None:
    assert TurnoverReport({}, {}).total == Row()
    total = turnover_of_account(ID, eventful().pending, day("10-01"), day("12-31")).total
    assert total == Row(
        opening=970, charged=1_160, recalculated=-395, concession=10, penalty=64, paid=0
    )
    assert total.closing == 1_789


def test_events_after_the_last_day_are_not_on_the_report() -> None:
    account = an_account("10-02", ServiceAmount("heating", 5))
    assert report(account, "09-01", "10-01") == {}
    assert report(account, "10-02", "10-02") == {"heating": {"opening": 5, "closing": 5}}
    account.accrue_penalty(7, day("10-03"), "rule-1")
    assert "penalty" not in report(account, "10-02", "10-02")
    assert report(account, "10-03", "10-03")["penalty"] == {"penalty": 7, "closing": 7}
    assert report(account, "10-04", "10-05")["penalty"] == {"opening": 7, "closing": 7}


def test_a_report_of_many_accounts_adds_them_up() -> None:
    made = Turnover(day("10-01"), day("12-31"))
    for _ in range(3):
        made.add(in_effective_order(ID, eventful().pending))
    assert made.rows["heating"].closing == 3 * 1_100
