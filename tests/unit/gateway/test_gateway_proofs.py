"""Checking proofs over the API: open to everybody, and read exactly as they came."""

from __future__ import annotations

from gateway_doubles import THING, Browser, FakeServices
from gateway_samples import HISTORY_TOTALS, PROOF

PROVEN = {
    "position": 7,
    "size": 8,
    "origin": "billing.example/ledger",
    "recorded_at": "2026-05-14T09:31:02.000000Z",
    "sealed_at": None,
    "payment": {
        "payment_id": THING,
        "account": "0001",
        "amount": 450000,
        "penalty": 1425,
        "effective_on": "2026-05-14",
    },
}


def test_a_proof_is_checked_without_a_session(browser: Browser, services: FakeServices) -> None:
    services.answers["ledger", "verify_proof"] = PROVEN
    answer = browser("POST", "/api/v1/proofs/verify", token=None, json=PROOF)
    assert (answer.status_code, answer.json) == (200, PROVEN)
    assert services.calls == [("ledger", "verify_proof", {"proof": PROOF})]


def test_a_proof_of_another_form_or_size_asks_nobody(
    browser: Browser, services: FakeServices
) -> None:
    for changes in (
        {"format": "saldo-consistency-proof-v1"},
        {"path": ["A" * 43 + "="] * 129},
        {"position": -1},
        {"leaf": ""},
        {"more": 1},
    ):
        answer = browser("POST", "/api/v1/proofs/verify", token=None, json={**PROOF, **changes})
        assert answer.status_code == 422, changes
    assert services.calls == []


def test_the_keys_are_public(browser: Browser, services: FakeServices) -> None:
    services.answers["ledger", "verifier_keys"] = {"keys": ["billing.example/ledger+f1e2d3c4+A"]}
    answer = browser("GET", "/api/v1/proofs/keys", token=None)
    assert answer.json == {"keys": ["billing.example/ledger+f1e2d3c4+A"]}


def test_lines_say_what_they_have_settled_where_it_is_asked_for(
    browser: Browser, services: FakeServices
) -> None:
    line = {"account": "0001", "amount": 100, "penalty": 0, "posted": True}
    payment = {"payment_id": THING, "state": "completed", "lines": [{**line, "key": "0001"}]}
    parts = [{"period": "2026-04", "service": "heating", "amount": 100}]
    posting = {"payment_id": THING, "account": "0001", "allocation": parts}
    services.answers["payments", "payment"] = payment
    services.answers["payments", "history"] = {
        "payments": [payment],
        "next": None,
        "totals": HISTORY_TOTALS,
    }
    services.answers["ledger", "postings_of_payments"] = {"postings": [posting]}
    one = browser("GET", f"/api/v1/payments/{THING}?allocation=true").json
    assert one["lines"] == [{**line, "allocation": parts}]
    assert services.calls[-1] == (
        "ledger", "postings_of_payments", {"payment_ids": [THING]},
    )  # fmt: skip
    assert browser("GET", "/api/v1/payments?allocation=true").json["payments"][0] == one
    assert browser("GET", "/api/v1/payments").json["payments"][0]["lines"] == [line]


def test_the_last_checkpoint_is_public(browser: Browser, services: FakeServices) -> None:
    sealed = {"size": 8, "sealed_at": "2026-05-14T09:31:15+00:00", "note": "a note"}
    for checkpoint in (sealed, None):
        services.answers["ledger", "last_checkpoint"] = {"checkpoint": checkpoint}
        shown = browser("GET", "/api/v1/proofs/checkpoint", token=None)
        assert shown.json == {"checkpoint": checkpoint}
