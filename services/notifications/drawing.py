"""Drawing: what is handed over to the mail server for a claimed letter.

A letter with a secret is drawn while its row is locked, with those of all letters for the same
thing: the newest one is drawn last. It is kept sealed before it is handed over: whatever happens
then, it can be sent again unchanged, under the same Message-ID, while half of the secret's life is
left and its owner still needs it. Afterwards it is drawn anew under another Message-ID: a receiver
that drops duplicates must not drop the secret that works.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from services.notifications import letters
from services.notifications.application import (
    ClaimedLetter,
    KeepDrawn,
    ReplacedError,
    hold,
    keep_drawn,
)
from services.notifications.envelope import Content, seal, unseal
from services.notifications.recipes import RECIPES, Asking, Draft, is_still_needed
from shared.bus import Services
from shared.contracts.notifications import LetterKind
from shared.eventstore import Session


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a letter, and which draw it is."""

    content: Content
    generation: int


def draw(services: Services, asking: Asking, letter: ClaimedLetter) -> Drawn | None:
    """Return what to send; None if the letter is pointless by now.

    Raises Unavailable if an owner does not answer, LostClaimError,
    `cryptography.exceptions.InvalidTag` or `shared.keys.UnknownKeyError` if what is kept cannot be
    opened.
    """
    now = services.store.clock.now()
    is_late = letter.not_after is not None and letter.not_after <= now
    if is_late or not asking.is_wanted(letter):
        return None
    if letter.is_drawn_when_queued and not letter.may_be_sent_again(now):
        return None
    if letter.is_drawn_once:
        return services.store.transact(_once(services, asking), letter)
    if letter.may_be_sent_again(now):
        return _kept(services, letter)
    draft = RECIPES[LetterKind(letter.kind)](asking, letter)
    if draft is None:
        return None
    return Drawn(content=_written(asking, letter, draft), generation=letter.generation + 1)


def _once(services: Services, asking: Asking) -> Callable[[Session, ClaimedLetter], Drawn | None]:
    def draw_once(session: Session, letter: ClaimedLetter) -> Drawn | None:
        try:
            older = hold(session, letter)
        except ReplacedError:
            return None
        if letter.may_be_sent_again(session.now):
            needed = letter.is_drawn_when_queued or is_still_needed(asking, letter)
            return _kept(services, letter) if needed else None
        draft = RECIPES[LetterKind(letter.kind)](asking, letter)
        if draft is None:
            return None
        content = _written(asking, letter, draft)
        command = KeepDrawn(
            letter_id=letter.letter_id,
            sealed=seal(services.settings, letter.letter_id, content),
            until=_half_way(session.now, draft.secret_until),
            voided=older,
        )
        keep_drawn(session, command)
        return Drawn(content=content, generation=letter.generation + 1)

    return draw_once


def _kept(services: Services, letter: ClaimedLetter) -> Drawn:
    content = unseal(services.settings, letter.letter_id, letter.sealed or "")
    return Drawn(content=content, generation=letter.generation)


def _half_way(now: datetime, end: datetime | None) -> datetime | None:
    return None if end is None else now + (end - now) / 2


def _written(asking: Asking, letter: ClaimedLetter, draft: Draft) -> Content:
    kind = draft.kind or LetterKind(letter.kind)
    unsubscribe_url = asking.unsubscribe_url(letter)
    facts = {**draft.facts, "expires_at": draft.secret_until}
    rendered = letters.render(
        kind, draft.language, asking.settings, facts, unsubscribe_url=unsubscribe_url
    )
    return Content(
        to=draft.to,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        attachments=draft.attachments,
        language=draft.language,
        unsubscribe_url=unsubscribe_url,
        kind=kind,
        person_id=draft.person_id,
    )
