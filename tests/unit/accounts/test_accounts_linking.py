"""Looking up, linking and unlinking: S11-S15, S17, S18 and the privacy rules of linking."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from services.accounts.application import ownership
from services.accounts.cabinet import AccountLinked
from services.accounts.domain import contract_id
from services.accounts.limiting import Trier
from services.accounts.linking import LookUpAccount, UnlinkAccount, unlink_account
from services.accounts.policy import load_policy
from shared.context import bind
from shared.errors import Conflict, Forbidden, NotFound

FIRST, SECOND = "0100000001", "0100000002"
ANNA, BORIS = uuid4(), uuid4()


def look_up(harness: Any, person_id: UUID, number: str) -> dict[str, Any] | None:
    return harness.store.transact(
        harness.linking.look_up,
        LookUpAccount(trier=Trier(person_id=person_id, network=UUID(int=1)), number=number),
    )


def unlink(harness: Any, person_id: UUID, number: str) -> dict[str, Any]:
    return harness.store.execute(unlink_account, UnlinkAccount(person_id=person_id, number=number))


def test_a_look_up_forgives_spaces_and_masks_what_is_not_proven(harness: Any) -> None:
    assert look_up(harness, ANNA, f"  {FIRST} \u00a0") == {
        "number": FIRST,
        "address": "г. Примерск, ул. Образцовая",
        "holder": "П. П. О.",
        "linked": False,
        "proof": ["control_code"],
        "rate_limit": {
            "policy": "lookup_by_person",
            "limit": 60,
            "window_seconds": 3600,
            "remaining": 59,
            "retry_after_seconds": 3600,
        },
    }


@pytest.mark.parametrize(
    "number", ["100000001", "0100000009", "01x00000001", "счёт", "٠١٢", "51АД600037"]
)
def test_a_look_up_of_an_unknown_number_finds_nothing(harness: Any, number: str) -> None:
    assert look_up(harness, ANNA, number) is None


def test_look_ups_are_limited_per_person_though_they_find_nothing(harness: Any) -> None:
    for _ in range(60):
        look_up(harness, ANNA, "0999999999")
    with pytest.raises(Forbidden) as refusal:
        look_up(harness, ANNA, FIRST)
    assert refusal.value.code == "too_many_attempts"
    assert refusal.value.params == {
        "policy": "lookup_by_person",
        "limit": 60,
        "window_seconds": 3600,
        "remaining": 0,
        "retry_after_seconds": 3600,
    }
    assert look_up(harness, BORIS, FIRST) is not None
    harness.clock.advance(timedelta(hours=1))
    assert look_up(harness, ANNA, FIRST) is not None


@pytest.mark.parametrize("proof", ["CODE-0001", " code 0001 ", "СОDЕ0001", "code‑0001"])
@pytest.mark.parametrize("number", [FIRST, " 0100 000 001 ", "0100-000-001", "51 ад 600037"])
def test_the_code_of_the_bill_links_and_shows_the_contract_in_full(
    harness: Any, number: str, proof: str
) -> None:
    harness.register(harness.row(FIRST, els="51АД600037"))
    assert harness.link(ANNA, number, proof)
    assert harness.linked(ANNA) == [
        {
            "number": FIRST,
            "account": FIRST,
            "role": "owner",
            "since": None,
            "until": None,
            "state": "open",
            "address": "г. Примерск, ул. Образцовая, д. 4, кв. 1",
            "holder": "Примерова Полина Образцовна",
            "residents": 3,
            "total_area": "54.2",
            "living_area": None,
            "heated_area": None,
            "els": "51АД600037",
            "services": [],
            "payee": None,
            "linked_at": "2026-11-10T09:00:00+00:00",
        }
    ]


@pytest.mark.parametrize(
    ("number", "proof"),
    [
        (FIRST, "CODE-0002"),
        (FIRST, "4500,00 10.2026"),
        (FIRST, ""),
        (FIRST, "0"),
        ("0999999999", "CODE-9999"),
        ("счёт", "CODE-0001"),
    ],
)
def test_a_wrong_fact_and_an_unknown_number_are_refused_alike(
    harness: Any, number: str, proof: str
) -> None:
    assert not harness.link(ANNA, number, proof)
    assert harness.linked(ANNA) == []


def test_an_operator_may_accept_total_and_month_beside_the_code(
    new_harness: Callable[..., Any],
) -> None:
    either = ["control_code", "total_and_period"]
    harness = new_harness(msgspec.structs.replace(load_policy({}), proof=either))
    harness.register(harness.row(FIRST), harness.row(SECOND))
    assert not harness.link(ANNA, FIRST, "4500,00")
    assert harness.link(ANNA, FIRST, "4500,00 10.2026")
    assert harness.link(ANNA, SECOND, "CODE-0002")
    proven = [link.proven_by for link in harness.store.read_model.links.of_person(ANNA)]
    assert proven == ["total_and_period", "control_code"]


def test_a_repeated_link_returns_the_same_and_counts_once(harness: Any) -> None:
    command_id = uuid4()
    with bind(command_id=command_id):
        assert harness.link(ANNA, FIRST)
        assert harness.link(ANNA, FIRST)
    assert len(harness.linked(ANNA)) == 1
    with bind(command_id=command_id), pytest.raises(Conflict) as refusal:
        harness.link(ANNA, SECOND)
    assert refusal.value.code == "command_reused"


def test_an_account_is_linked_once(harness: Any) -> None:
    harness.link(ANNA, FIRST)
    with pytest.raises(Conflict) as refusal:
        harness.link(ANNA, FIRST)
    assert refusal.value.code == "already_linked"


def test_a_cabinet_holds_ten_accounts(harness: Any) -> None:
    numbers = [f"02{index:08d}" for index in range(11)]
    harness.register(*(harness.row(number) for number in numbers))
    for number in numbers[:10]:
        assert harness.link(ANNA, number)
    with pytest.raises(Conflict) as refusal:
        harness.link(ANNA, numbers[10])
    assert refusal.value.code == "account_limit_reached"
    assert refusal.value.params == {"limit": 10}
    unlink(harness, ANNA, numbers[0])
    assert harness.link(ANNA, numbers[10])
    assert [account["number"] for account in harness.linked(ANNA)] == numbers[1:]


def test_the_last_account_stays(harness: Any) -> None:
    harness.link(ANNA, FIRST)
    with pytest.raises(Conflict) as refusal:
        unlink(harness, ANNA, FIRST)
    assert refusal.value.code == "last_account_stays"
    harness.link(ANNA, SECOND)
    assert unlink(harness, ANNA, f" {FIRST} ") == {"number": FIRST}
    assert [account["number"] for account in harness.linked(ANNA)] == [SECOND]


def test_only_a_linked_account_can_be_unlinked(harness: Any) -> None:
    harness.link(ANNA, FIRST)
    for number in (SECOND, "счёт"):
        with pytest.raises(NotFound) as refusal:
            unlink(harness, ANNA, number)
        assert refusal.value.code == "account_not_linked"


def test_a_link_names_the_earlier_persons_of_the_account(harness: Any) -> None:
    harness.link(ANNA, FIRST)
    harness.link(BORIS, FIRST)
    assert harness.store.log[-1].event == AccountLinked(
        person_id=BORIS, number=FIRST, proven_by="control_code", other_person_ids=(ANNA,)
    )


def test_ownership_divides_the_numbers_asked_for(harness: Any) -> None:
    harness.link(ANNA, FIRST)
    typed = [SECOND, " 0100-000-001 ", "x"]
    answer = harness.store.query(lambda session: ownership(session, ANNA, typed))
    access = {
        "number": FIRST,
        "account": FIRST,
        "role": "owner",
        "since": None,
        "until": None,
        "state": "open",
    }
    assert answer == {
        "owned": [" 0100-000-001 "],
        "foreign": [SECOND, "x"],
        "access": {" 0100-000-001 ": access},
    }


def test_linking_by_number_alone_shows_no_name(new_harness: Callable[..., Any]) -> None:
    harness = new_harness(msgspec.structs.replace(load_policy({}), proof="number"))
    harness.register(harness.row(FIRST))
    assert not harness.link(ANNA, "0999999999", "")
    assert harness.link(ANNA, FIRST, "")
    (account,) = harness.linked(ANNA)
    assert account["holder"] == "П. П. О."
    assert account["address"] == "г. Примерск, ул. Образцовая"


def test_an_erased_contract_shows_nothing_and_still_counts(harness: Any) -> None:
    harness.link(ANNA, FIRST)
    harness.store.vault.destroy(contract_id(FIRST))
    (account,) = harness.linked(ANNA)
    assert account["holder"] is None
    assert account["address"] is None
    assert account["residents"] == 3
    preview = look_up(harness, ANNA, FIRST)
    assert preview is not None
    assert (preview["address"], preview["holder"]) == ("***", "***")


def test_no_event_has_a_name_an_address_or_a_bill(harness: Any) -> None:
    harness.link(ANNA, FIRST)
    log = b" ".join(
        harness.store.events.encode(record.event) for record in harness.store.log
    ).decode()
    for personal in ("Пример", "Образц", "4500", "450000", "2026-10", "CODE"):
        assert personal not in log
