"""The frame of recipes: what a recipe is given, what it returns, and how it is found.

A recipe draws the letters of one kind, at the moment of delivery: it asks the owners for the
address, the facts and the secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from services.notifications import unsubscribe
from services.notifications.application import ClaimedLetter
from services.notifications.envelope import Attachment
from shared.bus import Services
from shared.config import Settings
from shared.contracts.notifications import OPTIONAL, LetterKind
from shared.errors import Conflict, NotFound
from shared.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T")

RUSSIAN = "ru"


@dataclass(frozen=True, repr=False)
class Contact:
    """Where a person gets letters, and in which language."""

    email: str
    language: str


@dataclass(frozen=True, repr=False)
class Draft:
    """What a recipe makes: the facts that the template of the kind names.

    `secret_until` is when the secret among them expires. `kind` is another template than that of
    the request; `person_id` whose letter it turned out to be.
    """

    to: str
    language: str
    facts: Mapping[str, Any]
    attachments: tuple[Attachment, ...] = ()
    secret_until: datetime | None = None
    kind: LetterKind | None = None
    person_id: UUID | None = None


class Asking:
    """Asks the owners of addresses, facts and secrets, for the letters of one claim."""

    def __init__(self, services: Services, letters: Sequence[ClaimedLetter] = ()) -> None:
        self._services = services
        self._contacts: dict[UUID, Contact | None] = {}
        self._persons = [one.person_id for one in letters if one.person_id is not None]
        self._letters = letters
        self._together: dict[str, Any] = {}
        self._unwanted: set[tuple[UUID, str]] | None = None
        self._out_of_reach: Mapping[UUID, datetime] = {}

    @property
    def settings(self) -> Settings:
        settings: Settings = self._services.settings
        return settings

    def until(self, **validity: float) -> datetime:
        """Return when something expires that is valid from now on."""
        return self._services.store.clock.now() + timedelta(**validity)

    def ask(self, owner: str, method: str, **arguments: Any) -> dict[str, Any] | None:
        """Return the owner's result, or None if the letter has become pointless.

        The owner refuses when the registration has been confirmed since, or the person erased.
        Raises Unavailable.
        """
        try:
            result: dict[str, Any] = self._services.call(owner, method, **arguments)
        except (NotFound, Conflict) as refusal:
            log.info("letter_not_needed", rpc=f"{owner}.{method}", code=refusal.code)
            return None
        return result

    def together(self, subject: str, ask: Callable[[Sequence[ClaimedLetter]], T]) -> T:
        """Return what is asked once for all letters of the claim."""
        if subject not in self._together:
            self._together[subject] = ask(self._letters)
        known: T = self._together[subject]
        return known

    def is_wanted(self, letter: ClaimedLetter) -> bool:
        """Return whether the person of a letter gets such letters.

        He has not switched them off, and his address receives letters: one that always comes may
        find out that it does again. The persons of a claim are looked up at once.
        """
        if letter.kind not in OPTIONAL:
            return True
        if self._unwanted is None:
            self._unwanted, self._out_of_reach = self._services.store.query(
                lambda session: (
                    session.read.choices.unwanted(self._persons),
                    session.read.bounces.since(self._persons, session.now),
                )
            )
        unwanted = (letter.person_id, letter.kind) in self._unwanted
        return not unwanted and letter.person_id not in self._out_of_reach

    def unsubscribe_url(self, letter: ClaimedLetter) -> str | None:
        """Return the address that switches such letters off; None for those that always come."""
        if letter.person_id is None or letter.kind not in OPTIONAL:
            return None
        key = self._services.store.hash_key(unsubscribe.KEY_PURPOSE)
        kind = LetterKind(letter.kind)
        return unsubscribe.unsubscribe_url(self.settings, key, letter.person_id, kind)

    def contact(self, person_id: UUID | None) -> Contact | None:
        """Return where a person gets letters; None if there is no such person. Raises Unavailable.

        The contacts of all letters of a claim are asked at once.
        """
        if person_id is None:
            return None
        if person_id not in self._contacts:
            self._fetch(person_id)
        return self._contacts[person_id]

    def _fetch(self, person_id: UUID) -> None:
        asked = {*self._persons, person_id} - self._contacts.keys()
        persons = sorted(str(one) for one in asked)
        found = self._services.call("identity", "contacts", person_ids=persons)["contacts"]
        for one in asked:
            contact = found.get(str(one))
            self._contacts[one] = contact and Contact(contact["email"], language_of(contact))


Recipe = Callable[[Asking, ClaimedLetter], Draft | None]
"""Returns what to send, or None if the letter has become pointless. Raises Unavailable."""

RECIPES: dict[LetterKind, Recipe] = {}


def recipe(kind: LetterKind) -> Callable[[Recipe], Recipe]:
    """Make a function the recipe of a kind."""

    def register(draw: Recipe) -> Recipe:
        if kind in RECIPES:
            raise ValueError(f"{kind} has two recipes")
        RECIPES[kind] = draw
        return draw

    return register


def language_of(answer: Mapping[str, Any]) -> str:
    """Return the language that an owner names, by default Russian."""
    return str(answer.get("language") or RUSSIAN)


def to_person(asking: Asking, letter: ClaimedLetter, facts: Mapping[str, Any]) -> Draft | None:
    """Return a letter to its person, at the address of today."""
    contact = asking.contact(letter.person_id)
    if contact is None:
        return None
    return Draft(to=contact.email, language=contact.language, facts=facts)
