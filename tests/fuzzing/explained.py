"""Refusals of well-formed requests, each with the reason why no description can tell it before."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

Holds = Callable[[Any], bool]
"""Whether the reason holds for the body of a request."""


def _always(_body: Any) -> bool:
    return True


def _is_odd_address(body: Any) -> bool:
    local, _, domain = body["email"].strip().rpartition("@")
    return not domain.isascii() or len(local) > 64


def _changes_in_normal_form(body: Any) -> bool:
    return not unicodedata.is_normalized("NFKC", body["new_password"])


def _cannot_be_printed(text: str) -> bool:
    return any(unicodedata.category(character)[0] == "C" for character in text)


def _name_is_odd(body: Any) -> bool:
    return _cannot_be_printed(body["full_name"])


def _organisation_is_odd(body: Any) -> bool:
    return _cannot_be_printed(body["organisation"]["name"])


EXPLAINED: Mapping[str, tuple[str, Holds]] = {
    "email_change_of_staff": ("staff began a change of address", _always),
    "wrong_second_factor": ("the code is in the app or on paper", _always),
    "challenge_expired": ("it depends on the time and on what was done", _always),
    "passkey_refused": ("only the authenticator can sign", _always),
    "wrong_code": ("the code is in a letter", _always),
    "unsubscribe_link_unknown": ("the token is in a letter", _always),
    "sign_in_link_expired": ("the token is in a letter", _always),
    "wrong_current_password": ("the password is the person's", _always),
    "code_attempts_used_up": ("it counts the wrong codes of a letter", _always),
    "code_expired": ("it depends on the time of the letter", _always),
    "target_too_long": ("JSON Schema does not add lengths up", _always),
    "invalid_cursor": ("a cursor is what a page has returned", _always),
    "events_unknown": ("the services and their events are those of /api/events", _always),
    "events_not_granted": ("a grant is what the operator gives a subscriber", _always),
    "two_beginnings": ("OpenAPI does not exclude one parameter by another", _always),
    "position_not_in_log": ("it depends on how long the log is", _always),
    "log_not_confirmed": ("it depends on the restarts of the database", _always),
    "too_many_reads": ("it counts the requests of the last minute", _always),
    "attachment_kind": ("what a file is, its bytes tell", _always),
    "attachment_broken": ("what a file is, its bytes tell", _always),
    "attachment_empty": ("what a file is, its bytes tell", _always),
    "attachment_unknown": ("the files are those that the person has sent", _always),
    "unknown_line": ("a line is one of a bill of the account, at /charges", _always),
    "unknown_topic": ("the topics are those of the operator, at /questions/topics", _always),
    "invalid_days": ("JSON Schema does not compare two parameters", _always),
    "duplicate_account": ("JSON Schema does not compare the members of a list", _always),
    "acquirer_unknown": ("the acquirers are those of the operator", _always),
    "amount_too_large": ("the largest payment is the operator's", _always),
    "account_closed": ("it depends on the holder of an account", _always),
    "owner_only": ("it depends on the access that an owner has given", _always),
    "already_invited": ("it depends on the invitations that are open", _always),
    "invitation_limit_reached": ("it depends on the invitations that are open", _always),
    "invitation_ended": ("it depends on the time and on what was done", _always),
    "may_not_pay": ("it depends on the access that an owner has given", _always),
    "inn_invalid": ("JSON Schema does not compute check digits", _always),
    "link_refused": ("the proof is on the paper bill", _always),
    "proof_unreadable": ("the form of a leaf and of a note is beyond a pattern", _always),
    "proof_does_not_hold": ("only hashes and a signature tell", _always),
    "password_too_common": ("the passwords that are guessed first are not published", _always),
    "password_has_email": ("it depends on the person", _always),
    "password_has_name": ("it depends on the person", _always),
    "password_was_temporary": ("it depends on the person", _always),
    "password_unchanged": ("it depends on the person", _always),
    "password_too_short": ("a length is counted in Unicode's normal form", _changes_in_normal_form),
    "password_too_long": ("a length is counted in Unicode's normal form", _changes_in_normal_form),
    "email_invalid": (
        "IDNA and 64 characters before the @ are beyond a simple pattern",
        _is_odd_address,
    ),
    "full_name_invalid": ("a pattern does not know Unicode's categories", _name_is_odd),
    "organisation_name_invalid": (
        "a pattern does not know Unicode's categories",
        _organisation_is_odd,
    ),
}
"""By code: the reason, and what must hold of the request for it."""


def is_explained(code: str, body: Any) -> bool:
    """Return whether no description could have told that a body is refused by a code."""
    if code not in EXPLAINED:
        return False
    _, holds = EXPLAINED[code]
    return holds(body)
