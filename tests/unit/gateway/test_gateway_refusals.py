"""Every operation declares the codes with which it can refuse, and no others.

What routes and services raise is found in their source; ``conftest`` also compares each refusal
that the tests see.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping
from functools import cache

import pytest
from reachable_codes import (
    called_rpcs,
    codes_of,
    errors_of_codes,
    name_of,
    reached_by_route,
)

from gateway.openapi import operations_of
from gateway.problems import refusal_of
from gateway.refusals import refusals_of
from gateway.service import Gateway
from shared import errors

READS_OF_A_LOG = ("events_after", "log_history")
"""RPCs of every service, whichever is asked: they wait until its log is confirmed."""
READS_OF_THE_LEDGER = frozenset(
    {
        "balance",
        "bill",
        "bill_file",
        "certificate_file",
        "debt",
        "due",
        "history",
        "payment",
        "receipt",
        "statement",
        "statements",
        "verify_proof",
    }
)
"""Operations that read what it has recorded."""
NEVER_MET: Mapping[str, frozenset[str]] = {
    # Months and days of what is recorded are real ones; what an act ends or begins for a person
    # who is signed in has been found before.
    "no_due_day": READS_OF_THE_LEDGER,
    "person_not_found": frozenset({"refuse_email_change"}),
    # Polling records the mismatch, and does not pass it on.
    "amount_mismatch": frozenset(
        {
            "acquirer_callback_by_form",
            "acquirer_callback_by_query",
            "named_acquirer_callback_by_form",
            "named_acquirer_callback_by_query",
            "payment",
            "receipt",
            "start_payment",
        }
    ),
    # Only staff give back what is not there; a report of the acquirer is compared first.
    "nothing_to_return": frozenset(
        {
            "acquirer_callback_by_form",
            "acquirer_callback_by_query",
            "named_acquirer_callback_by_form",
            "named_acquirer_callback_by_query",
            "payment",
            "receipt",
            "start_payment",
        }
    ),
    # Of its own pages.
    "invalid_cursor": frozenset({"held_data", "history_file"}),
    # Where the address is none that the request gives.
    "email_invalid": frozenset(
        {
            "end_other_sessions",
            "accept_documents",
            "access_list",
            "cancel_email_change",
            "add_passkey",
            "change_password",
            "confirm_email_change",
            "confirm_password_reset",
            "confirm_registration",
            "erase_me",
            "choose_letters",
            "held_data",
            "letters",
            "pending_email_change",
            "profile",
            "refuse_email_change",
            "disable_totp",
            "enable_totp",
            "issue_recovery_codes",
            "passkey_challenge",
            "reauthenticate",
            "remove_passkey",
            "resend_code",
            "sign_in_by_link",
            "sign_in_by_passkey",
            "start_passkey",
            "start_totp",
            "take_second_step",
            "totp_challenge",
            "update_profile",
        }
    ),
    # It leaves the passkeys out.
    "passkeys_unavailable": frozenset({"reauthentication", "second_step"}),
    # Registrations and recoveries have methods of the same names.
    "registration_confirmed": frozenset({"erase_me", "confirm_password_reset"}),
    "registration_expired": frozenset({"erase_me", "confirm_password_reset"}),
    "registration_not_found": frozenset({"erase_me", "confirm_password_reset"}),
    # A link of a completed recovery is gone.
    "password_reset_completed": frozenset(
        {
            "erase_me",
            "confirm_password_reset",
            "confirm_registration",
            "correct_email",
            "resend_code",
        }
    ),
    "password_reset_not_found": frozenset(
        {"erase_me", "confirm_registration", "correct_email", "resend_code"}
    ),
    # A file is sent in order within a few seconds, by whoever has begun it.
    "attachment_incomplete": frozenset({"send_attachment"}),
    "attachment_not_found": frozenset({"send_attachment"}),
    "part_differs": frozenset({"send_attachment"}),
    "part_malformed": frozenset({"send_attachment"}),
    "part_out_of_order": frozenset({"send_attachment"}),
    # Each gets a new id.
    "question_exists": frozenset({"ask_question"}),
    "password_reset_exists": frozenset({"refuse_email_change", "request_password_reset"}),
    "registration_exists": frozenset({"start_registration"}),
    # The shapes of the API refuse them first.
    "negative_amount": frozenset({"start_payment"}),
    "too_many_attachments": frozenset({"add_message", "ask_question"}),
    "too_many_lines": frozenset({"start_payment"}),
    "organisation_missing": frozenset({"start_registration"}),
    "organisation_not_expected": frozenset({"start_registration"}),
    # The ledger holds neither wrong months nor lost postings.
    "invalid_period": READS_OF_THE_LEDGER | {"penalty", "reconciliation_file"},
    "checkpoint_not_found": frozenset({"receipt"}),
    "event_not_found": frozenset({"receipt"}),
    # A null in its place.
    "not_sealed_yet": frozenset({"receipt"}),
    # Only a question is limited by questions, only a change compares with the old password.
    "too_many_questions": frozenset({"add_message"}),
    "password_unchanged": frozenset({"confirm_password_reset"}),
}
"""What the scan finds in an operation that never meets it."""

OPERATIONS = operations_of(Gateway)


@cache
def _found(name: str) -> dict[int, set[str]]:
    """Return what the source of an operation can raise, by status."""
    endpoint = getattr(Gateway, name)
    nodes = reached_by_route(endpoint.handler.__module__, name)
    found: defaultdict[int, set[str]] = defaultdict(set)
    for node in nodes:
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and name_of(call.func) == "Refusal":
                status, code = call.args[:2]
                assert isinstance(status, ast.Constant)
                assert isinstance(code, ast.Constant)
                found[int(str(status.value))].add(str(code.value))
    for constant in (one for node in nodes for one in ast.walk(node)):
        if isinstance(constant, ast.Constant) and constant.value in READS_OF_A_LOG:
            found[503].add("log_not_confirmed")
    for code in codes_of(frozenset(called_rpcs(*nodes))):
        for error in errors_of_codes()[code]:
            found[refusal_of(getattr(errors, error)(code, "x")).status].add(code)
    return found


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_refusal_of_an_operation_is_declared(name: str) -> None:
    declared = refusals_of(OPERATIONS[name])
    for status, codes in _found(name).items():
        never = {code for code in codes if name in NEVER_MET.get(code, ())}
        missing = codes - set(declared.get(status, ())) - never
        assert sorted(missing) == [], f"{name} does not declare them under {status}"


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_no_operation_declares_a_refusal_that_it_cannot_raise(name: str) -> None:
    found = _found(name)
    for status, codes in OPERATIONS[name].refusals.items():
        assert sorted(set(codes) - found[status]) == [], f"{name} does not raise them as {status}"


def test_every_exception_is_still_found() -> None:
    for code, names in NEVER_MET.items():
        for name in names:
            assert code in set().union(*_found(name).values()), f"{name} does not lead to {code}"
            assert all(code not in codes for codes in OPERATIONS[name].refusals.values())
