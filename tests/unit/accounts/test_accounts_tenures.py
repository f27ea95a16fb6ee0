"""Tenures: one holder follows another, and neither has the other's time or proof."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from services.accounts.domain import (
    ContractAmended,
    ContractRegistered,
    TenureClosed,
    TenureOpened,
    contract_id,
    tenure_id,
)
from services.accounts.publishing import publish
from services.accounts.staff_access import contract_of
from services.accounts.tenures import Tenure, is_same_holder
from shared.errors import NotFound

FIRST = "0100000001"
NEWCOMER = "Новосёлов Никита"
TODAY = date(2026, 11, 10)
PERSON = UUID(int=7)


def tenures(harness: Any, number: str = FIRST) -> list[Tenure]:
    return harness.store.read_model.tenures.history(number)


def events(harness: Any) -> list[type]:
    return [type(record.event) for record in harness.store.log[2:]]


def test_registered_contract_has_its_first_tenure(harness: Any) -> None:
    (tenure,) = tenures(harness)
    assert (tenure.tenure, tenure.since, tenure.until, tenure.state) == (1, None, None, "open")
    assert tenure_id(FIRST, 1) == contract_id(FIRST)
    harness.register(harness.row("07", since=date(2026, 5, 1)))
    assert tenures(harness, "07")[0].since == date(2026, 5, 1)


def test_another_holder_closes_the_tenure_and_opens_the_next(harness: Any) -> None:
    row = harness.row(FIRST, holder=NEWCOMER, effective_on=date(2026, 7, 15))
    assert harness.register(row) == {"opened": 1}
    assert events(harness) == [TenureClosed, TenureOpened]
    former, present = tenures(harness)
    assert (former.until, former.state) == (date(2026, 7, 14), "closed")
    assert (present.tenure, present.since, present.until) == (2, date(2026, 7, 15), None)
    closed, opened = map(publish, harness.store.log[-2:])
    assert closed.data == {"number": FIRST, "tenure": 1, "until": "2026-07-14"}
    assert opened.data == {
        "number": FIRST,
        "tenure": 2,
        "since": "2026-07-15",
        "payer_kind": "household",
    }
    assert harness.register(row) == {"unchanged": 1}


@pytest.mark.parametrize(
    ("days", "since"),
    [
        ({}, TODAY),
        ({"effective_on": date(2026, 7, 15)}, date(2026, 7, 15)),
        (
            {"effective_on": date(2026, 7, 15), "since": date(2026, 8, 1)},
            date(2026, 8, 1),
        ),
    ],
)
def test_the_next_tenure_begins_with_the_day_of_its_row(
    harness: Any, days: dict[str, date], since: date
) -> None:
    harness.register(harness.row(FIRST, holder=NEWCOMER, **days))
    assert tenures(harness)[1].since == since


def test_each_tenure_has_a_key_of_its_own(harness: Any) -> None:
    harness.register(harness.row(FIRST, holder=NEWCOMER))
    former, present = tenures(harness)
    vault, second = harness.store.vault, tenure_id(FIRST, 2)
    assert vault.reveal(second, present.details.holder, "holder") == NEWCOMER
    vault.destroy(contract_id(FIRST))
    assert vault.reveal(contract_id(FIRST), former.details.holder, "holder") is None
    assert vault.reveal(second, present.details.address, "address") is not None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Фёдоров Пётр", "ФЕДОРОВ ПЕТР", True),
        ("ООО «Рога и копыта»", 'ООО "Рога  и копыта"', True),
        ("Иванов И. И.", "иванов И.И.", True),
        ("Салтыков-Щедрин", "Салтыков Щедрин", True),
        ("Ｉｖａｎｏｖ", "Ivanov", True),
        ("Иванов И. И.", "Иванова И. И.", False),
        ("Иванов", "Петров", False),
    ],
)
def test_holders_are_compared_without_case_yo_spaces_and_punctuation(
    one: str, other: str, same: bool
) -> None:
    assert is_same_holder(one, other) is same


def test_a_name_in_another_spelling_amends(harness: Any) -> None:
    spelled = "ПРИМЕРОВА  Полина Образцовна."
    assert harness.register(harness.row(FIRST, holder=spelled)) == {"amended": 1}
    assert [tenure.tenure for tenure in tenures(harness)] == [1]


def test_a_correction_of_the_name_keeps_tenure_and_proof(harness: Any) -> None:
    row = harness.row(FIRST, holder="Примерова-Новая Полина", is_correction=True)
    assert harness.register(row) == {"amended": 1}
    event = harness.store.log[-1].event
    assert isinstance(event, ContractAmended)
    assert (event.changed, event.tenure) == (("holder",), 1)
    assert harness.link(PERSON, FIRST)


def test_amendment_of_a_later_tenure_says_which_and_is_sealed_under_its_key(harness: Any) -> None:
    harness.register(harness.row(FIRST, holder=NEWCOMER))
    moved = "г. Примерск, ул. Образцовая, д. 4, кв. 1а"
    assert harness.register(harness.row(FIRST, holder=NEWCOMER, address=moved)) == {"amended": 1}
    event = harness.store.log[-1].event
    assert event.tenure == 2
    assert publish(harness.store.log[-1]).data["tenure"] == 2
    sealed = event.details.address
    assert harness.store.vault.reveal(tenure_id(FIRST, 2), sealed, "address") == moved
    assert tenures(harness)[0].details.address != sealed


def test_the_former_proofs_go_with_the_holder(harness: Any) -> None:
    harness.register(harness.row(FIRST, holder=NEWCOMER))
    # The row still has the former bill, which the former holder knows.
    assert not harness.link(PERSON, FIRST, "4500,00 10.2026")
    assert not harness.link(PERSON, FIRST, "CODE-0001")
    row = harness.row(FIRST, holder=NEWCOMER, control_code="FRESH-C0DE")
    assert harness.register(row) == {"unchanged": 1, "bills": 1}
    assert not harness.link(PERSON, FIRST, "CODE-0001")
    assert harness.link(PERSON, FIRST, "FRESH-C0DE")


def test_control_code_is_sealed_under_its_tenure(harness: Any) -> None:
    row = harness.row(FIRST, holder=NEWCOMER, control_code="FRESH-C0DE")
    harness.register(row)
    tenure, sealed = harness.store.read_model.proofs.sealed_code(FIRST)
    assert tenure == 2
    reveal = harness.store.vault.reveal
    assert reveal(tenure_id(FIRST, 2), sealed, "control_code") == "FRESH-C0DE"


def test_closed_contract_is_final_and_proves_nothing(harness: Any) -> None:
    row = harness.row(FIRST, state="closed", closed_on=date(2026, 10, 31))
    assert harness.register(row) == {"closed": 1}
    (tenure,) = tenures(harness)
    assert (tenure.state, tenure.until) == ("closed", date(2026, 10, 31))
    assert harness.store.log[-1].event == TenureClosed(
        number=FIRST, tenure=1, until=date(2026, 10, 31), reason="contract_closed"
    )
    assert not harness.link(PERSON, FIRST)
    assert harness.register(row) == {"unchanged": 1}
    assert harness.register(harness.row(FIRST)) == {"unchanged": 1}, "without a state it stays"
    assert not harness.link(PERSON, FIRST)


def test_details_of_a_closed_contract_can_be_corrected(harness: Any) -> None:
    harness.register(harness.row(FIRST, state="closed"))
    assert harness.register(harness.row(FIRST, state="closed", residents=1)) == {"amended": 1}
    assert tenures(harness)[0].details.residents == 1
    assert tenures(harness)[0].state == "closed"


def test_reopened_contract_begins_another_tenure(harness: Any) -> None:
    harness.register(harness.row(FIRST, state="closed", closed_on=date(2026, 8, 31)))
    row = harness.row(FIRST, state="open", since=date(2026, 10, 1))
    assert harness.register(row) == {"opened": 1}
    former, present = tenures(harness)
    assert former.until == date(2026, 8, 31)
    assert (present.since, present.until) == (date(2026, 10, 1), None)
    assert events(harness) == [TenureClosed, TenureOpened]


def test_contract_that_closes_today_reopens_tomorrow(harness: Any) -> None:
    harness.register(harness.row(FIRST, state="closed"))
    assert harness.register(harness.row(FIRST, state="open")) == {"opened": 1}
    assert [tenure.since for tenure in tenures(harness)] == [None, date(2026, 11, 11)]


def test_closed_contract_opens_for_another_holder(harness: Any) -> None:
    harness.register(harness.row(FIRST, state="closed", closed_on=date(2026, 8, 31)))
    assert harness.register(harness.row(FIRST, holder=NEWCOMER)) == {"opened": 1}


def test_row_that_closes_opens_nothing_whoever_it_names(harness: Any) -> None:
    assert harness.register(harness.row(FIRST, holder=NEWCOMER, state="closed")) == {"closed": 1}
    (tenure,) = tenures(harness)
    holder = harness.store.vault.reveal(contract_id(FIRST), tenure.details.holder, "holder")
    assert holder == "Примерова Полина Образцовна"


def test_contract_is_registered_closed(harness: Any) -> None:
    row = harness.row("07", state="closed", closed_on=date(2026, 3, 31))
    assert harness.register(row) == {"registered": 1}
    assert events(harness) == [ContractRegistered, TenureClosed]
    assert tenures(harness, "07")[0].until == date(2026, 3, 31)
    assert harness.store.read_model.proofs.of(["07"]) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"holder": "Третьяков Т.", "effective_on": date(2026, 6, 30)},
        {"holder": NEWCOMER, "state": "closed", "closed_on": date(2026, 6, 30), "residents": 9},
    ],
)
def test_day_of_an_earlier_tenure_is_refused_and_changes_nothing(
    harness: Any, changes: dict[str, Any]
) -> None:
    harness.register(harness.row(FIRST, holder=NEWCOMER, since=date(2026, 7, 1)))
    before = len(harness.store.log)
    loaded = harness.load(harness.row(FIRST, **changes))
    assert loaded.refused == {
        0: "The present tenure began on 2026-07-01; name a later day.",
    }
    assert len(harness.store.log) == before


def test_reopening_within_the_closed_tenure_is_refused(harness: Any) -> None:
    harness.register(harness.row(FIRST, state="closed", closed_on=date(2026, 8, 31)))
    loaded = harness.load(harness.row(FIRST, state="open", since=date(2026, 8, 31)))
    assert "ended on 2026-08-31" in loaded.refused[0]


def test_holder_may_change_twice_on_one_day(harness: Any) -> None:
    harness.register(harness.row(FIRST, holder=NEWCOMER))
    harness.register(harness.row(FIRST, holder="Третьяков Т."))
    _, second, third = tenures(harness)
    assert (second.since, second.until) == (TODAY, date(2026, 11, 9))
    assert (third.since, third.until) == (TODAY, None)


def test_erased_holder_is_followed_by_a_new_tenure(harness: Any) -> None:
    """Nobody can tell whether the holder is the same; the safe answer is another one."""
    harness.store.vault.destroy(contract_id(FIRST))
    assert harness.register(harness.row(FIRST, is_correction=True)) == {"opened": 1}
    assert contract_id(FIRST) not in harness.store.vault.keys


def test_staff_see_the_tenures_of_a_number_without_its_holders(harness: Any) -> None:
    harness.register(harness.row(FIRST, els="50АД000001", services=("Отопление",), payee="main"))
    harness.register(
        harness.row(FIRST, holder=NEWCOMER, since=date(2026, 7, 15), payer_kind="organisation")
    )
    found = harness.store.query(lambda session: contract_of(session, "0100 0000-01"))
    details = {"payer_kind": "household", "els": "50АД000001"}
    details |= {"services": ["Отопление"], "payee": "main"}
    first = {"tenure": 1, "since": None, "until": "2026-07-14", "state": "closed", **details}
    details = {"payer_kind": "organisation", "els": None, "services": [], "payee": None}
    second = {"tenure": 2, "since": "2026-07-15", "until": None, "state": "open", **details}
    assert found == {"number": FIRST, "tenures": [first, second]}
    with pytest.raises(NotFound):
        harness.store.query(lambda session: contract_of(session, "0999999999"))


def test_els_belongs_to_one_open_account(harness: Any) -> None:
    els = "50АД000001"
    harness.register(harness.row(FIRST, els=els))
    refused = harness.load(harness.row("0100000002", els=els), harness.row("07", els=els)).refused
    assert refused.keys() == {0, 1}
    assert all("another open account has it" in reason for reason in refused.values())
    assert els not in refused[0]
    assert harness.store.read_model.tenures.number_of_els(els) == FIRST
    harness.register(harness.row(FIRST, els=els, state="closed"))
    assert harness.register(harness.row("07", els=els))["registered"] == 1
    assert harness.store.read_model.tenures.number_of_els(els) == "07"


def test_els_can_move_from_one_row_to_a_later_one(harness: Any) -> None:
    els = "50АД000001"
    harness.register(harness.row(FIRST, els=els))
    harness.register(harness.row(FIRST, els="50АД000002"), harness.row("07", els=els))
    assert harness.store.read_model.tenures.number_of_els(els) == "07"
