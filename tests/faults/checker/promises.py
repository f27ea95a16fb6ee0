"""I2: what was acknowledged is there, what was refused is not, what is unknown at most once.

A command is found in the logs by its id, which is the correlation id of what it caused. What a
person is shown is asked over HTTP, by the token that the beliefs have.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import requests
from msgspec.structs import replace

from tests.faults.checker.api import Api
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.findings import Finding
from tests.faults.load.beliefs import Belief

INVARIANT = "I2"

UNAUTHORIZED = 401
SIGNED_IN, TOO_MANY = 201, 429
MOST_ASKED = 60
"""Of so many persons, the latest, is asked what they are shown."""
MOST_PASSWORDS = 8
"""Of so many persons is tried whether the password holds: each costs a second of CPU."""


class Effect(NamedTuple):
    """What a command does: an event of a service."""

    service: str
    topic: str


EFFECTS: Mapping[str, Effect] = {
    "registration.start": Effect("identity", "registration_started"),
    "registration.confirm": Effect("identity", "person_registered"),
    "password.change": Effect("identity", "password_changed"),
    "profile.change": Effect("identity", "profile_changed"),
    "link": Effect("accounts", "account_linked"),
    "unlink": Effect("accounts", "account_unlinked"),
    "payment.start": Effect("payments", "payment_started"),
    "question.ask": Effect("helpdesk", "question_asked"),
    "question.answer": Effect("helpdesk", "question_answered"),
    "adjust": Effect("ledger", "charges_adjusted"),
}
"""By `what` of a belief. An import is found by its digest instead, a session over HTTP."""
_OF_STAFF = frozenset({"question.answer", "adjust"})
SOON_S = 60.0

_TAKEN = frozenset({"captured", "completed", "partly_refunded", "refunded"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Check each belief against the logs, then what persons are shown."""
    persons = _persons(evidence)
    for belief in evidence.beliefs:
        if belief.what == "contradiction" and not _may_be_forgotten(evidence, belief):
            yield Finding(INVARIANT, "contradiction", belief.id, f"{belief.who}: {belief.data}")
        elif belief.what in EFFECTS:
            yield from _effect(evidence, belief, EFFECTS[belief.what])
            yield from _content(evidence, belief, EFFECTS[belief.what], persons)
    yield from _payments(evidence)
    yield from _imports(evidence)
    yield from _shown(evidence)


def _effect(evidence: Evidence, belief: Belief, effect: Effect) -> Iterator[Finding]:
    topic = f"{effect.service}.{effect.topic}.v1"
    times = sum(
        service == effect.service and fact.topic == topic
        for service, fact in evidence.caused.get(belief.id, ())
    )
    name = f"{belief.what} of {belief.who}"
    if belief.data.get("forbidden") and (times or belief.outcome == "acknowledged"):
        sentence = f"{name} had to be refused, and has taken effect"
        yield Finding(INVARIANT, "forbidden and done", belief.id, sentence)
    elif times > 1:
        yield Finding(INVARIANT, "done twice", belief.id, f"{name}: {times} events")
    elif belief.outcome == "refused" and times and not _has_ended(evidence, belief):
        sentence = f"{name} was refused ({belief.code}), and has taken effect"
        yield Finding(INVARIANT, "refused and done", belief.id, sentence)
    elif belief.outcome == "acknowledged" and not times and not _may_be_missing(evidence, belief):
        sentence = f"{name} was acknowledged, and is in no log"
        yield Finding(INVARIANT, "acknowledged and missing", belief.id, sentence)


def _has_ended(evidence: Evidence, belief: Belief) -> bool:
    """Return whether a payer was told that his payment was started, and has ended since: it has."""
    if belief.code != "payment_must_be_restarted":
        return False
    topics = "payment_failed", "payment_expired"
    ended = {fact.stream for fact in evidence.by_topic("payments", *topics)}
    return all(
        fact.stream in ended
        for _, fact in evidence.caused[belief.id]
        if fact.topic == "payments.payment_started.v1"
    )


def _persons(evidence: Evidence) -> Mapping[str, str]:
    """Return the ids of the persons whose registration was confirmed, by e-mail."""
    return {
        belief.data["email"]: fact.stream
        for belief in evidence.about("registration.confirm")
        for service, fact in evidence.caused.get(belief.id, ())
        if service == "identity" and fact.topic == "identity.person_registered.v1"
    }


def _content(
    evidence: Evidence, belief: Belief, effect: Effect, persons: Mapping[str, str]
) -> Iterator[Finding]:
    """What is recorded is what was asked, in the name of whoever asked it."""
    topic = f"{effect.service}.{effect.topic}.v1"
    for service, fact in evidence.caused.get(belief.id, ()):
        if service != effect.service or fact.topic != topic:
            continue
        person = persons.get(belief.data.get("email", ""))
        if belief.what in _OF_STAFF:
            named = fact.actor.startswith("staff:")
        elif person is None or belief.what.startswith("registration."):
            named = True
        else:
            named = fact.actor == f"person:{person}"
        if not named:
            sentence = f"{belief.what} of {belief.who} is recorded as one of {fact.actor}"
            yield Finding(INVARIANT, "in another's name", belief.id, sentence)
        if belief.what == "adjust" and {"account", "amount"} <= belief.data.keys():
            found = fact.data["account"], sum(line["amount"] for line in fact.data["lines"])
            asked = belief.data["account"], belief.data["amount"]
            if found != asked:
                sentence = f"(account, kopecks): {asked} was asked, {found} is recorded"
                yield Finding(INVARIANT, "other sum than asked", belief.id, sentence)
        if belief.what in {"link", "unlink"} and fact.data["number"] != belief.data["number"]:
            sentence = f"{belief.data['number']} was asked, {fact.data['number']} is recorded"
            yield Finding(INVARIANT, "other account than asked", belief.id, sentence)


def _may_be_forgotten(evidence: Evidence, note: Belief) -> bool:
    """Return whether what a note contradicts may have been lost: shortly before it, or with it a
    password, after which none opens until the person has chosen another by letter."""
    if "password" in note.data.get("says", "") and password_may_be_gone(
        evidence, note.data.get("email", "")
    ):
        return True
    return any(since - SOON_S <= note.at <= until + SOON_S for since, until in evidence.losses)


def password_may_be_gone(evidence: Evidence, email: str) -> bool:
    """Return whether the last change of a password may have been lost with a database."""
    gone = False
    for belief in evidence.about("password.change"):
        if belief.data["email"] == email and belief.outcome != "refused":
            lost = evidence.may_be_lost(belief)
            gone = lost or (gone and belief.outcome != "acknowledged")
    return gone


def _may_be_missing(evidence: Evidence, belief: Belief) -> bool:
    """Return whether an answer may be that of an earlier command, or of a proposal, or lost."""
    otherwise = belief.what == "payment.start" or belief.data.get("state") == "proposed"
    return otherwise or evidence.may_be_lost(belief)


def _payments(evidence: Evidence) -> Iterator[Finding]:
    started = {fact.stream: fact.data for fact in evidence.by_topic("payments", "payment_started")}
    by_key: dict[str, set[str]] = defaultdict(set)
    for belief in evidence.about("payment.start"):
        payment = belief.data.get("payment_id")
        if belief.outcome != "acknowledged" or payment is None:
            continue
        by_key[belief.data.get("key", belief.id)].add(payment)
        found = started.get(payment)
        if found is None:
            if not evidence.may_be_lost(belief):
                sentence = f"payment {payment} of {belief.who} is in no log"
                yield Finding(INVARIANT, "acknowledged and missing", belief.id, sentence)
            continue
        lines = sorted([one["account"], one["amount"], one["penalty"]] for one in found["lines"])
        if lines != sorted(belief.data["lines"]):
            sentence = f"payment {payment}: {lines} instead of {sorted(belief.data['lines'])}"
            yield Finding(INVARIANT, "other lines than asked", belief.id, sentence)
    for key, payments in by_key.items():
        if len(payments) > 1:
            yield Finding(INVARIANT, "one key, several payments", key, " ".join(sorted(payments)))
    states = {
        row["id"]: row["state"]
        for row in evidence.rows("SELECT payment_id::text AS id, state FROM payments.payments")
    }
    for belief in evidence.about("payment.seen"):
        payment, seen = belief.data["payment_id"], belief.data["state"]
        now = states.get(payment)
        if seen in _TAKEN and now not in _TAKEN and not evidence.may_be_lost(belief):
            sentence = f"was shown as {seen}, and is {now}"
            yield Finding(INVARIANT, "shown and gone", payment, sentence)


def _imports(evidence: Evidence) -> Iterator[Finding]:
    finished = Counter(
        fact.data["digest"] for fact in evidence.by_topic("ledger", "import_finished")
    )
    adjusted: Counter[str] = Counter()
    amounts: dict[str, tuple[str, int]] = {}
    for fact in evidence.by_topic("ledger", "charges_adjusted"):
        adjusted[fact.data["adjustment_id"]] += 1
        total = sum(line["amount"] for line in fact.data["lines"])
        amounts[fact.data["adjustment_id"]] = fact.data["account"], total
    for belief in evidence.about("import"):
        digest, acknowledged = belief.data["digest"], belief.outcome == "acknowledged"
        wanted = acknowledged and not evidence.may_be_lost(belief)
        if wanted and finished[digest] != 1:
            sentence = f"the file was imported, the log has {finished[digest]} ends of it"
            yield Finding(INVARIANT, "import", belief.id, sentence)
        for adjustment, account, *amount in belief.data["adjustments"]:
            if adjusted[adjustment] > 1 or (wanted and not adjusted[adjustment]):
                sentence = f"adjustment {adjustment} is there {adjusted[adjustment]} times"
                yield Finding(INVARIANT, "imported row", f"{belief.id} {account}", sentence)
            found = amounts.get(adjustment)
            if amount and found is not None and found != (account, *amount):
                sentence = f"{account} {amount} is in the file, {found} is recorded"
                yield Finding(INVARIANT, "imported sum", f"{belief.id} {account}", sentence)


# Over HTTP


def _shown(evidence: Evidence) -> Iterator[Finding]:
    api = Api(evidence.environment["SALDO_URL"])
    persons: dict[str, Belief] = {}
    own: dict[str, list[Belief]] = defaultdict(list)
    for belief in evidence.beliefs:
        email = belief.data.get("email")
        if email is None:
            continue
        lost = evidence.may_be_lost(belief)
        sure = belief.outcome == "acknowledged" and not lost
        own[email].append(belief if sure or not lost else _doubted(belief))
        if belief.what == "person" and not lost:
            persons.pop(email, None)
            persons[email] = belief
    latest = list(persons.items())[-MOST_ASKED:]
    for email, person in latest:
        yield from _person(evidence, api, person, own[email])
    for email, person in latest[-MOST_PASSWORDS:]:
        if password_may_be_gone(evidence, email):
            continue
        yield from _password(api, person, own[email])
    for belief in list(evidence.about("session.end"))[-MOST_ASKED:]:
        if belief.outcome != "acknowledged" or evidence.may_be_lost(belief):
            continue
        status, _ = api.get("/me", belief.data["token"])
        if status != UNAUTHORIZED:
            sentence = f"the session of {belief.who} was ended, and answers {status}"
            yield Finding(INVARIANT, "session that was ended", belief.id, sentence)
    yield from _other_sessions(evidence, api)


def _other_sessions(evidence: Evidence, api: Api) -> Iterator[Finding]:
    """A new password ends the sessions that were opened by the former one."""
    changed: dict[str, Belief] = {
        belief.data["email"]: belief
        for belief in evidence.about("password.change")
        if belief.outcome == "acknowledged" and not evidence.may_be_lost(belief)
    }
    opened = [
        belief
        for belief in evidence.about("session.open")
        if belief.outcome == "acknowledged"
        and belief.data.get("email") in changed
        and "token" in belief.data
    ]
    before = [one for one in opened if one.at < changed[one.data["email"]].at]
    for belief in before[-MOST_ASKED:]:
        status, _ = api.get("/me", belief.data["token"])
        if status == requests.codes.ok:
            sentence = f"{belief.who} has a new password, and a session by the old one"
            yield Finding(INVARIANT, "session of before", belief.id, sentence)


def _doubted(belief: Belief) -> Belief:
    return replace(belief, outcome="unknown") if belief.outcome == "acknowledged" else belief


def _person(
    evidence: Evidence, api: Api, person: Belief, beliefs: Sequence[Belief]
) -> Iterator[Finding]:
    token = person.data["token"]
    status, profile = api.get("/me", token)
    if status == UNAUTHORIZED and evidence.losses:
        return  # a restore ends sessions: some of them had been ended since the backup
    if status != requests.codes.ok:
        sentence = f"the session of {person.who} answers {status}"
        yield Finding(INVARIANT, "session that is open", person.who, sentence)
        return
    names = _possible(beliefs, "profile.change", "full_name")
    if names and profile["full_name"] not in names:
        yield Finding(INVARIANT, "name", person.who, f"{profile['full_name']}, not {names}")
    _, found = api.get("/accounts", token)
    shown = {one["number"] for one in found["accounts"]}
    for number, states in _links(beliefs).items():
        if (number in shown) not in states:
            sentence = f"account {number} is {'' if number in shown else 'not '}linked"
            yield Finding(INVARIANT, "link", f"{person.who} {number}", sentence)
    known = {one.data["number"] for one in beliefs if one.what == "link"}
    for number in sorted(shown - known):
        yield Finding(INVARIANT, "link that nobody made", f"{person.who} {number}")
    for belief in beliefs:
        if belief.what == "question.ask" and belief.outcome == "acknowledged":
            _, texts = api.texts(belief.data["question_id"], token)
            if belief.data["text"] not in texts:
                sentence = f"{len(texts)} messages, none is what was asked"
                yield Finding(INVARIANT, "question", belief.id, sentence)


def _password(api: Api, person: Belief, beliefs: Sequence[Belief]) -> Iterator[Finding]:
    possible = _possible(beliefs, "password.change", "new")
    if not possible or person.data["password"] not in possible:
        return
    device = person.data.get("device_token")
    status = api.signs_in(person.data["email"], person.data["password"], device)
    if status not in {SIGNED_IN, TOO_MANY}:  # who has tried wrong ones waits: nothing is known
        sentence = f"the password of {person.who} answers {status}"
        yield Finding(INVARIANT, "password that holds", person.who, sentence)
    changes = [one for one in beliefs if one.what == "password.change"]
    if changes and changes[-1].outcome == "acknowledged":
        status = api.signs_in(person.data["email"], changes[-1].data["old"], device)
        if status == SIGNED_IN:
            sentence = f"the old password of {person.who} still holds"
            yield Finding(INVARIANT, "password that was changed", person.who, sentence)


def _possible(beliefs: Sequence[Belief], what: str, name: str) -> list[str]:
    """Return what a value may be: the last one acknowledged, and those unknown since."""
    possible: list[str] = []
    certain = False
    for belief in beliefs:
        if belief.what == what and belief.outcome == "acknowledged":
            possible, certain = [belief.data[name]], True
        elif belief.what == what and belief.outcome != "refused":
            possible.append(belief.data[name])
    return possible if certain else []


def _links(beliefs: Sequence[Belief]) -> dict[str, set[bool]]:
    """Return of each account whether it may be linked now, and whether it may not be."""
    states: dict[str, set[bool]] = {}
    for belief in beliefs:
        if belief.what not in {"link", "unlink"} or belief.outcome == "refused":
            continue
        after = belief.what == "link"
        before = states.get(belief.data["number"], {False})
        sure = belief.outcome == "acknowledged"
        states[belief.data["number"]] = {after} if sure else {after, *before}
    return states
