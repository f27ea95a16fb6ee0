"""Corrections by staff: one person up to a limit, two above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ledger import corrections
from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.corrections import (
    Approve,
    Correct,
    Reject,
    approve,
    correct_within,
    preview,
    proposals,
    reject,
)
from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.domain.events import ChargeLine, PaymentPosted, ServiceAmount
from services.ledger.domain.proposal import (
    AdjustCharges,
    Correction,
    Proposal,
    ReversePayment,
    WriteOffPenalty,
)
from services.ledger.publishing import publish
from shared import context
from shared.clock import FixedClock
from shared.errors import Conflict, Forbidden, NotFound, ValidationFailed
from shared.eventstore import Aggregate, MemoryStore, Recorded
from tests.ledger_commands import AccruePenalty, PostCharges, accrue_penalty, post_charges

FIRST, SECOND = "0100000001", "0100000002"
LIMIT = 5_000_00


class FakeReadModel:
    """Where payments are posted, and what is proposed."""

    def __init__(self) -> None:
        self.postings: dict[UUID, list[dict[str, Any]]] = {}
        self.proposed: dict[UUID, dict[str, Any]] = {}
        self.closed: date | None = None

    def closed_through(self) -> date | None:
        return self.closed

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        for entry in recorded:
            aggregate, event = aggregates[entry.originator_id], entry.event
            if isinstance(event, PaymentPosted):
                self.postings.setdefault(event.payment_id, []).append({"account": event.account})
            if isinstance(aggregate, Proposal):
                self.proposed[aggregate.id] = aggregate.snapshot()

    def postings_of(self, payment_id: UUID) -> list[dict[str, Any]]:
        return self.postings.get(payment_id, [])

    def proposals(self, state: str | None) -> list[dict[str, Any]]:
        return [row for row in self.proposed.values() if state in (None, row["state"])]


class Office:
    """Two accounts with a bill of October, and staff who correct them."""

    def __init__(self) -> None:
        self.store = MemoryStore(
            EVENTS, FakeReadModel(), FixedClock(datetime(2026, 11, 20, 9, tzinfo=UTC))
        )
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

    def does(self, handler: Any, command: Any, actor: str = "service:test") -> Any:
        with context.bind(actor=actor, command_id=uuid4()):
            return self.store.execute(handler, command)

    def corrects(
        self, correction: Correction, actor: str = "staff:ivanova", id_: UUID | None = None
    ) -> Any:
        command = Correct(correction_id=id_ or uuid4(), correction=correction, reason="act 7")
        return self.does(correct_within(LIMIT), command, actor)

    def balance(self, number: str = FIRST) -> tuple[int, int, int]:
        account = self.store.query(lambda session: session.load(Account, account_id(number)))
        return account.principal, account.penalty, account.advance

    def log_length(self) -> int:
        return len(self.store.log)


def adjustment(amount: int, service: str = "heating", **changes: Any) -> AdjustCharges:
    lines = (ServiceAmount(service, amount),)
    return AdjustCharges(**{"account": FIRST, "period": "2026-10", "lines": lines, **changes})


@pytest.fixture
def office() -> Office:
    return Office()


def test_one_person_moves_up_to_the_limit(office: Office) -> None:
    assert office.corrects(adjustment(-LIMIT))["state"] == "done"
    assert office.balance() == (3_000_00, 0, 2_000_00)


def test_more_than_the_limit_waits_for_a_second_person(office: Office) -> None:
    answer = office.corrects(adjustment(-LIMIT - 1))
    assert answer["state"] == "proposed"
    assert office.balance() == (6_000_00, 0, 0)
    done = office.does(
        approve, Approve(proposal_id=UUID(answer["correction_id"])), actor="staff:petrov"
    )
    assert done["state"] == "approved"
    assert office.balance() == (3_000_00, 0, 2_000_01)
    entry = office.store.log[-1]
    assert entry.actor == "staff:petrov"
    assert entry.event.reason == "act 7"  # type: ignore[attr-defined]


def test_nobody_approves_his_own_proposal(office: Office) -> None:
    proposal_id = UUID(office.corrects(adjustment(LIMIT + 1))["correction_id"])
    length = office.log_length()
    with pytest.raises(Forbidden, match="Somebody else"):
        office.does(approve, Approve(proposal_id=proposal_id), actor="staff:ivanova")
    assert office.log_length() == length


def test_a_proposal_is_decided_once(office: Office) -> None:
    proposal_id = UUID(office.corrects(adjustment(LIMIT + 1))["correction_id"])
    office.does(approve, Approve(proposal_id=proposal_id), actor="staff:petrov")
    after = office.balance()
    for decide, command in (
        (approve, Approve(proposal_id=proposal_id)),
        (reject, Reject(proposal_id=proposal_id, reason="no")),
    ):
        with pytest.raises(Conflict, match="approved already"):
            office.does(decide, command, actor="staff:sidorov")
    assert office.balance() == after


def test_who_proposed_may_withdraw(office: Office) -> None:
    proposal_id = UUID(office.corrects(adjustment(LIMIT + 1))["correction_id"])
    office.does(reject, Reject(proposal_id=proposal_id, reason="typo"), actor="staff:ivanova")
    assert office.balance() == (6_000_00, 0, 0)
    with pytest.raises(Conflict, match="rejected already"):
        office.does(approve, Approve(proposal_id=proposal_id), actor="staff:petrov")


@pytest.mark.parametrize("id_", [uuid4(), account_id(FIRST)])
def test_what_was_never_proposed_cannot_be_decided(office: Office, id_: UUID) -> None:
    with pytest.raises(NotFound, match="no such proposal"):
        office.does(approve, Approve(proposal_id=id_), actor="staff:petrov")


def test_what_cannot_be_done_is_not_proposed_either(office: Office) -> None:
    length = office.log_length()
    with pytest.raises(NotFound, match="no bill of 2026-09"):
        office.corrects(adjustment(LIMIT + 1, period="2026-09"))
    with pytest.raises(ValidationFailed, match="has no heatng; it has heating, water"):
        office.corrects(adjustment(-LIMIT - 1, service="heatng"))
    with pytest.raises(ValidationFailed, match="today or earlier"):
        office.corrects(adjustment(1, effective_on=date(2026, 11, 21)))
    with pytest.raises(NotFound, match="no such account"):
        office.corrects(adjustment(1, account="777"))
    assert office.log_length() == length


def test_an_approval_that_cannot_be_carried_out_leaves_the_proposal_open(office: Office) -> None:
    penalty = AccruePenalty(
        number=FIRST, amount=9_000_00, effective_on=date(2026, 11, 16), rule="test"
    )
    office.does(accrue_penalty, penalty)
    proposal_id = UUID(
        office.corrects(WriteOffPenalty(account=FIRST, amount=9_000_00))["correction_id"]
    )
    line = PaidLine(account=FIRST, amount=0, penalty=1_00)
    office.does(
        post_payment, PostPayment(payment_id=uuid4(), paid_on=date(2026, 11, 17), lines=(line,))
    )
    with pytest.raises(Conflict, match="Only a penalty that is owed"):
        office.does(approve, Approve(proposal_id=proposal_id), actor="staff:petrov")
    [row] = office.store.query(proposals)
    assert row["state"] == "open"


def test_a_payment_is_reversed_in_all_its_accounts(office: Office) -> None:
    payment_id = uuid4()
    lines = tuple(PaidLine(account=n, amount=1_000_00, penalty=0) for n in (FIRST, SECOND))
    office.does(
        post_payment, PostPayment(payment_id=payment_id, paid_on=date(2026, 11, 17), lines=lines)
    )
    answer = office.corrects(ReversePayment(payment_id=payment_id))
    assert (answer["state"], answer["amount"]) == ("done", 2_000_00)
    assert office.balance(FIRST) == office.balance(SECOND) == (6_000_00, 0, 0)
    again = office.corrects(ReversePayment(payment_id=payment_id))
    assert (again["state"], again["amount"]) == ("unchanged", 0)


def test_what_somebody_else_did_since_the_trial_is_not_called_done(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment_id = uuid4()
    line = PaidLine(account=FIRST, amount=1_000_00, penalty=0)
    paid_on = date(2026, 11, 17)
    office.does(post_payment, PostPayment(payment_id=payment_id, paid_on=paid_on, lines=(line,)))
    tried = corrections._try

    def then_another_is_quicker(session: Any, command: Correct) -> Any:
        answer = tried(session, command)
        monkeypatch.setattr(corrections, "_try", tried)
        assert office.corrects(ReversePayment(payment_id=payment_id))["state"] == "done"
        return answer

    monkeypatch.setattr(corrections, "_try", then_another_is_quicker)
    answer = office.corrects(ReversePayment(payment_id=payment_id))
    assert (answer["state"], answer["amount"], answer["accounts"]) == ("unchanged", 0, [])
    assert office.balance() == (6_000_00, 0, 0)


def test_a_payment_is_reversed_in_one_account_alone(office: Office) -> None:
    payment_id = uuid4()
    lines = tuple(PaidLine(account=n, amount=1_000_00, penalty=0) for n in (FIRST, SECOND))
    office.does(
        post_payment, PostPayment(payment_id=payment_id, paid_on=date(2026, 11, 17), lines=lines)
    )
    office.corrects(ReversePayment(payment_id=payment_id, accounts=(SECOND,)))
    assert office.balance(FIRST) == (5_000_00, 0, 0)
    assert office.balance(SECOND) == (6_000_00, 0, 0)


def test_an_unknown_payment_cannot_be_reversed(office: Office) -> None:
    with pytest.raises(NotFound, match="not in the ledger"):
        office.corrects(ReversePayment(payment_id=uuid4()))


@pytest.mark.parametrize(("amount", "would_be"), [(-1_00, "done"), (LIMIT + 1, "proposed")])
def test_a_preview_changes_nothing(office: Office, amount: int, would_be: str) -> None:
    length = office.log_length()
    command = Correct(correction_id=uuid4(), correction=adjustment(amount), reason="a look")
    answer = office.store.query(lambda session: preview(session, command, LIMIT))
    assert (answer["state"], answer["would_be"]) == ("dry_run", would_be)
    assert answer["before"][0]["principal"] == 6_000_00
    assert answer["accounts"][0]["principal"] == 6_000_00 + amount
    assert office.log_length() == length


def test_proposals_are_not_published(office: Office) -> None:
    length = office.log_length()
    proposal_id = UUID(office.corrects(adjustment(LIMIT + 1))["correction_id"])
    assert publish(office.store.log[length]) is None
    office.does(approve, Approve(proposal_id=proposal_id), actor="staff:petrov")
    names = [p and p.type for p in map(publish, office.store.log[length:])]
    assert [name for name in names if name] == ["charges_adjusted"]
