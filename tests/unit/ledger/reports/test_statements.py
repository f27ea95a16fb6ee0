"""Movements and months: the statement of an account, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from eventful_account import NOVEMBER, NUMBER, Stream, eventful

from services.ledger.reports.statements import (
    charges,
    charges_of_accounts,
    payment_postings,
    statement,
)
from shared.errors import NotFound


def test_a_statement_has_a_movement_for_each_event() -> None:
    session: Any = Stream(eventful().pending)
    movements = statement(session, NUMBER, None, 100)["movements"]
    found = [(m["kind"], m["amount"], m["penalty"], m["balance"]) for m in movements]
    assert found == [
        ("opening", 0, 0, 0),
        ("opening", 970, 0, 970),
        ("payer_kind", 0, 0, 970),
        ("charges", 430, 0, 1_400),
        ("penalty", 0, 90, 1_490),
        ("payment", -1_500, -70, -80),
        ("charges", 600, 0, 520),
        ("adjustment", -275, 0, 245),
        ("penalty_correction", 0, -31, 214),
        ("penalty", 0, 8, 222),
        ("penalty_write_off", 0, -3, 219),
        ("advance_settled", 0, 0, 219),
        ("payment_reversal", 1_500, 70, 1_789),
    ]
    assert [m["text"] for m in movements] == [
        "Входящее сальдо",
        "Входящее сальдо",
        "Изменён вид плательщика",
        "Начисления за 2026-10",
        "Пени",
        "Оплата",
        "Начисления за 2026-11",
        "Перерасчёт за 2026-10: no heating",
        "Уточнение пеней: paid",
        "Пени",
        "Списание пеней: a court decision",
        "Зачёт аванса",
        "Отмена оплаты",
    ]
    assert movements[3]["effective_on"] == "2026-10-31"
    assert movements[3]["recorded_at"] == "2026-12-31T12:04:00+00:00"
    assert [m["position"] for m in movements] == list(range(10, 140, 10))


def test_a_statement_goes_on_where_a_page_ended() -> None:
    session: Any = Stream(eventful().pending)
    whole = statement(session, NUMBER, None, 13)
    assert whole["next"] is None
    page = statement(session, NUMBER, None, 4)
    assert (page["movements"], page["next"]) == (whole["movements"][:4], 40)
    rest = statement(session, NUMBER, 40, 9)
    assert (rest["movements"], rest["next"]) == (whole["movements"][4:], None)


def test_a_month_has_its_bill_and_its_recalculations_apart() -> None:
    session: Any = Stream(eventful().pending)
    november, october = charges(session, NUMBER, None, 2)["months"]
    assert (november["total"], november["adjustments"]) == (600, [])
    assert october["total"] == 430 - 275
    assert october["due_on"] == "2026-11-16"
    assert [line["payable"] for line in october["lines"]] == [470, -40]
    assert october["adjustments"] == [
        {
            "effective_on": "2026-12-01",
            "reason": "no heating",
            "lines": [
                {"service": "heating", "amount": -300},
                {"service": "waste", "amount": 25},
            ],
        }
    ]
    page = charges(session, NUMBER, None, 1)
    assert page["next"] == NOVEMBER
    assert charges(session, NUMBER, NOVEMBER, 1) == {"months": [october], "next": None}


def test_charges_of_several_accounts_are_the_newest_months_of_each() -> None:
    session: Any = Stream(eventful().pending)
    alone = charges(session, NUMBER, None, 1)
    assert charges_of_accounts(session, [NUMBER, "2"], 1) == {
        "accounts": [{"number": NUMBER, **alone}, {"number": "2", **alone}]
    }
    nothing: Any = Stream([])
    assert charges_of_accounts(nothing, [NUMBER], 1) == {
        "accounts": [{"number": NUMBER, "months": [], "next": None}]
    }


class Postings:
    """What the postings of a payment need of a session: their rows, and names by bills."""

    def __init__(self, *parts: tuple[str, str]) -> None:
        self.read = self
        self._rows = [
            {"account": account, "allocation": [{"service": service, "amount": 1}]}
            for account, service in parts
        ]

    def postings_of(self, _payment_id: UUID) -> list[dict[str, Any]]:
        return self._rows

    def service_names(self, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
        return {number: {"water": "Вода"} for number in numbers}

    def service_names_of_late_bills(self, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
        assert numbers == ["2", "3"], "late bills are read only where the last one lacks a service"
        return {"2": {"water": "Вода", "heating": "Отопление"}}


def test_paid_services_have_the_names_of_the_bills() -> None:
    session: Any = Postings(("1", "water"), ("2", "heating"), ("3", "heating"))
    postings = payment_postings(session, UUID(int=1))["postings"]
    assert [one["allocation"][0]["name"] for one in postings] == ["Вода", "Отопление", "heating"]


def test_there_is_no_statement_of_an_unknown_account() -> None:
    session: Any = Stream([])
    for ask in (statement, charges):
        with pytest.raises(NotFound) as refused:
            ask(session, NUMBER, None, 10)
        assert refused.value.params == {"account": NUMBER}
