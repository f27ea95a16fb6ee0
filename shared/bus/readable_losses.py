"""Lost events as a service may judge them: those alone that match their contract.

What stands in a stream need not have been sent by a relay of this program: one message that cannot
be read must not keep the others from being brought back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import marshmallow

from shared.bus.messages import Services
from shared.contracts import contracts_of
from shared.contracts.base import Contract
from shared.eventstore import Session
from shared.eventstore.lost_events import Advice, Fate, Judged, LostEvent
from shared.logs import get_logger

log = get_logger(__name__)

UNKNOWN = Advice("This program does not know events of this type.")
UNREADABLE = Advice(
    "The event does not match its contract, so nothing is done about it: look at the message in "
    "the stream, and at who may publish as this service."
)


class Handler(Protocol):
    """What a service knows of its lost events: its module ``lost_events``."""

    def judge(self, session: Session, lost: Sequence[LostEvent]) -> list[Judged]:
        """Return what is to become of lost events; records nothing."""
        ...

    def bring_back(self, services: Services, lost: Sequence[LostEvent]) -> Iterator[Judged]:
        """Record again what must be; yield what has become of each event. May be repeated."""
        ...

    def protect(self, services: Services, lost: Sequence[LostEvent], *, whole: bool) -> None:
        """Do at once what must not wait for an operator; may be repeated.

        Not ``whole``: more may be lost than is known.
        """
        ...

    def unpublished(self) -> Sequence[Advice]:
        """Return what staff do about lost events that were never published: nobody has a copy."""
        ...


class ReadableLosses:
    """The handler of a service, which gets only what it can read; the rest is for staff."""

    def __init__(self, service: str, handler: Handler) -> None:
        self._service = service
        self._handler = handler
        self._contracts: dict[tuple[str, int], Contract] = {}

    def judge(self, session: Session, lost: Sequence[LostEvent]) -> list[Judged]:
        """Return what is to become of lost events, those that cannot be read last."""
        readable, others = self._parted(lost)
        return [*self._handler.judge(session, readable), *others]

    def bring_back(self, services: Services, lost: Sequence[LostEvent]) -> Iterator[Judged]:
        """Bring back what can be read; yield what has become of each event."""
        readable, others = self._parted(lost)
        yield from self._handler.bring_back(services, readable)
        yield from others

    def protect(self, services: Services, lost: Sequence[LostEvent], *, whole: bool) -> None:
        """Do at once what must not wait, as far as it can be read.

        Who knows what the others were: more may be lost than is known.
        """
        readable, others = self._parted(lost)
        for one in others:
            log.error(
                "lost_event_unreadable",
                service=self._service,
                epoch=one.event.epoch,
                position=one.event.position,
            )
        self._handler.protect(services, readable, whole=whole and not others)

    def unpublished(self) -> Sequence[Advice]:
        """Return what staff do about lost events that were never published."""
        return self._handler.unpublished()

    def _parted(self, lost: Sequence[LostEvent]) -> tuple[list[LostEvent], list[Judged]]:
        readable, others = list[LostEvent](), list[Judged]()
        for event in lost:
            advice = self._fault_of(event)
            if advice:
                others.append(Judged(event=event, fate=Fate.STAFF, advice=advice))
            else:
                readable.append(event)
        return readable, others

    def _fault_of(self, event: LostEvent) -> Advice | None:
        """Return why an event cannot be read; None for one that can."""
        if not self._contracts:
            contracts = contracts_of(self._service)
            self._contracts = {(one.type, one.version): one for one in contracts}
        contract = self._contracts.get((event.type, event.version))
        if contract is None:
            return UNKNOWN
        # A newer program may have added fields.
        faults = contract.schema(unknown=marshmallow.EXCLUDE).validate(event.data)
        return UNREADABLE if faults else None


class NoHandler:
    """A service that brings nothing back: staff repeat what was lost."""

    def judge(self, session: Session, lost: Sequence[LostEvent]) -> list[Judged]:
        """Leave everything to staff."""
        return [Judged(event=event, fate=Fate.STAFF) for event in lost]

    def bring_back(self, services: Services, lost: Sequence[LostEvent]) -> Iterator[Judged]:
        """Bring nothing back."""
        yield from services.store.query(lambda session: self.judge(session, lost))

    def protect(self, services: Services, lost: Sequence[LostEvent], *, whole: bool) -> None:
        """Nothing is dangerous."""

    def unpublished(self) -> Sequence[Advice]:
        """Return nothing: staff know best what they have done."""
        return ()
