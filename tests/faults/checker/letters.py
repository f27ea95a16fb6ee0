"""I7: no letter is lost: each that an event demands was queued once, sent once, and arrived.

Which event demands which letters stands here once more, apart from the reactions. A letter that a
crash or a broken connection leaves in doubt is sent again under the same Message-ID: that is
allowed where there was a fault, and nowhere else.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.faults.checker.evidence import Evidence, Fact
from tests.faults.checker.findings import Finding

INVARIANT = "I7"

Kinds = Callable[[Mapping[str, Any]], list[str]]

_MESSAGE_ID = re.compile(rb"^message-id:\s*<([0-9a-f-]{36})(?:\.(\d+))?@", re.M | re.I)
_HEAD = 8192


def _always(*kinds: str) -> Kinds:
    return lambda data: list(kinds)


def _linked(data: Mapping[str, Any]) -> list[str]:
    kind = "invitation_accepted" if data.get("invited_by") else "account_linked_by_another"
    return [kind] * len(data["other_person_ids"])


def _failed(data: Mapping[str, Any]) -> list[str]:
    return [] if data["reason"] == "replaced" else ["payment_failed"]


def _returned(data: Mapping[str, Any]) -> list[str]:
    return ["payment_refunded"] if data["lines"] else []


DEMANDS: Mapping[str, Kinds] = {
    "identity.registration_code_requested": _always("registration_code"),
    "identity.person_registered": _always("temporary_password"),
    "identity.temporary_password_requested": _always("temporary_password"),
    "identity.password_changed": _always("password_changed"),
    "identity.signed_in_from_new_device": _always("new_device"),
    "identity.sign_in_link_requested": _always("sign_in_link"),
    "accounts.account_linked": _linked,
    "accounts.invitation_sent": _always("invitation"),
    "payments.payment_completed": _always("payment_receipt"),
    "payments.payment_failed": _failed,
    "payments.payment_expired": _always("payment_failed"),
    "payments.money_returned": _returned,
    "helpdesk.question_asked": _always("question_accepted", "question_to_department"),
    "helpdesk.question_routed": _always("question_to_department"),
    "helpdesk.question_answered": _always("question_answered"),
    "helpdesk.question_closed": _always("question_closed"),
}
"""Topic -> the kinds of the letters that its event demands."""

_OF_MAILINGS = frozenset({"bill_ready", "payment_due", "payment_overdue"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Compare what events demand with what was queued, and what was sent with what arrived."""
    queued = list(evidence.by_topic("notifications", "letter_queued"))
    yield from _queued(evidence, queued)
    yield from _arrived(evidence, queued)


def _queued(evidence: Evidence, queued: list[Fact]) -> Iterator[Finding]:
    demanded: Counter[tuple[str, datetime]] = Counter()
    why: dict[tuple[str, datetime], str] = {}
    for service in {topic.split(".")[0] for topic in DEMANDS}:
        for fact in evidence.facts(service):
            kinds = DEMANDS.get(fact.topic.rpartition(".v")[0])
            for kind in kinds(fact.data) if kinds else ():
                demanded[kind, fact.recorded_at] += 1
                why[kind, fact.recorded_at] = f"{service} {fact.position}"
    known = {kind for kind, _ in demanded}
    found: Counter[tuple[str, datetime]] = Counter()
    for fact in queued:
        kind, at = fact.data["kind"], fact.data["refs"].get("at")
        if at is not None and kind in known and kind not in _OF_MAILINGS:
            found[kind, datetime.fromisoformat(at)] += 1
    for key in demanded.keys() | found.keys():
        kind, at = key
        if found[key] < demanded[key]:
            sentence = f"{demanded[key]} {kind} demanded at {at}, {found[key]} queued"
            yield Finding(INVARIANT, "letter lost", why[key], sentence)
        elif found[key] > demanded[key] and not evidence.was_lost_at(at):
            sentence = f"{demanded[key]} {kind} demanded at {at}, {found[key]} queued"
            yield Finding(INVARIANT, "letter that nothing demands", f"{kind} {at}", sentence)


def _arrived(evidence: Evidence, queued: list[Fact]) -> Iterator[Finding]:
    sent = Counter(fact.stream for fact in evidence.by_topic("notifications", "letter_sent"))
    again = Counter(fact.stream for fact in evidence.by_topic("notifications", "letter_requeued"))
    known = {fact.stream: fact.data["kind"] for fact in queued}
    arrived, before = _mailbox(evidence)
    troubled = evidence.had_faults
    for letter, times in sent.items():
        kind = known.get(letter, "unknown")
        if times > 1 + again[letter]:
            yield Finding(INVARIANT, "sent twice", letter, f"{kind}: {times} times")
        if letter not in arrived:
            yield Finding(INVARIANT, "sent and not arrived", letter, kind)
    for letter, draws in arrived.items():
        copies = sum(draws.values())
        if letter not in known:
            if letter in before and not evidence.losses:
                yield Finding(INVARIANT, "arrived and not in the log", letter)
            continue
        if copies > 1 + again[letter] and not troubled:
            sentence = f"{known[letter]} arrived {copies} times"
            yield Finding(INVARIANT, "arrived twice", letter, sentence)
        if len(draws) > 1 + again[letter] and not troubled:
            sentence = f"{known[letter]} was drawn {len(draws)} times"
            yield Finding(INVARIANT, "drawn twice", letter, sentence)


def _mailbox(evidence: Evidence) -> tuple[Mapping[str, Counter[str]], set[str]]:
    """Return of each letter how often each draw of it has arrived, and which were there before
    the snapshot."""
    arrived: dict[str, Counter[str]] = defaultdict(Counter)
    before: set[str] = set()
    for part in ("new", "cur"):
        for path in (Path(evidence.environment["SALDO_MAIL_DIR"]) / part).glob("*"):
            with path.open("rb") as file:
                match = _MESSAGE_ID.search(file.read(_HEAD))
            if match is not None:
                letter = match[1].decode()
                arrived[letter][(match[2] or b"").decode()] += 1
                if not evidence.is_newer(path):
                    before.add(letter)
    return arrived, before
