"""What a published event says, compared with its event in the raw log.

Whoever publishes shares the code that makes it with whoever shows the history, so that the two of
them agree on anything. Here type, subject, instant and each member of the data are compared with
the row of the log; what has no counterpart there is derived of it once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from tests.faults.checker.books import ADVANCES, PENALTY, is_service, postings_of
from tests.faults.checker.evidence import Fact

_TYPES: Mapping[str, str] = {
    "payments.payment_expired": "payment_failed",
    "payments.mismatch_found": "payment_mismatched",
    "payments.money_returned": "payment_refunded",
    "helpdesk.message_added": "question_message_added",
    "identity.signed_in_from_new_device": "new_device_signed_in",
    "identity.email_change_completed": "email_changed",
    "ledger.proposal_approved": "correction_decided",
    "ledger.proposal_rejected": "correction_decided correction_withdrawn",
}
"""Events that are published under another name than their topic's."""
_OTHERWISE: Mapping[str, frozenset[str]] = {
    "payments.money_returned": frozenset({"reason"}),
    "payments.payment_expired": frozenset({"reason"}),
    "ledger.penalty_corrected": frozenset({"waived"}),
}
"""Members that mean something else in the log."""
_KEYS = frozenset({"account", "moved_to", "moved_from"})
"""Members that are a number to the public, and in the log the key of a tenure of it."""


def differences(fact: Fact, headers: Mapping[str, Any], body: bytes) -> Iterator[str]:
    """Yield what a published event says otherwise than its event in the log."""
    kind = fact.topic.rpartition(".v")[0]
    name = str(headers["cloudEvents_type"])
    names = _TYPES.get(kind, kind.partition(".")[2]).split()
    # Many events about second factors share a type.
    if name not in names and not kind.startswith("identity."):
        yield f"{fact.topic} is published as {name}"
    subject = str(headers.get("cloudEvents_subject", ""))
    if subject not in {fact.stream, fact.data.get("number")}:
        yield f"{name} has the subject {subject!r}"
    if datetime.fromisoformat(str(headers["cloudEvents_time"])) != fact.recorded_at:
        yield f"{name} is of {headers['cloudEvents_time']}, it was recorded at {fact.recorded_at}"
    data = msgspec.json.decode(body)
    left_out = _OTHERWISE.get(kind, frozenset())
    for member in data.keys() & fact.data.keys() - left_out:
        if not _agrees(data[member], fact.data[member], member):
            yield f"{member} of {name} is {data[member]!r}, {fact.data[member]!r} in the log"
    if "change" in data:
        yield from _change(fact, data["change"])
    if kind in {"payments.payment_captured", "payments.payment_started"}:
        total = sum(line["amount"] + line["penalty"] for line in fact.data["lines"])
        if data["total"] != total:
            yield f"total of {name} is {data['total']}, the lines add up to {total}"


def _change(fact: Fact, change: Mapping[str, int]) -> Iterator[str]:
    """The sums that a subscriber adds up are those of the postings."""
    books = postings_of(fact)
    if books is None:
        return
    wanted = {
        "principal": sum(amount for name, amount in books.items() if is_service(name)),
        "penalty": books[PENALTY],
        "advance": -books[ADVANCES],
    }
    if wanted != change:
        yield f"change is {dict(change)}, the event adds {wanted}"


def _agrees(published: Any, logged: Any, member: str = "") -> bool:
    """Return whether all that is published of a value is in the logged one."""
    if isinstance(published, dict) and isinstance(logged, dict):
        return all(_agrees(published[key], logged[key], key) for key in published.keys() & logged)
    if isinstance(published, list) and isinstance(logged, list):
        return len(published) == len(logged) and all(
            _agrees(one, other) for one, other in zip(published, logged, strict=True)
        )
    if member in _KEYS and isinstance(logged, str) and logged:
        return bool(published == logged.partition("-")[0])
    if member.endswith("_at") and isinstance(logged, str):
        return datetime.fromisoformat(published) == datetime.fromisoformat(logged)
    return bool(published == logged)
