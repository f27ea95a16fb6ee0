"""I7: no letter is lost: each that an event demands was queued once, sent once, and arrived.

Which event demands which letters stands here once more, apart from the reactions. It goes to whom
its event is about, and a receipt tells the sum that was paid. A letter that a crash or a broken
connection leaves in doubt is sent again under the same Message-ID: that is allowed where a copy
arrived while there was a fault or soon after one, and for a part of the letters only.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.checker.evidence import Evidence, Fact
from tests.faults.checker.findings import Finding

INVARIANT = "I7"

Kinds = Callable[[Mapping[str, Any]], list[str]]

AGAIN_AFTER_S = 90.0
"""A letter whose outcome a fault has left unknown comes again within so long after it."""
MOST_TWICE, FEW = 0.25, 5
"""Of all letters, so many may arrive twice where there were faults, or a few."""
_MAIL_FAULTS = ("mailcatcher", "link mail")
"""Faults after which any letter may."""

_MESSAGE_ID = re.compile(rb"^message-id:\s*<([0-9a-f-]{36})(?:\.(\d+))?@", re.M | re.I)
_TO = re.compile(rb"^to:\s*(\S+@\S+)\s*$", re.M | re.I)
_AMOUNT = re.compile(r"(\d[\d\s\u00a0\u202f]*)[.,](\d\d)(?!\d)")
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

MOST_READ = 50
"""Of so many letters about money, the latest, the text is read."""
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


class Copy(NamedTuple):
    """A letter as it arrived: which draw of it, when (Unix time), for whom."""

    draw: str
    at: float
    to: str
    path: Path


def _arrived(evidence: Evidence, queued: list[Fact]) -> Iterator[Finding]:
    sent = Counter(fact.stream for fact in evidence.by_topic("notifications", "letter_sent"))
    again = Counter(fact.stream for fact in evidence.by_topic("notifications", "letter_requeued"))
    known = {fact.stream: fact for fact in queued}
    arrived = mailbox(evidence)
    for letter, times in sent.items():
        kind = known[letter].data["kind"] if letter in known else "unknown"
        if times > 1 + again[letter]:
            yield Finding(INVARIANT, "sent twice", letter, f"{kind}: {times} times")
        if letter not in arrived:
            yield Finding(INVARIANT, "sent and not arrived", letter, kind)
    for letter in arrived.keys() - known.keys():
        # What has arrived since the snapshot is queued since then, too.
        if arrived[letter][0].at < evidence.opened_at and not evidence.losses:
            yield Finding(INVARIANT, "arrived and not in the log", letter)
    own = {letter: copies for letter, copies in arrived.items() if letter in known}
    yield from _twice(evidence, own, {one: fact.data["kind"] for one, fact in known.items()}, again)
    yield from _recipients(evidence, own, known)
    yield from _sums(evidence, own, known)


def _twice(
    evidence: Evidence,
    arrived: Mapping[str, Sequence[Copy]],
    kinds: Mapping[str, str],
    again: Mapping[str, int],
) -> Iterator[Finding]:
    excused = []
    for letter, copies in arrived.items():
        draws = len({one.draw for one in copies})
        if len(copies) <= 1 + again.get(letter, 0):
            continue
        if any(evidence.was_troubled(one.at, AGAIN_AFTER_S) for one in copies[:-1]):
            excused.append(letter)
            continue
        sentence = f"{kinds[letter]} arrived {len(copies)} times"
        yield Finding(INVARIANT, "arrived twice", letter, sentence)
        if draws > 1 + again.get(letter, 0):
            sentence = f"{kinds[letter]} was drawn {draws} times"
            yield Finding(INVARIANT, "drawn twice", letter, sentence)
    if len(excused) > max(FEW, MOST_TWICE * len(arrived)) and not evidence.did(*_MAIL_FAULTS):
        sentence = f"{len(excused)} of {len(arrived)} letters: no fault explains so many"
        yield Finding(INVARIANT, "too many arrive twice", "all", sentence)


def _recipients(
    evidence: Evidence, arrived: Mapping[str, Sequence[Copy]], known: Mapping[str, Fact]
) -> Iterator[Finding]:
    """A letter goes to the person that it is about, as far as the load knows him."""
    persons: dict[str, str] = {}
    subjects: dict[str, str] = {}
    for belief in evidence.beliefs:
        if belief.what == "registration.confirm":
            for service, fact in evidence.caused.get(belief.id, ()):
                if service == "identity" and fact.topic == "identity.person_registered.v1":
                    persons[fact.stream] = belief.data["email"]
        for name in ("registration_id", "question_id"):
            if name in belief.data and "email" in belief.data:
                subjects[belief.data[name]] = belief.data["email"]
    for letter, copies in arrived.items():
        data = known[letter].data
        if data["kind"] == "question_to_department":
            continue
        refs = data["refs"]
        about = refs.get("registration_id") or refs.get("question_id") or ""
        right = persons.get(data["person_id"] or "") or subjects.get(about)
        wrong = [one for one in copies if right is not None and one.to != right]
        if wrong:
            sentence = f"{data['kind']} is for {right}, and arrived at {wrong[0].to}"
            yield Finding(INVARIANT, "to somebody else", letter, sentence)


def _sums(
    evidence: Evidence, arrived: Mapping[str, Sequence[Copy]], known: Mapping[str, Fact]
) -> Iterator[Finding]:
    """A receipt tells the sum that was paid, and so does the news of a refund."""
    totals = {
        fact.stream: fact.data["total"]
        for fact in evidence.by_topic("payments", "payment_completed")
    }
    told: dict[str, int] = {}
    for letter, fact in known.items():
        kind, refs = fact.data["kind"], fact.data["refs"]
        if kind == "payment_receipt" and refs["payment_id"] in totals:
            told[letter] = totals[refs["payment_id"]]
        elif kind == "payment_refunded":
            told[letter] = refs["total"]
    for letter in [letter for letter in told if letter in arrived][-MOST_READ:]:
        said = _amounts(arrived[letter][0].path)
        if told[letter] not in said:
            sentence = f"{known[letter].data['kind']} of {told[letter]} kopecks says {sorted(said)}"
            yield Finding(INVARIANT, "another sum in a letter", letter, sentence)


def _amounts(path: Path) -> set[int]:
    """Return the sums in the text of a letter, in kopecks."""
    with path.open("rb") as file:
        body = BytesParser(policy=policy.default).parse(file).get_body(("plain",))
    text = body.get_content() if body is not None else ""
    return {
        int(re.sub(r"\D", "", roubles)) * 100 + int(kopecks)
        for roubles, kopecks in _AMOUNT.findall(text)
    }


def mailbox(evidence: Evidence) -> Mapping[str, list[Copy]]:
    """Return the copies of each letter that have arrived, in their order."""
    folder = Path(evidence.environment["SALDO_MAIL_DIR"])
    arrived: dict[str, list[Copy]] = defaultdict(list)
    for part in ("new", "cur"):
        for path in (folder / part).glob("*"):
            with path.open("rb") as file:
                head = file.read(_HEAD)
            match, to = _MESSAGE_ID.search(head), _TO.search(head)
            if match is not None:
                draw = (match[2] or b"").decode()
                copy = Copy(draw, path.stat().st_mtime, to[1].decode() if to else "", path)
                arrived[match[1].decode()].append(copy)
    for copies in arrived.values():
        copies.sort(key=lambda one: one.at)
    return arrived
