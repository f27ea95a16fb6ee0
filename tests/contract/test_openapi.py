"""The committed OpenAPI description matches the code and covers the table of operations."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
    from gateway.openapi import describe, operations_of
    from gateway.openapi_file import FILE, main
    from gateway.operations import Access, Idempotency
    from gateway.service import Gateway

TABLE = """
POST /registrations
PATCH /registrations/{registration_id}
POST /registrations/{registration_id}/code
POST /registrations/{registration_id}/confirm
GET /documents/{kind}
POST /sessions
POST /sessions/by-link
GET /sessions
DELETE /sessions
GET /sessions/{session_id}
DELETE /sessions/{session_id}
GET /sessions/passkey
POST /sessions/passkey
GET /sessions/second-factor/{challenge_id}
POST /sessions/second-factor
GET /me/second-factors
GET /me/second-step
POST /me/second-step
POST /me/passkeys/challenges
GET /me/passkeys/challenges/{challenge_id}
POST /me/passkeys
DELETE /me/passkeys/{passkey_id}
POST /me/totp/challenges
GET /me/totp/challenges/{challenge_id}
POST /me/totp
DELETE /me/totp
POST /me/recovery-codes
GET /me/security-log
PUT /me/password
POST /me/acceptances
GET /me/data
POST /me/erasure
GET /me
PATCH /me
POST /password-resets
POST /password-resets/confirm
GET /me/email-change
POST /me/email-change
DELETE /me/email-change
POST /email-changes/confirm
POST /email-changes/refuse
GET /me/letters
PUT /me/letters
GET /letters/unsubscribe/{link}
POST /letters/unsubscribe
POST /accounts/lookup
GET /accounts/{number}/access
DELETE /accounts/{number}/access/{access_id}
POST /accounts/{number}/invitations
POST /invitations/preview
POST /invitations/accept
GET /accounts
POST /accounts
GET /accounts/{number}
DELETE /accounts/{number}
GET /accounts/{number}/balance
GET /accounts/{number}/charges
GET /accounts/{number}/penalty
GET /accounts/{number}/statement
GET /accounts/{number}/bills/{period}
GET /accounts/{number}/bills/{period}.pdf
GET /accounts/{number}/certificate.pdf
GET /accounts/{number}/debt
GET /accounts/{number}/reconciliation.pdf
GET /statement
GET /charges
GET /disputes
GET /payments/due
POST /payments
GET /payments
GET /payments/{payment_id}
GET /payments/{payment_id}/receipt
GET /payments/{payment_id}/fiscal-receipts
GET /payments/{payment_id}/faster-payment
GET /payments.csv
POST /proofs/verify
GET /proofs/keys
GET /proofs/checkpoint
POST /acquirer/callback
GET /acquirer/callback
POST /acquirer/{name}/callback
GET /acquirer/{name}/callback
GET /questions/topics
POST /questions
GET /questions
GET /questions/{question_id}
PUT /questions/{question_id}/read
POST /questions/{question_id}/messages
POST /questions/attachments
GET /questions/{question_id}/attachments/{attachment_id}
GET /events
GET /events/epochs
GET /openapi.json
"""
OUTSIDE = ["/healthz"]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return describe(Gateway)


def test_the_committed_file_is_up_to_date() -> None:
    assert main(["--check"]) == 0, "run make contracts"
    assert json.loads(FILE.read_text(encoding="utf-8"))["openapi"] == "3.1.0"


def test_every_operation_of_the_table_is_described(document: dict[str, Any]) -> None:
    described = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith("/api/v1/")
    }
    expected = set()
    for line in TABLE.strip().splitlines():
        method, path = line.split()
        expected.add((method, f"/api/v1{path}"))
    assert described == expected
    assert sorted(set(document["paths"]) - {path for _, path in expected}) == OUTSIDE


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    references = set(_values(document, "$ref"))
    assert references
    for reference in references:
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_every_operation_suits_a_client_generator(document: dict[str, Any]) -> None:
    names = []
    for path, methods in document["paths"].items():
        for operation in methods.values():
            names.append(operation["operationId"])
            in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path))
            assert operation["summary"].endswith(".")
            assert operation["description"].endswith(".")
            assert {"400", "408", "413", "500", "503"} <= set(operation["responses"])
            assert len([code for code in operation["responses"] if code.startswith("2")]) == 1
    assert len(names) == len(set(names))


def test_every_member_is_described(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert schema["additionalProperties"] is False, name
        for member, shape in schema["properties"].items():
            described = "description" in shape or "$ref" in shape or "items" in shape
            assert described, f"{name}.{member} has no description"
            if shape.get("format") == "int64":
                assert "kopecks" in shape["description"], f"{name}.{member} has no unit"


def test_moving_money_needs_a_key_and_a_session() -> None:
    found = operations_of(Gateway)
    assert found["start_payment"].idempotency is Idempotency.REQUIRED
    public = {name for name, operation in found.items() if operation.access is Access.PUBLIC}
    assert public == {
        "start_registration", "correct_email", "resend_code", "confirm_registration", "document",
        "sign_in", "sign_in_by_link", "request_password_reset", "confirm_password_reset",
        "confirm_email_change", "refuse_email_change", "subscription", "unsubscribe",
        "acquirer_callback_by_query", "acquirer_callback_by_form",
        "named_acquirer_callback_by_query", "named_acquirer_callback_by_form", "alive", "openapi",
        "verify_proof", "verifier_keys", "last_checkpoint", "passkey_request",
        "sign_in_by_passkey", "second_step", "take_second_step", "preview_invitation",
    }  # fmt: skip


def _values(node: Any, key: str) -> Iterator[Any]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from _values(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from _values(value, key)
