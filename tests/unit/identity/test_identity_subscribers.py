"""Tokens of subscribers: who is known, who is refused, and how often one may be wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from identity_steps import refusal_of

from services.identity.fingerprints import new_token, token_digest
from services.identity.limits import SEEN_RESOLUTION, SUBSCRIBER_TOKENS

IP = "203.0.113.7"


@pytest.fixture
def token(identity: Any) -> str:
    """Return the token of a subscriber."""
    made = new_token()
    grants = ["ledger", "payments.payment_completed"]
    identity.tables.subscribers.put("datamart", token_digest(made), grants, persons=False)
    return made


def authenticate(identity: Any, token: str, ip: str = IP) -> Any:
    return identity.call("authenticate_subscriber", token=token, ip=ip)


def refusal(identity: Any, token: str, ip: str = IP) -> Any:
    return refusal_of(identity.call, "authenticate_subscriber", token=token, ip=ip)


def test_a_subscriber_is_known_by_its_token_with_its_grants(identity: Any, token: str) -> None:
    assert authenticate(identity, token) == {
        "name": "datamart",
        "grants": ["ledger", "payments.payment_completed"],
        "persons": False,
    }
    assert len(token) >= 43
    assert token not in repr(identity.tables.subscribers.rows)


def test_a_wrong_and_a_revoked_token_are_refused_the_same(identity: Any, token: str) -> None:
    identity.tables.subscribers.remove("datamart", "act 7")
    for refused in (refusal(identity, token), refusal(identity, new_token())):
        assert (refused.kind, refused.code) == ("forbidden", "subscriber_unknown")


def test_a_session_is_no_subscriber_and_a_subscriber_no_session(identity: Any, token: str) -> None:
    session = identity.member()
    assert refusal(identity, session["token"]).code == "subscriber_unknown"
    refused = refusal_of(identity.call, "authenticate", token=token)
    assert refused.code == "session_expired"


def test_wrong_tokens_of_a_network_are_limited_and_a_right_one_never(
    identity: Any, token: str
) -> None:
    for _ in range(SUBSCRIBER_TOKENS.most):
        assert refusal(identity, new_token()).code == "subscriber_unknown"
    limited = refusal(identity, new_token())
    assert (limited.code, limited.params["policy"]) == ("too_many_attempts", "subscriber_tokens")
    assert refusal(identity, new_token(), ip="198.51.100.1").code == "subscriber_unknown"
    assert authenticate(identity, token)["name"] == "datamart"
    identity.clock.advance(SUBSCRIBER_TOKENS.window)
    assert refusal(identity, new_token()).code == "subscriber_unknown"


def test_a_changed_grant_holds_from_the_next_request_on(identity: Any, token: str) -> None:
    authenticate(identity, token)
    identity.tables.subscribers.put("datamart", token_digest(token), ["accounts"], persons=True)
    found = authenticate(identity, token)
    assert (found["grants"], found["persons"]) == (["accounts"], True)


def test_the_last_use_is_kept_to_the_minute(identity: Any, token: str) -> None:
    rows = identity.tables.subscribers.rows
    authenticate(identity, token)
    first = rows["datamart"].last_used_at
    identity.clock.advance(SEEN_RESOLUTION - timedelta(seconds=1))
    authenticate(identity, token)
    assert rows["datamart"].last_used_at == first
    identity.clock.advance(timedelta(seconds=1))
    authenticate(identity, token)
    assert rows["datamart"].last_used_at == first + SEEN_RESOLUTION
