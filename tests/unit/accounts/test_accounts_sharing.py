"""Sharing: an owner lets others see or pay an account, takes it back, and all see who sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from services.accounts import sharing
from services.accounts.application import control_code, ownership
from services.accounts.cabinet import AccountLinked
from services.accounts.erasure import forget_person, held_about
from services.accounts.invitation_token import invitation_of, token_of
from services.accounts.linking import UnlinkAccount, unlink_account
from services.accounts.policy import load_policy
from services.accounts.sharing import AcceptInvitation, Invite, Withdraw
from services.accounts.staff_access import (
    StaffLink,
    StaffUnlink,
    link_by_staff,
    links_of,
    persons_of,
    unlink_by_staff,
)
from shared.errors import Conflict, Forbidden, NotFound, ValidationFailed

FIRST, SECOND = "0100000001", "0100000002"
ANNA, BORIS, VERA = UUID(int=11), UUID(int=12), UUID(int=13)


def invite(
    harness: Any, person_id: UUID = ANNA, email: str = "b@example.org", role: str = "viewer"
) -> UUID:
    command = Invite(person_id=person_id, number=FIRST, email=email, role=role)
    return UUID(harness.store.execute(harness.sharing.invite, command)["access_id"])


def accept(harness: Any, person_id: UUID, invitation_id: UUID) -> dict[str, Any]:
    command = AcceptInvitation(person_id=person_id, invitation_id=invitation_id)
    return harness.store.execute(sharing.accept_invitation, command)


def withdraw(harness: Any, person_id: UUID, access_id: object) -> None:
    command = Withdraw(person_id=person_id, number=FIRST, access_id=UUID(str(access_id)))
    harness.store.execute(sharing.withdraw, command)


def listed(harness: Any, person_id: UUID) -> dict[str, Any]:
    return harness.store.query(lambda session: sharing.access_list(session, person_id, FIRST))


def owned(harness: Any, person_id: UUID, need: str) -> bool:
    answer = harness.store.query(lambda session: ownership(session, person_id, [FIRST], need))
    return answer["owned"] == [FIRST]


@pytest.fixture
def shared(harness: Any) -> Any:
    """Return accounts of which ANNA owns the first and BORIS sees it."""
    assert harness.link(ANNA, FIRST)
    accept(harness, BORIS, invite(harness))
    return harness


def test_control_code_is_told_to_the_owner_of_the_open_account_alone(shared: Any) -> None:
    def told(person_id: UUID) -> str | None:
        answer = shared.store.query(lambda session: control_code(session, person_id, f" {FIRST} "))
        return answer["control_code"]

    assert [told(person_id) for person_id in (ANNA, BORIS, VERA)] == ["CODE-0001", None, None]
    shared.register(shared.row(FIRST, holder="Новосёлов Никита", control_code="FRESH-C0DE"))
    assert told(ANNA) is None, "a former holder never gets the code of the next one"
    assert shared.link(VERA, FIRST, "FRESH-C0DE")
    assert [told(person_id) for person_id in (ANNA, BORIS, VERA)] == [None, None, "FRESH-C0DE"]
    shared.register(shared.row(FIRST, holder="Новосёлов Никита", state="closed"))
    assert told(VERA) is None


def refusal_of(work: Any, *arguments: Any) -> str:
    with pytest.raises((Conflict, Forbidden, NotFound, ValidationFailed)) as refusal:
        work(*arguments)
    return refusal.value.code


def test_an_owner_is_told_of_the_invitations_that_he_has_sent(shared: Any) -> None:
    invite(shared, ANNA, "v@example.org")

    def sent(person_id: UUID) -> list[dict[str, Any]]:
        return shared.store.query(lambda session: held_about(session, person_id))["invitations"]

    [open_one] = sent(ANNA)
    assert (open_one["number"], open_one["email"]) == (FIRST, "v@example.org")
    assert set(open_one) == {"number", "email", "role", "sent_at", "expires_at"}
    assert sent(BORIS) == []


def test_a_cabinet_of_a_guest_asks_once_for_those_who_let_him_in(shared: Any) -> None:
    assert shared.link(ANNA, SECOND)
    command = sharing.Invite(person_id=ANNA, number=SECOND, email="b@example.org", role="payer")
    sent = shared.store.execute(shared.sharing.invite, command)
    accept(shared, BORIS, UUID(sent["access_id"]))
    links = shared.store.read_model.links
    links.done.clear()
    assert len(shared.linked(BORIS)) == 2
    assert links.done == ["read", "read"], "his own links, and those beside them"


@pytest.mark.parametrize(("role", "pays"), [("viewer", False), ("payer", True)])
def test_a_guest_reads_and_pays_as_invited_and_never_shares(
    harness: Any, role: str, pays: bool
) -> None:
    assert harness.link(ANNA, FIRST)
    assert accept(harness, BORIS, invite(harness, role=role)) == {"number": FIRST, "role": role}
    assert owned(harness, BORIS, "read")
    assert owned(harness, BORIS, "pay") is pays
    assert not owned(harness, BORIS, "own")
    assert refusal_of(invite, harness, BORIS) == "owner_only"
    (account,) = harness.linked(BORIS)
    assert (account["role"], account["holder"]) == (role, "Примерова Полина Образцовна")


@pytest.fixture
def by_number(new_harness: Callable[..., Any]) -> Any:
    """Return accounts that the number alone links, the first one to ANNA by it."""
    either = ["number", "control_code"]
    harness = new_harness(msgspec.structs.replace(load_policy({}), proof=either))
    harness.register(harness.row(FIRST, els="51АД600037"), harness.row(SECOND))
    assert harness.link(ANNA, FIRST, "")
    return harness


def test_whoever_knew_the_number_alone_neither_shares_nor_reads_the_code(by_number: Any) -> None:
    assert not owned(by_number, ANNA, "own")
    assert owned(by_number, ANNA, "pay")
    assert refusal_of(invite, by_number) == "owner_only"
    told = by_number.store.query(lambda session: control_code(session, ANNA, FIRST))
    assert told == {"control_code": None}
    assert by_number.link(BORIS, FIRST)
    accept(by_number, VERA, invite(by_number, BORIS))
    invite(by_number, BORIS, "v@example.org")
    seen = listed(by_number, ANNA)
    assert seen["invitations"] == []
    assert not any(one["may_withdraw"] for one in seen["access"])
    (guest,) = [one for one in seen["access"] if one["role"] == "viewer"]
    assert refusal_of(withdraw, by_number, ANNA, guest["access_id"]) == "owner_only"


def test_a_guest_of_an_owner_by_number_sees_what_that_one_sees(by_number: Any) -> None:
    invited = AccountLinked(
        person_id=BORIS, number=FIRST, proven_by="invitation", role="viewer", invited_by=ANNA
    )
    by_number.store.read_model.links.add(invited, by_number.clock.now())
    (own,), (guest,) = by_number.linked(ANNA), by_number.linked(BORIS)
    for name in ("address", "holder", "els"):
        assert guest[name] == own[name] != "Примерова Полина Образцовна"
    assert guest["els"] is None


def test_a_guest_who_proves_the_account_becomes_its_owner(shared: Any) -> None:
    before = len(shared.store.log)
    assert not shared.link(BORIS, FIRST, "WRONG-0001")
    assert shared.link(BORIS, FIRST)
    ended, linked = (record.event for record in shared.store.log[before:])
    assert (ended.person_id, ended.number, ended.ended_by) == (BORIS, FIRST, "person")
    assert (linked.role, linked.other_person_ids) == ("owner", (ANNA,))
    assert owned(shared, BORIS, "own")
    assert len(shared.linked(BORIS)) == 1
    assert refusal_of(shared.link, BORIS, FIRST) == "already_linked"


def test_a_guest_with_ten_accounts_becomes_the_owner_of_one_of_them(shared: Any) -> None:
    numbers = [f"02{index:08d}" for index in range(9)]
    shared.register(*(shared.row(number) for number in numbers))
    assert all(shared.link(BORIS, number) for number in numbers)
    assert shared.link(BORIS, FIRST)
    assert len(shared.linked(BORIS)) == 10


def test_staff_make_a_guest_the_owner_and_never_the_other_way_round(shared: Any) -> None:
    def link(role: str) -> None:
        command = StaffLink(
            person_id=BORIS, number=FIRST, role=role, reason="договор", dry_run=False
        )
        shared.store.execute(link_by_staff, command)

    assert refusal_of(link, "payer") == "already_linked"
    link("owner")
    assert owned(shared, BORIS, "own")
    assert refusal_of(link, "viewer") == "already_linked"


def test_who_knew_the_number_alone_may_prove_the_account_later(by_number: Any) -> None:
    assert refusal_of(by_number.link, ANNA, FIRST, "") == "already_linked"
    assert by_number.link(ANNA, FIRST)
    assert owned(by_number, ANNA, "own")


def test_each_one_sees_who_else_has_access(shared: Any) -> None:
    seen = {
        person: [(one["person_id"], one["role"], one["you"]) for one in found["access"]]
        for person in (ANNA, BORIS)
        if (found := listed(shared, person))
    }
    assert seen[ANNA] == [(str(ANNA), "owner", True), (str(BORIS), "viewer", False)]
    assert seen[BORIS] == [(str(ANNA), "owner", False), (str(BORIS), "viewer", True)]
    assert refusal_of(listed, shared, VERA) == "account_not_linked"


def test_open_invitations_are_for_owners_alone(shared: Any) -> None:
    invite(shared, email="v@example.org", role="payer")
    (one,) = listed(shared, ANNA)["invitations"]
    assert (one["email"], one["role"]) == ("v@example.org", "payer")
    assert listed(shared, BORIS)["invitations"] == []


def test_an_invitation_works_once(shared: Any) -> None:
    invitation_id = invite(shared, email="v@example.org")
    accept(shared, VERA, invitation_id)
    assert refusal_of(accept, shared, uuid4(), invitation_id) == "invitation_ended"


def test_an_invitation_works_for_a_week_and_its_email_goes_with_it(harness: Any) -> None:
    assert harness.link(ANNA, FIRST)
    invitation_id = invite(harness)
    sealed = harness.store.read_model.invitations.rows[invitation_id].email
    harness.clock.advance(timedelta(days=7))
    assert refusal_of(accept, harness, BORIS, invitation_id) == "invitation_ended"
    assert listed(harness, ANNA)["invitations"] == []
    assert harness.store.transact(sharing.end_expired_invitations, None) == 1
    assert harness.store.vault.reveal(invitation_id, sealed, "email") is None
    assert harness.store.read_model.invitations.rows == {}


def test_an_owner_withdraws_an_access_and_an_invitation(shared: Any) -> None:
    (guest,) = [one for one in listed(shared, ANNA)["access"] if one["may_withdraw"]]
    withdraw(shared, ANNA, guest["access_id"])
    assert shared.linked(BORIS) == []
    invitation_id = invite(shared)
    withdraw(shared, ANNA, invitation_id)
    assert refusal_of(accept, shared, BORIS, invitation_id) == "invitation_ended"
    assert refusal_of(withdraw, shared, ANNA, invitation_id) == "access_not_found"


def test_only_an_owner_withdraws_and_never_from_another_owner(shared: Any) -> None:
    assert shared.link(VERA, FIRST)
    by_person = {one["person_id"]: one["access_id"] for one in listed(shared, ANNA)["access"]}
    assert refusal_of(withdraw, shared, BORIS, by_person[str(BORIS)]) == "owner_only"
    assert refusal_of(withdraw, shared, ANNA, by_person[str(VERA)]) == "owner_only"
    assert refusal_of(withdraw, shared, uuid4(), by_person[str(BORIS)]) == "account_not_linked"


def test_an_owner_who_unlinks_takes_back_what_he_gave(shared: Any) -> None:
    assert shared.link(ANNA, SECOND)
    invitation_id = invite(shared, email="v@example.org")
    shared.store.execute(unlink_account, UnlinkAccount(person_id=ANNA, number=FIRST))
    assert shared.linked(BORIS) == []
    assert refusal_of(accept, shared, VERA, invitation_id) == "invitation_ended"


def test_an_invitation_is_worth_nothing_once_its_owner_has_gone(harness: Any) -> None:
    assert harness.link(ANNA, FIRST)
    assert harness.link(ANNA, SECOND)
    invitation_id = invite(harness)
    left_open = harness.store.read_model.invitations.rows.pop(invitation_id)
    harness.store.execute(unlink_account, UnlinkAccount(person_id=ANNA, number=FIRST))
    harness.store.read_model.invitations.rows[invitation_id] = left_open
    assert refusal_of(accept, harness, BORIS, invitation_id) == "invitation_ended"
    assert harness.linked(BORIS) == []


def remove_by_staff(harness: Any) -> None:
    command = StaffUnlink(person_id=ANNA, number=FIRST, reason="ошибка", dry_run=False)
    harness.store.execute(unlink_by_staff, command)


@pytest.mark.parametrize(
    "change",
    [
        lambda harness: invite(harness, email="v@example.org"),
        lambda harness: harness.store.execute(
            unlink_account, UnlinkAccount(person_id=ANNA, number=FIRST)
        ),
        remove_by_staff,
        lambda harness: harness.store.transact(forget_person, ANNA),
    ],
    ids=["invite", "unlink", "staff", "erasure"],
)
def test_whoever_gives_or_ends_access_locks_the_account_before_reading_its_links(
    shared: Any, change: Callable[[Any], object]
) -> None:
    assert shared.link(ANNA, SECOND)
    done = shared.store.read_model.links.done
    done.clear()
    change(shared)
    assert "read" in done
    assert "lock of the account" in done[: done.index("read")]


def test_the_last_account_of_a_guest_cannot_be_unlinked_by_himself(shared: Any) -> None:
    unlink = UnlinkAccount(person_id=BORIS, number=FIRST)
    assert refusal_of(shared.store.execute, unlink_account, unlink) == "last_account_stays"


def test_a_shared_account_counts_among_the_ten(harness: Any) -> None:
    numbers = [f"02{index:08d}" for index in range(10)]
    harness.register(*(harness.row(number) for number in numbers))
    assert harness.link(ANNA, FIRST)
    for number in numbers:
        assert harness.link(BORIS, number)
    assert refusal_of(accept, harness, BORIS, invite(harness)) == "account_limit_reached"


def test_one_address_has_one_open_invitation(harness: Any) -> None:
    assert harness.link(ANNA, FIRST)
    invite(harness)
    assert refusal_of(invite, harness, ANNA, " B@Example.ORG") == "already_invited"
    assert refusal_of(invite, harness, ANNA, "nobody") == "email_invalid"
    for index in range(9):
        invite(harness, email=f"{index}@example.org")
    assert refusal_of(invite, harness, ANNA, "v@example.org") == "invitation_limit_reached"


def test_an_address_whose_invitation_has_expired_is_invited_again(harness: Any) -> None:
    assert harness.link(ANNA, FIRST)
    invite(harness)
    for index in range(9):
        invite(harness, email=f"{index}@example.org")
    harness.clock.advance(timedelta(days=7))
    assert accept(harness, BORIS, invite(harness))["number"] == FIRST


def test_invitations_are_limited_per_person_and_day(harness: Any) -> None:
    assert harness.link(ANNA, FIRST)
    for _ in range(20):
        withdraw(harness, ANNA, invite(harness))
    assert refusal_of(invite, harness) == "too_many_attempts"


def test_no_event_has_the_email_of_a_guest(shared: Any) -> None:
    log = b"".join(shared.store.events.encode(record.event) for record in shared.store.log)
    assert b"example.org" not in log


def test_a_former_holder_keeps_his_time_read_only_and_the_new_one_has_his_own(
    shared: Any,
) -> None:
    shared.register(
        shared.row(
            FIRST,
            holder="Другая Дарья",
            control_code="NEXT-0001",
            effective_on=date(2026, 11, 1),
        )
    )
    assert not shared.link(VERA, FIRST)
    assert shared.link(VERA, FIRST, "NEXT-0001")
    (former,), (present,) = shared.linked(ANNA), shared.linked(VERA)
    assert (former["account"], former["until"], former["state"]) == (FIRST, "2026-10-31", "closed")
    assert (present["account"], present["since"]) == (f"{FIRST}-2", "2026-11-01")
    assert former["holder"] == "Примерова Полина Образцовна"
    assert present["holder"] == "Другая Дарья"
    assert owned(shared, ANNA, "read")
    assert not owned(shared, ANNA, "pay")
    assert [one["person_id"] for one in listed(shared, VERA)["access"]] == [str(VERA)]
    assert {one["person_id"] for one in listed(shared, ANNA)["access"]} == {str(ANNA), str(BORIS)}
    assert refusal_of(invite, shared, ANNA, "v@example.org") == "account_closed"


@pytest.fixture
def two_tenures(shared: Any) -> Any:
    """Return accounts of which ANNA has owned the first twice; BORIS saw her former time."""
    for holder, code in (("Другая Дарья", "NEXT-0001"), ("Примерова Полина", "BACK-0001")):
        shared.register(shared.row(FIRST, holder=holder, control_code=code))
    assert shared.link(ANNA, FIRST, "BACK-0001")
    return shared


def test_a_former_tenure_is_exported_and_its_guests_withdrawn(two_tenures: Any) -> None:
    held = two_tenures.store.query(lambda session: held_about(session, ANNA))["linked"]
    assert [(one["number"], one["state"]) for one in held] == [(FIRST, "closed"), (FIRST, "open")]
    assert f"{FIRST}-3" not in str(held), "keys never leave the services"
    (guest,) = [one for one in listed(two_tenures, BORIS)["access"] if one["you"]]
    withdraw(two_tenures, ANNA, guest["access_id"])
    assert two_tenures.linked(BORIS) == []


def test_unlinking_ends_the_tenure_that_is_shown_alone(two_tenures: Any) -> None:
    two_tenures.store.execute(unlink_account, UnlinkAccount(person_id=ANNA, number=FIRST))
    (former,) = two_tenures.linked(ANNA)
    assert (former["account"], former["state"]) == (FIRST, "closed")
    assert len(two_tenures.linked(BORIS)) == 1
    again = UnlinkAccount(person_id=ANNA, number=FIRST)
    assert refusal_of(two_tenures.store.execute, unlink_account, again) == "last_account_stays"


def test_a_former_owner_is_no_guest_of_the_next_one(shared: Any) -> None:
    shared.register(shared.row(FIRST, holder="Другая Дарья", control_code="NEXT-0001"))
    assert shared.link(VERA, FIRST, "NEXT-0001")
    invitation_id = invite(shared, VERA, "a@example.org")
    assert refusal_of(accept, shared, ANNA, invitation_id) == "already_linked"
    (own,) = shared.linked(ANNA)
    assert (own["account"], own["role"]) == (FIRST, "owner")


def test_a_pending_invitation_of_a_former_holder_gives_nothing(harness: Any) -> None:
    assert harness.link(ANNA, FIRST)
    invitation_id = invite(harness)
    harness.register(harness.row(FIRST, holder="Другая Дарья", effective_on=date(2026, 11, 1)))
    assert refusal_of(accept, harness, BORIS, invitation_id) == "invitation_ended"


def test_staff_link_and_unlink_by_hand_and_say_why(shared: Any) -> None:
    link = StaffLink(person_id=VERA, number=FIRST, role="owner", reason="договор", dry_run=True)
    planned = shared.store.query(lambda session: link_by_staff(session, link))
    assert planned["dry_run"]
    assert shared.linked(VERA) == []
    shared.store.execute(
        link_by_staff,
        StaffLink(person_id=VERA, number=FIRST, role="owner", reason="договор", dry_run=False),
    )
    assert [one["role"] for one in shared.linked(VERA)] == ["owner"]
    persons = shared.store.query(lambda session: persons_of(session, FIRST))["persons"]
    assert [one["person_id"] for one in persons] == [str(ANNA), str(BORIS), str(VERA)]
    unlink = StaffUnlink(person_id=ANNA, number=FIRST, reason="ошибка", dry_run=False)
    shared.store.execute(unlink_by_staff, unlink)
    assert shared.linked(ANNA) == shared.linked(BORIS) == []
    found = shared.store.query(lambda session: links_of(session, FIRST))["links"]
    assert [(one["person_id"], one["proven_by"]) for one in found] == [(str(VERA), "staff")]


def test_a_token_opens_its_own_invitation_alone() -> None:
    key, other = b"k" * 32, b"x" * 32
    token = token_of(key, ANNA)
    assert len(token) == 43
    assert invitation_of(key, token) == ANNA
    assert invitation_of(other, token) is None
    forged = token_of(other, BORIS)
    for wrong in ("", "QUJD", token[:-1], token[:-2] + "AA", forged, "ф" * 43, token + "="):
        assert invitation_of(key, wrong) is None
