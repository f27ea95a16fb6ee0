"""Contracts and cabinets: what an account is, and who may have it in a cabinet."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec

from shared.contracts.accounts import PayerKind
from shared.errors import Conflict, NotFound
from shared.eventstore import Aggregate, Event, EventTypes
from shared.ids import NAMESPACE, derived_id

MAX_LINKED_ACCOUNTS = 10
"""The seed, S15: «В Личный кабинет можно добавить до 10 лицевых счетов»."""

MIN_LINKED_ACCOUNTS = 1
"""The seed, S18: «должен быть привязан хотя бы один лицевой счет»."""

ProvenBy = Literal["bill", "number"]
"""What a person proved when linking: a fact of the last paper bill, or merely the number."""


_NUMBER = re.compile(r"[0-9]{1,20}")


def contract_id(number: str) -> UUID:
    """Return the id of the contract's stream; the vault seals its data under the same id."""
    return derived_id(NAMESPACE, "account", number)


def cabinet_id(person_id: UUID) -> UUID:
    """Return the id of the stream of a person's cabinet."""
    return derived_id(NAMESPACE, "cabinet", str(person_id))


def clean_number(text: str) -> str | None:
    """Return an account number without the spaces around it (S12), None when it is not one."""
    number = text.strip()
    return number if _NUMBER.fullmatch(number) else None


class ContractDetails(msgspec.Struct, frozen=True, kw_only=True):
    """The data of a contract. ``holder`` and ``address`` are sealed by the vault.

    Areas are exact decimals in square metres, as text (``"54.2"``); ``els`` is the single
    personal account of ГИС ЖКХ (единый лицевой счёт), 10 characters. None: not known.
    """

    payer_kind: PayerKind
    holder: str
    address: str
    residents: int | None = None
    total_area: str | None = None
    living_area: str | None = None
    heated_area: str | None = None
    els: str | None = None


class ContractRegistered(Event, frozen=True, kw_only=True):
    """A contract entered the registry under its account number."""

    topic: ClassVar[str] = "accounts.contract_registered.v1"
    number: str
    details: ContractDetails


class ContractAmended(Event, frozen=True, kw_only=True):
    """A contract was changed; ``changed`` names the fields that differ.

    ``effective_on`` is the day from which it holds; None: recorded before there was one.
    """

    topic: ClassVar[str] = "accounts.contract_amended.v1"
    number: str
    details: ContractDetails
    changed: tuple[str, ...]
    effective_on: date | None = None


class AccountLinked(Event, frozen=True, kw_only=True):
    """A person took an account into the cabinet; the others had it there already."""

    topic: ClassVar[str] = "accounts.account_linked.v1"
    person_id: UUID
    number: str
    proven_by: ProvenBy
    other_person_ids: tuple[UUID, ...] = ()


class AccountUnlinked(Event, frozen=True, kw_only=True):
    """A person took an account out of the cabinet."""

    topic: ClassVar[str] = "accounts.account_unlinked.v1"
    person_id: UUID
    number: str


EVENTS = EventTypes(ContractRegistered, ContractAmended, AccountLinked, AccountUnlinked)


class LinkedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """One account of a cabinet as the read model returns it; ``linked_at`` is ISO 8601."""

    number: str
    details: ContractDetails
    proven_by: ProvenBy
    linked_at: str


class Contract(Aggregate):
    """One contract of the utility: a personal account («лицевой счёт»)."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.number = ""
        self.details: ContractDetails | None = None

    def apply(self, event: Any) -> None:
        match event:
            case ContractRegistered() | ContractAmended():
                self.number = event.number
                self.details = event.details

    def register(self, number: str, details: ContractDetails) -> None:
        """Enter the contract. Raises Conflict when the number is in the registry already."""
        if self.details is not None:
            raise Conflict(
                "contract_exists",
                "This account number is registered already; amend the contract instead.",
                number=number,
            )
        self.trigger(ContractRegistered(number=number, details=details))

    def amend(self, details: ContractDetails, effective_on: date) -> bool:
        """Take over what differs, from a day on; return whether anything did.

        An unchanged sealed field must be passed as the same sealed text: the aggregate holds no
        keys and compares what it is given. Raises NotFound when there is no such contract.
        """
        if self.details is None:
            raise NotFound("account_not_found", "There is no such contract; register it first.")
        changed = tuple(
            name
            for name in ContractDetails.__struct_fields__
            if getattr(details, name) != getattr(self.details, name)
        )
        if changed:
            self.trigger(
                ContractAmended(
                    number=self.number, details=details, changed=changed, effective_on=effective_on
                )
            )
        return bool(changed)


class Cabinet(Aggregate):
    """The accounts that one person has linked."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.numbers: list[str] = []

    def apply(self, event: Any) -> None:
        match event:
            case AccountLinked():
                self.numbers.append(event.number)
            case AccountUnlinked():
                self.numbers.remove(event.number)

    def check_room_for(self, number: str) -> None:
        """Refuse what no proof could change.

        Raises Conflict ``already_linked``, or ``account_limit_reached`` (S15).
        """
        if number in self.numbers:
            raise Conflict(
                "already_linked",
                "This account is in the cabinet already; open it there.",
                number=number,
            )
        if len(self.numbers) >= MAX_LINKED_ACCOUNTS:
            raise Conflict(
                "account_limit_reached",
                f"A cabinet holds up to {MAX_LINKED_ACCOUNTS} accounts; unlink one first.",
                limit=MAX_LINKED_ACCOUNTS,
            )

    def link(
        self,
        person_id: UUID,
        number: str,
        *,
        proven_by: ProvenBy,
        other_person_ids: tuple[UUID, ...],
    ) -> None:
        """Take an account in, once it has been proven. Raises as `check_room_for`."""
        self.check_room_for(number)
        self.trigger(
            AccountLinked(
                person_id=person_id,
                number=number,
                proven_by=proven_by,
                other_person_ids=other_person_ids,
            )
        )

    def unlink(self, person_id: UUID, number: str) -> None:
        """Take an account out.

        Raises NotFound ``account_not_linked``, or Conflict ``last_account_stays`` (S18).
        """
        if number not in self.numbers:
            raise NotFound(
                "account_not_linked",
                "This account is not in the cabinet; choose one of the linked accounts.",
            )
        if len(self.numbers) <= MIN_LINKED_ACCOUNTS:
            raise Conflict(
                "last_account_stays",
                "At least one account stays linked; link another one before unlinking this.",
            )
        self.trigger(AccountUnlinked(person_id=person_id, number=number))
