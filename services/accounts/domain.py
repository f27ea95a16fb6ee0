"""Contracts, their tenures, and cabinets: what an account is, and who may have it when."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec

from services.accounts.cabinet import AccountLinked, AccountUnlinked
from services.accounts.guessing import ProofsGuessed
from services.accounts.invitation import InvitationAccepted, InvitationEnded, InvitationSent
from shared.errors import Conflict, NotFound
from shared.eventstore import Aggregate, Event, EventTypes
from shared.ids import NAMESPACE, derived_id
from shared.payer_kinds import PayerKind

ClosingReason = Literal["holder_changed", "contract_closed"]
"""Why a tenure ended: the next one followed, or the contract was closed."""

_IDS_KEPT = 16_384
"""More than a batch of an import has, where each id is needed several times."""


@lru_cache(maxsize=_IDS_KEPT)
def contract_id(number: str) -> UUID:
    """Return the id of the contract's stream."""
    return derived_id(NAMESPACE, "account", number)


@lru_cache(maxsize=_IDS_KEPT)
def tenure_id(number: str, tenure: int) -> UUID:
    """Return the id under which the vault seals the data of a tenure.

    That of the first one is the contract's: it sealed all data before there were tenures.
    """
    if tenure == 1:
        return contract_id(number)
    return derived_id(NAMESPACE, "account", number, str(tenure))


class ContractDetails(msgspec.Struct, frozen=True, kw_only=True):
    """The data of a tenure. ``holder`` and ``address`` are sealed by the vault.

    Areas are exact decimals in square metres, as text (``"54.2"``); ``els`` is the single
    personal account of ГИС ЖКХ (единый лицевой счёт), 10 characters; ``services`` are the names
    of what is billed, ``payee`` is the id of who receives the payments. None: not known.
    """

    payer_kind: PayerKind
    holder: str
    address: str
    residents: int | None = None
    total_area: str | None = None
    living_area: str | None = None
    heated_area: str | None = None
    els: str | None = None
    services: tuple[str, ...] = ()
    payee: str | None = None


class ContractRegistered(Event, frozen=True, kw_only=True):
    """A contract entered the registry under its account number, with its first tenure.

    ``since`` is the first day of the tenure; None: it has all that was before the second one.
    """

    topic: ClassVar[str] = "accounts.contract_registered.v1"
    number: str
    details: ContractDetails
    since: date | None = None


class ContractAmended(Event, frozen=True, kw_only=True):
    """The details of the present tenure were changed; ``changed`` names the fields that differ.

    ``effective_on`` is the day from which it holds; None: recorded before there was one.
    """

    topic: ClassVar[str] = "accounts.contract_amended.v1"
    number: str
    details: ContractDetails
    changed: tuple[str, ...]
    effective_on: date | None = None
    tenure: int = 1


class TenureOpened(Event, frozen=True, kw_only=True):
    """Another holder took over a number; the details are sealed under the new tenure's id.

    The first tenure is opened by `ContractRegistered`.
    """

    topic: ClassVar[str] = "accounts.tenure_opened.v1"
    number: str
    tenure: int
    since: date
    details: ContractDetails


class TenureClosed(Event, frozen=True, kw_only=True):
    """A tenure ended; ``until`` is its last day."""

    topic: ClassVar[str] = "accounts.tenure_closed.v1"
    number: str
    tenure: int
    until: date
    reason: ClosingReason


EVENTS = EventTypes(
    ContractRegistered,
    ContractAmended,
    TenureOpened,
    TenureClosed,
    AccountLinked,
    AccountUnlinked,
    InvitationSent,
    InvitationAccepted,
    InvitationEnded,
    ProofsGuessed,
)


class Contract(Aggregate):
    """One contract of the utility: a personal account («лицевой счёт»), and its newest tenure."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.number = ""
        self.tenure = 0
        self.since: date | None = None
        self.until: date | None = None
        self.details: ContractDetails | None = None

    @property
    def is_open(self) -> bool:
        """Whether the newest tenure has not ended."""
        return self.tenure > 0 and self.until is None

    def apply(self, event: Any) -> None:
        match event:
            case ContractRegistered(number=number, details=details, since=since):
                self.number, self.tenure, self.since = number, 1, since
                self.details = details
            case ContractAmended(details=details):
                self.details = details
            case TenureOpened(tenure=tenure, since=since, details=details):
                self.tenure, self.since, self.until = tenure, since, None
                self.details = details
            case TenureClosed(until=until):
                self.until = until

    def register(self, number: str, details: ContractDetails, since: date | None = None) -> None:
        """Enter the contract. Raises Conflict when the number is in the registry already."""
        if self.details is not None:
            raise Conflict(
                "contract_exists",
                "This account number is registered already; amend the contract instead.",
                number=number,
            )
        self.trigger(ContractRegistered(number=number, details=details, since=since))

    def amend(self, details: ContractDetails, effective_on: date) -> bool:
        """Take over what differs, from a day on; return whether anything did.

        An unchanged sealed field must be passed as the same sealed text: the aggregate holds no
        keys and compares what it is given. Raises NotFound when there is no such contract.
        """
        before = self._known_details()
        changed = tuple(
            name
            for name in ContractDetails.__struct_fields__
            if getattr(details, name) != getattr(before, name)
        )
        if changed:
            self.trigger(
                ContractAmended(
                    number=self.number,
                    details=details,
                    changed=changed,
                    effective_on=effective_on,
                    tenure=self.tenure,
                )
            )
        return bool(changed)

    def open_next_tenure(self, details: ContractDetails, since: date) -> None:
        """Give the number to the next holder from a day on; the tenure before ends if it is open.

        Raises Conflict ``tenure_overlaps`` for a day of an earlier tenure, and NotFound when there
        is no such contract.
        """
        self._known_details()
        if self.until is not None and since <= self.until:
            raise Conflict(
                "tenure_overlaps",
                f"The tenure before ended on {self.until}: the next one begins later.",
            )
        if self.is_open:
            self._check_not_before_tenure(since)
            self._close(since - timedelta(days=1), "holder_changed")
        self.trigger(
            TenureOpened(number=self.number, tenure=self.tenure + 1, since=since, details=details)
        )

    def close(self, until: date) -> bool:
        """End the newest tenure with a day; return whether it was open.

        Raises Conflict ``tenure_overlaps`` for a day before the tenure, and NotFound when there is
        no such contract.
        """
        self._known_details()
        if not self.is_open:
            return False
        self._check_not_before_tenure(until)
        self._close(until, "contract_closed")
        return True

    def _close(self, until: date, reason: ClosingReason) -> None:
        self.trigger(
            TenureClosed(number=self.number, tenure=self.tenure, until=until, reason=reason)
        )

    def _known_details(self) -> ContractDetails:
        if self.details is None:
            raise NotFound("account_not_found", "There is no such contract; register it first.")
        return self.details

    def _check_not_before_tenure(self, day: date) -> None:
        if self.since is not None and day < self.since:
            raise Conflict(
                "tenure_overlaps", f"The present tenure began on {self.since}; name a later day."
            )
