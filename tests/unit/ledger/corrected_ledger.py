"""A ledger in memory whose accounts staff correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

from known_tenures import KnownTenures

from services.ledger.application import OpenAccount, open_account
from services.ledger.corrections import Approve, Correct, approve, correct
from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.domain.events import ChargeLine, PaymentPosted, ServiceAmount
from services.ledger.domain.proposal import AdjustCharges, Correction, Proposal
from services.ledger.limits import CORRECTING
from shared import context
from shared.errors import ServiceError
from shared.eventstore import Aggregate, MemoryStore, Recorded
from shared.staff import Grant
from tests.fixed_clock import FixedClock
from tests.ledger_commands import PostCharges, post_charges

FIRST, SECOND = "0100000001", "0100000002"
LIMIT = 5_000_00


class FakeReadModel(KnownTenures):
    """Where payments are posted, what is proposed, what staff may do and have moved."""

    def __init__(self) -> None:
        super().__init__()
        self.grants: dict[tuple[str, str], Grant] = {}
        self.movements: list[tuple[str, date, bool, int]] = []
        self.postings: dict[UUID, list[dict[str, Any]]] = {}
        self.proposed: dict[UUID, dict[str, Any]] = {}
        self.closed: date | None = None

    def closed_through(self) -> date | None:
        return self.closed

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        super().project(recorded, aggregates)
        for entry in recorded:
            aggregate, event = aggregates[entry.originator_id], entry.event
            if isinstance(event, PaymentPosted):
                self.postings.setdefault(event.payment_id, []).append({"account": event.account})
            if isinstance(aggregate, Proposal):
                self.proposed[aggregate.id] = aggregate.snapshot()

    def postings_of(self, payment_id: UUID) -> list[dict[str, Any]]:
        return self.postings.get(payment_id, [])

    def proposals(self, state: str | None, after: int, limit: int | None) -> list[dict[str, Any]]:
        return [row for row in self.proposed.values() if state in (None, row["state"])]

    def granted(self, name: str, permission: str) -> Grant | None:
        return self.grants.get((name, permission))

    def hold_movements(self) -> None:
        """Nobody else writes."""

    def moved(self, name: str, day: date, *, by_approval: bool) -> int:
        return sum(amount for *key, amount in self.movements if key == [name, day, by_approval])

    def add_movement(self, _: UUID, name: str, permission: str, day: date, amount: int) -> None:
        self.movements.append((name, day, permission == "approve", amount))


class Ledger:
    """Two accounts with a bill of October, and staff who correct them."""

    def __init__(self) -> None:
        self.clock = FixedClock(datetime(2026, 11, 20, 9, tzinfo=UTC))
        self.read_model = FakeReadModel()
        self.store = MemoryStore(EVENTS, self.read_model, self.clock)
        for name in ("ivanova", "orlova"):
            for permission in CORRECTING:
                self.may(name, permission, LIMIT)
        for name in ("petrov", "sidorov"):
            self.may(name, "approve")
        for number in (FIRST, SECOND):
            self.does(open_account, OpenAccount(number=number, payer_kind="household"))
            self.does(
                post_charges,
                PostCharges(
                    number=number,
                    period="2026-10",
                    due_on=date(2026, 11, 15),
                    effective_on=date(2026, 10, 31),
                    lines=tuple(
                        ChargeLine(service, service, payable=3_000_00, charged=3_000_00)
                        for service in ("heating", "water")
                    ),
                ),
            )

    def may(self, name: str, permission: str, up_to: int | None = None) -> None:
        self.read_model.grants[name, permission] = Grant(up_to)

    def may_not(self, name: str, permission: str) -> None:
        del self.read_model.grants[name, permission]

    def does(
        self,
        handler: Any,
        command: Any,
        actor: str = "service:test",
        command_id: UUID | None = None,
    ) -> Any:
        with context.bind(actor=actor, command_id=command_id or uuid4()):
            return self.store.execute(handler, command)

    def corrects(
        self, correction: Correction, actor: str = "staff:ivanova", id_: UUID | None = None
    ) -> Any:
        command = Correct(correction_id=id_ or uuid4(), correction=correction, reason="act 7")
        return self.does(correct, command, actor)

    def proposes(self, amount: int = LIMIT + 1, actor: str = "staff:ivanova") -> UUID:
        made = self.corrects(adjustment(amount), actor)
        assert made["state"] == "proposed"
        return UUID(made["correction_id"])

    def approves(self, proposal_id: UUID, actor: str) -> str:
        """Return the state, or the code of the refusal; that must have recorded nothing."""
        length = self.log_length()
        try:
            return str(self.does(approve, Approve(proposal_id=proposal_id), actor)["state"])
        except ServiceError as refused:
            assert self.log_length() == length
            return refused.code

    def owes_a_penalty(self) -> None:
        """Bill 90 000.00 for March: 60 days at 1/300 and 129 at 1/130 of 9.5 % are 10 194.23."""
        line = ChargeLine("heating", "heating", payable=90_000_00, charged=90_000_00)
        command = PostCharges(
            number=FIRST,
            period="2026-03",
            due_on=date(2026, 4, 15),
            effective_on=date(2026, 3, 31),
            lines=(line,),
        )
        self.does(post_charges, command)

    def previews(self, handler: Any, command: Any, actor: str) -> Any:
        with context.bind(actor=actor):
            return self.store.query(lambda session: handler(session, command))

    def balance(self, number: str = FIRST) -> tuple[int, int, int]:
        account = self.store.query(lambda session: session.load(Account, account_id(number)))
        return account.principal, account.penalty, account.advance

    def log_length(self) -> int:
        return len(self.store.log)


def adjustment(amount: int, service: str = "heating", **changes: Any) -> AdjustCharges:
    lines = (ServiceAmount(service, amount),)
    return AdjustCharges(**{"account": FIRST, "period": "2026-10", "lines": lines, **changes})
