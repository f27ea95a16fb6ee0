"""Looking up, linking and unlinking: S11-S15, S17, S18 and the privacy rules of linking."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from services.accounts.application import (
    LookUpAccount,
    UnlinkAccount,
    ownership,
    unlink_account,
)
from services.accounts.domain import AccountLinked, contract_id
from services.accounts.policy import load_policy
from shared.context import bind
from shared.errors import Conflict, Forbidden, NotFound

FIRST, SECOND = "0100000001", "0100000002"
ANNA, BORIS = uuid4(), uuid4()


def look_up(desk: Any, person_id: UUID, number: str) -> dict[str, Any] | None:
    return desk.store.transact(
        desk.linking.look_up, LookUpAccount(person_id=person_id, number=number)
    )


def unlink(desk: Any, person_id: UUID, number: str) -> dict[str, Any]:
    return desk.store.execute(unlink_account, UnlinkAccount(person_id=person_id, number=number))


def test_a_look_up_forgives_spaces_and_masks_what_is_not_proven(desk: Any) -> None:
    assert look_up(desk, ANNA, f"  {FIRST} \u00a0") == {
        "number": FIRST,
        "address": "г. Примерск, ул. Образцовая",
        "holder": "П. П. О.",
        "linked": False,
    }


@pytest.mark.parametrize("number", ["100000001", "0100000009", "01 00000001", "счёт", "٠١٢"])
def test_a_look_up_of_an_unknown_number_finds_nothing(desk: Any, number: str) -> None:
    assert look_up(desk, ANNA, number) is None


def test_look_ups_are_limited_per_person_though_they_find_nothing(desk: Any) -> None:
    for _ in range(60):
        look_up(desk, ANNA, "0999999999")
    with pytest.raises(Forbidden) as refusal:
        look_up(desk, ANNA, FIRST)
    assert refusal.value.code == "too_many_attempts"
    assert refusal.value.params == {"retry_after_seconds": 3600}
    assert look_up(desk, BORIS, FIRST) is not None
    desk.clock.advance(timedelta(hours=1))
    assert look_up(desk, ANNA, FIRST) is not None


@pytest.mark.parametrize("proof", ["4500,00", " 4 500.00 ", "4500", "2026-10/01", "№ 2026 10 01"])
def test_a_fact_of_the_bill_links_and_shows_the_contract_in_full(desk: Any, proof: str) -> None:
    assert desk.link(ANNA, f" {FIRST} ", proof)
    assert desk.linked(ANNA) == [
        {
            "number": FIRST,
            "address": "г. Примерск, ул. Образцовая, д. 4, кв. 1",
            "holder": "Примерова Полина Образцовна",
            "residents": 3,
            "total_area": "54.2",
            "living_area": None,
            "heated_area": None,
            "els": None,
            "linked_at": "2026-11-10T09:00:00+00:00",
        }
    ]


@pytest.mark.parametrize(
    ("number", "proof"),
    [
        (FIRST, "4500,01"),
        (FIRST, "2026-10/02"),
        (FIRST, ""),
        (FIRST, "0"),
        ("0999999999", "4500,00"),
        ("счёт", "4500,00"),
    ],
)
def test_a_wrong_fact_and_an_unknown_number_are_refused_alike(
    desk: Any, number: str, proof: str
) -> None:
    assert not desk.link(ANNA, number, proof)
    assert desk.linked(ANNA) == []


def test_a_bill_without_a_sum_to_pay_is_not_proven_by_its_zero(desk: Any) -> None:
    desk.register(desk.row("0100000003", total=0))
    assert not desk.link(ANNA, "0100000003", "0,00")
    assert desk.link(ANNA, "0100000003", "2026-10/03")


def test_refused_attempts_are_counted_per_account_over_all_persons(desk: Any) -> None:
    for _ in range(10):
        assert not desk.link(uuid4(), FIRST, "1,00")
    with pytest.raises(Forbidden, match="Too many attempts"):
        desk.link(ANNA, FIRST, "4500,00")
    assert desk.link(ANNA, SECOND, "-120,00")
    desk.clock.advance(timedelta(days=1))
    assert desk.link(ANNA, FIRST, "4500,00")


def test_refused_attempts_are_counted_per_person_over_all_accounts(desk: Any) -> None:
    for index in range(20):
        assert not desk.link(ANNA, f"09{index:08d}", "1,00")
    with pytest.raises(Forbidden, match="Too many attempts"):
        desk.link(ANNA, FIRST, "4500,00")
    assert desk.link(BORIS, FIRST, "4500,00")


def test_a_repeated_link_returns_the_same_and_counts_once(desk: Any) -> None:
    command_id = uuid4()
    with bind(command_id=command_id):
        assert desk.link(ANNA, FIRST)
        assert desk.link(ANNA, FIRST)
    assert len(desk.linked(ANNA)) == 1
    with bind(command_id=command_id), pytest.raises(Conflict) as refusal:
        desk.link(ANNA, SECOND)
    assert refusal.value.code == "command_reused"


def test_an_account_is_linked_once(desk: Any) -> None:
    desk.link(ANNA, FIRST)
    with pytest.raises(Conflict) as refusal:
        desk.link(ANNA, FIRST)
    assert refusal.value.code == "already_linked"


def test_a_cabinet_holds_ten_accounts(desk: Any) -> None:
    numbers = [f"02{index:08d}" for index in range(11)]
    desk.register(*(desk.row(number) for number in numbers))
    for number in numbers[:10]:
        assert desk.link(ANNA, number)
    with pytest.raises(Conflict) as refusal:
        desk.link(ANNA, numbers[10])
    assert refusal.value.code == "account_limit_reached"
    assert refusal.value.params == {"limit": 10}
    unlink(desk, ANNA, numbers[0])
    assert desk.link(ANNA, numbers[10])
    assert [account["number"] for account in desk.linked(ANNA)] == numbers[1:]


def test_the_last_account_stays(desk: Any) -> None:
    desk.link(ANNA, FIRST)
    with pytest.raises(Conflict) as refusal:
        unlink(desk, ANNA, FIRST)
    assert refusal.value.code == "last_account_stays"
    desk.link(ANNA, SECOND, "-120")
    assert unlink(desk, ANNA, f" {FIRST} ") == {"number": FIRST}
    assert [account["number"] for account in desk.linked(ANNA)] == [SECOND]


def test_only_a_linked_account_can_be_unlinked(desk: Any) -> None:
    desk.link(ANNA, FIRST)
    for number in (SECOND, "счёт"):
        with pytest.raises(NotFound) as refusal:
            unlink(desk, ANNA, number)
        assert refusal.value.code == "account_not_linked"


def test_a_link_names_the_persons_who_had_the_account_before(desk: Any) -> None:
    desk.link(ANNA, FIRST)
    desk.link(BORIS, FIRST)
    assert desk.store.log[-1].event == AccountLinked(
        person_id=BORIS, number=FIRST, proven_by="bill", other_person_ids=(ANNA,)
    )


def test_ownership_divides_the_numbers_asked_for(desk: Any) -> None:
    desk.link(ANNA, FIRST)
    answer = desk.store.query(lambda session: ownership(session, ANNA, [SECOND, FIRST, "x"]))
    assert answer == {"owned": [FIRST], "foreign": [SECOND, "x"]}


def test_linking_by_number_alone_shows_no_name(new_desk: Callable[..., Any]) -> None:
    desk = new_desk(msgspec.structs.replace(load_policy({}), proof="number"))
    desk.register(desk.row(FIRST))
    assert not desk.link(ANNA, "0999999999", "")
    assert desk.link(ANNA, FIRST, "")
    (account,) = desk.linked(ANNA)
    assert account["holder"] == "П. П. О."
    assert account["address"] == "г. Примерск, ул. Образцовая"


def test_an_erased_contract_shows_nothing_and_still_counts(desk: Any) -> None:
    desk.link(ANNA, FIRST)
    desk.store.vault.destroy(contract_id(FIRST))
    (account,) = desk.linked(ANNA)
    assert account["holder"] is None
    assert account["address"] is None
    assert account["residents"] == 3
    preview = look_up(desk, ANNA, FIRST)
    assert preview is not None
    assert (preview["address"], preview["holder"]) == ("***", "***")


def test_no_event_has_a_name_an_address_or_a_bill(desk: Any) -> None:
    desk.link(ANNA, FIRST)
    log = b" ".join(desk.store.events.encode(record.event) for record in desk.store.log).decode()
    for personal in ("Пример", "Образц", "4500", "450000", "2026-10"):
        assert personal not in log
