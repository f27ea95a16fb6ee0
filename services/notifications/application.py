"""Use cases of letters.

None of them sees an address or a text. A letter and its row of the outbox change in one
transaction, and every use case may be repeated. What happens to a claimed letter is recorded only
under its claim; that the mail server has accepted it is a fact, whoever holds it by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from services.notifications.domain import Letter
from services.notifications.requests import DRAWN_ONCE, QUEUED_AS, Lane, LetterRequest
from shared import context
from shared.contracts.notifications import FailureReason, LetterKind
from shared.eventstore import Session
from shared.letters import LETTER_LIFE

#: Delays after the first, second, ... failed attempt; the last one repeats.
RETRY_DELAYS = tuple(timedelta(seconds=s) for s in (5, 15, 60, 300, 900, 3600))

#: The same where a letter may have arrived: each attempt may be one more copy.
UNKNOWN_RETRY_DELAYS = tuple(timedelta(seconds=s) for s in (30, 120, 300, 900, 3600))

#: The longest delay of a letter with a secret, for which the person is waiting.
MAX_SECRET_RETRY_DELAY = timedelta(seconds=30)
MAX_UNKNOWN_SECRET_RETRY_DELAY = timedelta(minutes=5)

#: How long a claim lasts unless it is renewed.
LEASE = timedelta(seconds=30)


class LostClaimError(Exception):
    """Raised if the claim of a letter has ended: somebody else delivers it, or it was given up."""


class ReplacedError(Exception):
    """Raised for a letter with a secret for which a newer one waits."""


class HeldLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A locked letter, and the claim under which it is, if any."""

    letter_id: UUID
    claim: UUID | None


class WaitingLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A letter as it is put into the outbox."""

    letter_id: UUID
    lane: Lane
    secret_topic: str | None
    not_after: datetime | None
    correlation_id: str
    queued_at: datetime
    generation: int = 0


class ClaimedLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A letter of the outbox under a claim, with its number of failed attempts.

    `sealed` is the message as it was last drawn, if that is kept, and may be sent again unchanged
    until `sealed_until`. `generation` counts the draws; 0: nothing was drawn, or an earlier
    version drew it when it was queued.
    """

    letter_id: UUID
    kind: str
    person_id: UUID | None
    refs: Mapping[str, Any]
    lane: int
    sealed: str | None
    sealed_until: datetime | None
    generation: int
    not_after: datetime | None
    claim: UUID
    correlation_id: str
    attempts: int
    queued_at: datetime

    @property
    def is_secret(self) -> bool:
        return self.lane == Lane.SECRET

    @property
    def lane_name(self) -> str:
        """Return the lane as metrics name it."""
        return Lane(self.lane).name.lower()

    @property
    def is_drawn_once(self) -> bool:
        return self.kind in DRAWN_ONCE

    def may_be_sent_again(self, now: datetime) -> bool:
        """Return whether what is kept may be sent unchanged."""
        fresh = self.sealed_until is None or now < self.sealed_until
        return self.sealed is not None and fresh

    @property
    def is_drawn_when_queued(self) -> bool:
        """Return whether an earlier version drew it: it cannot be drawn again."""
        return self.sealed is not None and self.generation == 0


class ClaimLetters(msgspec.Struct, frozen=True, kw_only=True):
    """Claim at most `limit` due letters of one lane, the most urgent lane that has any.

    More urgent ones than `highest` are left out: none was due just now.
    """

    claim: UUID
    lowest: Lane
    limit: int
    highest: Lane = Lane.SECRET


class KeepDrawn(msgspec.Struct, frozen=True, kw_only=True):
    """Keep what was drawn for a letter that its transaction holds, in place of older ones."""

    letter_id: UUID
    sealed: str
    until: datetime | None
    voided: Sequence[UUID] = ()


class MarkSent(msgspec.Struct, frozen=True, kw_only=True):
    """Record that the mail server accepted a letter, at an attempt counted from 1."""

    letter_id: UUID
    message_id: str
    attempts: int
    kind: LetterKind | None = None
    person_id: UUID | None = None


class GiveUp(msgspec.Struct, frozen=True, kw_only=True):
    """Record that a letter will not be delivered, under its claim."""

    letter_id: UUID
    reason: FailureReason
    claim: UUID


class Postpone(msgspec.Struct, frozen=True, kw_only=True):
    """Retry a letter later. `attempts` counts the failed ones, this one included.

    `unknown`: at this one it may have arrived.
    """

    letter_id: UUID
    claim: UUID
    attempts: int
    queued_at: datetime
    secret: bool
    unknown: bool = False
    until: datetime | None = None
    """When it is due again; None: after a delay that grows with the attempts."""


class LettersOf(msgspec.Struct, frozen=True, kw_only=True):
    """The query for a person's letters, at most `limit`."""

    person_id: UUID
    limit: int


def queue_letters(session: Session, requests: Sequence[LetterRequest]) -> int:
    """Queue letters; return how many: one with an id that was queued before has no effect."""
    _know(session, [request.letter_id for request in requests])
    queued = []
    for request in requests:
        letter = session.load(Letter, request.letter_id)
        if letter.version > 0:
            continue
        letter.queue(request.kind, request.person_id, request.refs, not_after=request.not_after)
        queued.append(request)
    put_into_outbox(session, _not_sent(session, queued))
    return len(queued)


def _not_sent(session: Session, queued: Sequence[LetterRequest]) -> list[LetterRequest]:
    """Return which letters are to be sent: some had gone out before their log was restored."""
    ids = [str(request.letter_id) for request in queued]
    sent = session.read.lost.happened("letter_sent", ids) if ids else set()
    for request in queued:
        if str(request.letter_id) in sent:
            session.load(Letter, request.letter_id).mark_sent("", 1)
    return [request for request in queued if str(request.letter_id) not in sent]


def put_into_outbox(
    session: Session, requests: Sequence[LetterRequest], *, generation: int = 0
) -> None:
    """Have letters delivered; their draws are counted on from `generation`."""
    session.read.outbox.add(
        [
            WaitingLetter(
                letter_id=request.letter_id,
                lane=request.lane,
                secret_topic=request.secret_topic,
                not_after=request.not_after,
                correlation_id=context.current().correlation_id,
                queued_at=session.now,
                generation=generation,
            )
            for request in requests
        ]
    )


def claim_letters(session: Session, command: ClaimLetters) -> list[ClaimedLetter]:
    """Claim due letters, most urgent first: until the claim ends nobody else delivers them."""
    for lane in Lane:
        if command.highest <= lane <= command.lowest:
            claimed: list[ClaimedLetter] = session.peek.outbox.claim(
                lane,
                command.limit,
                claim=command.claim,
                now=session.now,
                until=session.now + LEASE,
            )
            if claimed:
                return claimed
    return []


def hold(session: Session, letter: ClaimedLetter) -> Sequence[UUID]:
    """Lock a claimed letter and all others with a secret for the same, until the transaction ends.

    Returns the older ones, whose secrets the next draw voids. Raises LostClaimError if the claim
    has ended, ReplacedError if a newer one waits: the newest secret must be the last one drawn.
    """
    topic = session.peek.outbox.hold_topic(letter.letter_id)
    if not any(one.letter_id == letter.letter_id and one.claim == letter.claim for one in topic):
        raise LostClaimError
    if topic[-1].letter_id != letter.letter_id:
        raise ReplacedError
    return [one.letter_id for one in topic[:-1]]


def keep_drawn(session: Session, command: KeepDrawn) -> None:
    """Keep what was drawn, so that it can be sent again unchanged; the older letters are void."""
    session.peek.outbox.keep(command.letter_id, command.sealed, command.until)
    for letter_id in command.voided:
        _fail(session, letter_id, FailureReason.STALE)


def mark_sent(session: Session, command: MarkSent) -> None:
    """Mark a letter as sent and erase what was drawn."""
    # The row is locked before the log: whoever draws a secret locks in that order, too.
    session.peek.outbox.lock([command.letter_id])
    session.load(Letter, command.letter_id).mark_sent(
        command.message_id, command.attempts, kind=command.kind, person_id=command.person_id
    )
    session.read.outbox.erase(command.letter_id)


def give_up(session: Session, command: GiveUp) -> None:
    """Mark a letter as failed and erase what was drawn; a lost claim has no effect."""
    if session.peek.outbox.hold(command.letter_id, command.claim):
        _fail(session, command.letter_id, command.reason)


def postpone(session: Session, command: Postpone) -> None:
    """Delay the next attempt, longer each time; after `LETTER_LIFE`, give the letter up."""
    if session.now - command.queued_at >= LETTER_LIFE:
        reason = FailureReason.GAVE_UP
        give_up(session, GiveUp(letter_id=command.letter_id, claim=command.claim, reason=reason))
        return
    until = command.until or session.now + _delay(command)
    session.peek.outbox.postpone(command.letter_id, command.claim, until, attempts=command.attempts)


def release(session: Session, claim: UUID) -> None:
    """End a claim; the letters that it still holds are due at once."""
    session.peek.outbox.release(claim, session.now)


def renew_claims(session: Session, claims: Sequence[UUID]) -> int:
    """Let claims last longer; return how many letters they hold."""
    held: int = session.peek.outbox.renew(claims, session.now + LEASE)
    return held


def give_up_old(session: Session, limit: int) -> int:
    """Give up letters that have waited for `LETTER_LIFE`; return how many there were."""
    old: list[UUID] = session.peek.outbox.queued_before(session.now - LETTER_LIFE, limit)
    for letter_id in old:
        _fail(session, letter_id, FailureReason.GAVE_UP)
    return len(old)


def erase_letters(session: Session, person_id: UUID) -> int:
    """Give up what waits to be sent to a person; return how many letters there were."""
    waiting: list[UUID] = session.peek.outbox.of_person(person_id)
    for letter_id in waiting:
        _fail(session, letter_id, FailureReason.STALE)
    return len(waiting)


def letters_of(session: Session, query: LettersOf) -> dict[str, Any]:
    """Return {letters: [{letter_id, kind, state, reason|None, queued_at, sent_at|None}]}.

    The newest comes first. The kind is the one that was queued: what a letter to another address
    turned out to be would tell whether that address has a cabinet.
    """
    rows = session.read.letters_of(query.person_id, query.limit)
    return {
        "letters": [
            {
                "letter_id": str(row["letter_id"]),
                "kind": QUEUED_AS.get(row["kind"], row["kind"]),
                "state": row["state"],
                "reason": row["reason"],
                "queued_at": row["queued_at"].isoformat(),
                "sent_at": row["sent_at"].isoformat() if row["sent_at"] else None,
            }
            for row in rows
        ]
    }


def _know(session: Session, letter_ids: Sequence[UUID]) -> None:
    """Read by one query which of many letters exist; the others take part as new ones."""
    unknown = [letter_id for letter_id in letter_ids if not session.has(letter_id)]
    if len(unknown) < 2:
        return
    known = session.histories(unknown)
    for letter_id in unknown:
        if letter_id not in known and not session.has(letter_id):
            session.adopt(Letter(letter_id))


def _fail(session: Session, letter_id: UUID, reason: FailureReason) -> None:
    session.load(Letter, letter_id).fail(reason)
    session.read.outbox.erase(letter_id)


def _delay(command: Postpone) -> timedelta:
    delays, longest = RETRY_DELAYS, MAX_SECRET_RETRY_DELAY
    if command.unknown:
        delays, longest = UNKNOWN_RETRY_DELAYS, MAX_UNKNOWN_SECRET_RETRY_DELAY
    delay = delays[min(max(command.attempts, 1), len(delays)) - 1]
    return min(delay, longest) if command.secret else delay
