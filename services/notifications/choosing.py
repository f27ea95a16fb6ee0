"""Use cases: the choices of a person, in the cabinet and by the link of a letter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from services.notifications.choices import Choices, Way
from shared.contracts.notifications import OPTIONAL, LetterKind
from shared.errors import NotFound
from shared.eventstore import Session


class Choose(msgspec.Struct, frozen=True, kw_only=True):
    """Switch optional letters on or off; kinds that are not named stay as they are."""

    person_id: UUID
    wanted: Mapping[str, bool]


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True):
    """Switch off what a link is for; None: it is no link of ours."""

    link: tuple[UUID, LetterKind] | None


def choices_of(session: Session, person_id: UUID) -> dict[str, Any]:
    """Return {optional: {kind: wanted}}, with every optional kind."""
    unwanted = session.read.choices.unwanted_by(person_id)
    return {"optional": {kind.value: kind not in unwanted for kind in sorted(OPTIONAL)}}


def held_choices(session: Session, person_id: UUID) -> dict[str, Any]:
    """Return {choices: [{kind, wanted, chosen_at}]} that the person has made."""
    made = session.read.choices.made_by(person_id)
    return {"choices": [{**one, "chosen_at": one["chosen_at"].isoformat()} for one in made]}


def choose(session: Session, command: Choose) -> dict[str, Any]:
    """Make the choices of a person; return {}."""
    choices = session.load(Choices, command.person_id)
    for kind, wanted in command.wanted.items():
        choices.choose(LetterKind(kind), Way.CABINET, wanted=wanted)
    return {}


def erase_choices(session: Session, person_id: UUID) -> None:
    """Forget the choices of an erased person, and take no further one."""
    session.load(Choices, person_id).erase()


def subscription(session: Session, link: tuple[UUID, LetterKind] | None) -> dict[str, Any]:
    """Return {kind, wanted} of the link in a letter; somebody erased wants none.

    Raises NotFound ``unsubscribe_link_unknown``.
    """
    person_id, kind = _known(link)
    choices = session.load(Choices, person_id)
    return {"kind": kind.value, "wanted": not choices.erased and kind not in choices.unwanted}


def unsubscribe(session: Session, command: Unsubscribe) -> dict[str, Any]:
    """Switch off what the link is for; return {kind}.

    Raises NotFound ``unsubscribe_link_unknown``.
    """
    person_id, kind = _known(command.link)
    session.load(Choices, person_id).choose(kind, Way.LINK, wanted=False)
    return {"kind": kind.value}


def _known(link: tuple[UUID, LetterKind] | None) -> tuple[UUID, LetterKind]:
    if link is None:
        raise NotFound("unsubscribe_link_unknown", "There is no such link.")
    return link
