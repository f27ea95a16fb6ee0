"""Cabinets: which accounts a person has linked, in which role, and how they were proven."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec

from shared.errors import Conflict, NotFound
from shared.eventstore import Aggregate, Event
from shared.ids import NAMESPACE, derived_id

MAX_LINKED_ACCOUNTS = 10
"""The seed, S15: «В Личный кабинет можно добавить до 10 лицевых счетов»."""

MIN_LINKED_ACCOUNTS = 1
"""The seed, S18: «должен быть привязан хотя бы один лицевой счет»."""

ProvenBy = Literal["bill", "number", "control_code", "total_and_period", "invitation", "staff"]
"""Why a person has an account; ``bill`` is a number or a total, which proved it formerly."""

Role = Literal["owner", "payer", "viewer"]
"""An owner reads, pays and shares; a payer reads and pays; a viewer reads."""

GuestRole = Literal["payer", "viewer"]
"""What an owner gives by an invitation."""

EndedBy = Literal["person", "owner", "staff"]
"""Who ended an access: the person, the owner who had given it, or staff."""


def cabinet_id(person_id: UUID) -> UUID:
    """Return the id of the stream of a person's cabinet."""
    return derived_id(NAMESPACE, "cabinet", str(person_id))


def access_id(person_id: UUID, number: str, tenure: int) -> UUID:
    """Return the id of an access, by which others with access name it: it names no person."""
    return derived_id(NAMESPACE, "access", str(person_id), number, str(tenure))


class AccountLinked(Event, frozen=True, kw_only=True):
    """A person took an account into the cabinet; the others had it there already.

    ``tenure`` is whose time it is; ``invited_by`` the owner who gave the access.
    """

    topic: ClassVar[str] = "accounts.account_linked.v1"
    person_id: UUID
    number: str
    proven_by: ProvenBy
    other_person_ids: tuple[UUID, ...] = ()
    tenure: int = 1
    role: Role = "owner"
    invited_by: UUID | None = None


class AccountUnlinked(Event, frozen=True, kw_only=True):
    """An account left the cabinet."""

    topic: ClassVar[str] = "accounts.account_unlinked.v1"
    person_id: UUID
    number: str
    tenure: int = 1
    ended_by: EndedBy = "person"


class NewLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link to make: the account, the role, and what it rests on."""

    number: str
    tenure: int
    role: Role
    proven_by: ProvenBy
    other_person_ids: tuple[UUID, ...] = ()
    invited_by: UUID | None = None


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One person's access to one tenure; ``linked_at`` is ISO 8601."""

    person_id: UUID
    number: str
    tenure: int
    role: Role
    proven_by: ProvenBy
    invited_by: UUID | None
    linked_at: str


def has_proven(link: Link | NewLink | AccountLinked) -> bool:
    """Whether a link is of an owner who has shown more than the number, which anybody may know."""
    return link.role == "owner" and link.proven_by != "number"


def others_than(person_id: UUID, links: Iterable[Link]) -> tuple[UUID, ...]:
    """Return whose links these are, the person's own aside."""
    return tuple(link.person_id for link in links if link.person_id != person_id)


class Cabinet(Aggregate):
    """The accounts that one person has linked."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.links: dict[tuple[str, int], AccountLinked] = {}

    def apply(self, event: Any) -> None:
        match event:
            case AccountLinked():
                self.links[event.number, event.tenure] = event
            case AccountUnlinked():
                del self.links[event.number, event.tenure]

    @property
    def numbers(self) -> list[str]:
        """The numbers in the cabinet, each once though it may hold two tenures of it."""
        return list(dict.fromkeys(number for number, _ in self.links))

    def check_room_for(self, number: str, tenure: int) -> None:
        """Refuse what no proof could change: a guest may still prove that he owns the account.

        Raises Conflict ``already_linked``, or ``account_limit_reached`` (S15).
        """
        held = self.links.get((number, tenure))
        if held is not None and has_proven(held):
            raise _already_linked(number)
        self.check_limit(number)

    def check_limit(self, number: str | None) -> None:
        """Raise Conflict ``account_limit_reached`` when another number has no room (S15)."""
        if number not in self.numbers and len(self.numbers) >= MAX_LINKED_ACCOUNTS:
            raise Conflict(
                "account_limit_reached",
                f"A cabinet holds up to {MAX_LINKED_ACCOUNTS} accounts; unlink one first.",
                limit=MAX_LINKED_ACCOUNTS,
            )

    def take_in(self, person_id: UUID, link: NewLink) -> None:
        """Take an account in, once it has been proven; the proof of an owner replaces less.

        Raises as `check_room_for`.
        """
        self.check_room_for(link.number, link.tenure)
        if (link.number, link.tenure) in self.links:
            if not has_proven(link):
                raise _already_linked(link.number)
            self.end(person_id, link.number, link.tenure, "person")
        elif link.role != "owner" and self._owns_another_tenure_of(link.number):
            # The newest tenure is the one that is shown: a guest's would hide the owner's own.
            raise _already_linked(link.number)
        self.trigger(
            AccountLinked(
                person_id=person_id,
                number=link.number,
                proven_by=link.proven_by,
                other_person_ids=link.other_person_ids,
                tenure=link.tenure,
                role=link.role,
                invited_by=link.invited_by,
            )
        )

    def _owns_another_tenure_of(self, number: str) -> bool:
        return any(
            linked == number and link.role == "owner" for (linked, _), link in self.links.items()
        )

    def unlink(self, person_id: UUID, number: str) -> tuple[int, Role]:
        """Take an account out, the tenure that is shown; return it with the role that ended.

        A former tenure of the number stays, and is shown from then on.

        Raises NotFound ``account_not_linked``, or Conflict ``last_account_stays`` (S18).
        """
        held = [tenure for linked, tenure in self.links if linked == number]
        if not held:
            raise NotFound(
                "account_not_linked",
                "This account is not in the cabinet; choose one of the linked accounts.",
            )
        if len(self.links) <= MIN_LINKED_ACCOUNTS:
            raise Conflict(
                "last_account_stays",
                "At least one account stays linked; link another one before unlinking this.",
            )
        tenure = max(held)
        role = self.links[number, tenure].role
        self.end(person_id, number, tenure, "person")
        return tenure, role

    def end(self, person_id: UUID, number: str, tenure: int, by: EndedBy) -> None:
        """End an access; does nothing when it has ended already.

        Whoever gave it may take it though it is the last of the cabinet.
        """
        if (number, tenure) in self.links:
            self.trigger(
                AccountUnlinked(person_id=person_id, number=number, tenure=tenure, ended_by=by)
            )


def _already_linked(number: str) -> Conflict:
    return Conflict(
        "already_linked", "This account is in the cabinet already; open it there.", number=number
    )
