"""The API reads the number of an account in any spelling; an ЕЛС will do where one links."""

from __future__ import annotations

import pytest
from gateway_doubles import Browser, FakeServices
from hypothesis import assume, given
from hypothesis.strategies import from_regex
from marshmallow import ValidationError

from gateway.schemas import patterns
from gateway.schemas.accounts import StatementsQuery
from gateway.schemas.linked_accounts import Link, LookUp
from gateway.schemas.payments import RequestedPaymentLine
from shared.account_spelling import MAX_TYPED

SPELLINGS = [
    " 0100 000 001 ",
    "0100-000-001",
    "０１００００0００1",
    "O1OOOOOOOl",
    "0100\u00a0000001",
]


@pytest.mark.parametrize("typed", SPELLINGS)
def test_every_number_of_a_request_is_read_in_any_spelling(typed: str) -> None:
    assert LookUp().load({"number": typed})["number"] == "0100000001"
    assert StatementsQuery().load({"account": typed})["account"] == "0100000001"
    line = RequestedPaymentLine().load({"account": typed, "amount": 100, "penalty": 0})
    assert line["account"] == "0100000001"


def test_an_els_links_but_pays_nothing() -> None:
    assert Link().load({"number": "51 ад 600-037"})["number"] == "51АД600037"
    with pytest.raises(ValidationError) as refusal:
        RequestedPaymentLine().load({"account": "51АД600037", "amount": 100, "penalty": 0})
    assert refusal.value.messages == {"account": ["field_account"]}


@pytest.mark.parametrize(
    "typed", ["", "счёт", "1" * 21, "1/2", "٠١٢", "51QW600037", "1" + " " * 80]
)
def test_what_is_no_number_is_refused_beside_its_field(typed: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        LookUp().load({"number": typed})
    assert set(refusal.value.messages) == {"number"}


@given(typed=from_regex(patterns.ACCOUNT_OR_ELS, fullmatch=True))
def test_whatever_the_description_allows_is_read(typed: str) -> None:
    assume(len(typed) <= MAX_TYPED)
    assert LookUp().load({"number": typed})["number"]


def test_the_list_of_access_has_masked_names(browser: Browser, services: FakeServices) -> None:
    one = {
        "access_id": "0b6e7c1e-4d2a-4f65-9c55-0f3a1d9a7b10", "person_id": "p1", "role": "owner",
        "since": None, "linked_at": "2026-05-14T09:30:00+00:00", "you": True,
        "may_withdraw": False,
    }  # fmt: skip
    services.answers["accounts", "access_list"] = {
        "number": "0001", "account": "0001-2", "role": "owner", "since": None, "until": None,
        "state": "open", "access": [one, {**one, "person_id": "p2", "you": False}],
        "invitations": [],
    }  # fmt: skip
    named = {"name": "Полина П.", "email": "p***@example.org"}
    services.answers["identity", "names"] = {"names": {"p1": named}}
    answer = browser("GET", "/api/v1/accounts/0001/access").json
    assert [(each["name"], each["email"]) for each in answer["access"]] == [
        ("Полина П.", "p***@example.org"),
        (None, None),
    ]
    assert "person_id" not in str(answer)
    assert "0001-2" not in str(answer)


def test_an_invitation_is_looked_at_without_a_session_and_not_used_up(
    browser: Browser, services: FakeServices
) -> None:
    shown = {"number": "0001", "address": "ул.", "role": "viewer"}
    shown["expires_at"] = "2026-05-14T09:30:00+00:00"
    services.answers["accounts", "invitation"] = shown
    answer = browser("POST", "/api/v1/invitations/preview", token=None, json={"token": " QUJD "})
    assert (answer.status_code, answer.json) == (200, shown)
    assert services.calls == [("accounts", "invitation", {"token": "QUJD"})]
    assert services.command_ids[-1] is None
