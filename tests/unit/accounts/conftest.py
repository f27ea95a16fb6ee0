"""An accounts service in memory, with two registered contracts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from accounts_doubles import FakeReadModel

from services.accounts.application import linked_accounts, resolve
from services.accounts.contract_loading import (
    ContractLoading,
    ContractRow,
    LoadContracts,
    Loaded,
)
from services.accounts.domain import EVENTS
from services.accounts.limiting import Trier
from services.accounts.linking import Linking, ProveAccount
from services.accounts.policy import Policy, load_policy
from services.accounts.proof import ProofSeal
from services.accounts.sharing import Sharing
from shared.eventstore import MemoryStore
from tests.fixed_clock import FixedClock

FIRST, SECOND = "0100000001", "0100000002"
HOME = UUID(int=1)
"""The network of whoever links, unless a test says another one."""


def code_of(number: str) -> str:
    """Return the control code of a number's bill."""
    return f"CODE-{number[-4:]:0>4}"


class AccountsHarness:
    """A memory store with accounts, and the use cases as the service calls them."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.clock = FixedClock(datetime(2026, 11, 10, 9, tzinfo=UTC))
        self.store = MemoryStore(EVENTS, FakeReadModel(), self.clock)
        self.seal = ProofSeal(b"k" * 32)
        self.policy = policy or load_policy({})
        self.linking = Linking(self.policy)
        self.sharing = Sharing(self.policy.limits.invitations_per_person)

    def row(self, number: str, **changes: object) -> ContractRow:
        fields: dict[str, object] = {
            "number": number,
            "holder": "Примерова Полина Образцовна",
            "address": "г. Примерск, ул. Образцовая, д. 4, кв. 1",
            "payer_kind": "household",
            "residents": 3,
            "total_area": "54.2",
            "bill_total": 450000,
            "period": "2026-10",
            "control_code": code_of(number),
        }
        return ContractRow(**(fields | changes))

    def load(self, *rows: ContractRow) -> Loaded:
        return self.store.transact(ContractLoading(self.seal).load_rows, LoadContracts(rows=rows))

    def register(self, *rows: ContractRow) -> dict[str, int]:
        """Load rows, none of which is refused; return the outcomes that there were."""
        loaded = self.load(*rows)
        assert loaded.refused == {}
        return {name: count for name, count in loaded.counts.items() if count}

    def plan(self, *rows: ContractRow) -> Loaded:
        command = LoadContracts(rows=rows)
        return self.store.query(lambda session: ContractLoading(self.seal).plan(session, command))

    def link(
        self, person_id: UUID, number: str, proof: str | None = None, network: UUID = HOME
    ) -> bool:
        """Link an account by a proof, by default the right code of the row."""
        command = self.proving(person_id, number, proof, network)
        return bool(self.store.execute(self.linking.link, command)["linked"])

    def prove(
        self, person_id: UUID, number: str, proof: str | None = None, network: UUID = HOME
    ) -> bool:
        command = self.proving(person_id, number, proof, network)
        return bool(self.store.transact(self.linking.prove, command)["proven"])

    def proving(
        self, person_id: UUID, typed: str, proof: str | None, network: UUID
    ) -> ProveAccount:
        number = self.store.query(lambda session: resolve(session, typed))
        answer = code_of(number or "") if proof is None else proof
        return ProveAccount(
            trier=Trier(person_id=person_id, network=network),
            number=number,
            fact=self.seal.of_answer(number or "", answer),
        )

    def linked(self, person_id: UUID) -> list[dict[str, object]]:
        return self.store.query(lambda session: linked_accounts(session, person_id))


@pytest.fixture
def new_harness() -> Callable[[Policy | None], AccountsHarness]:
    return AccountsHarness


@pytest.fixture
def harness() -> AccountsHarness:
    harness = AccountsHarness()
    harness.register(harness.row(FIRST), harness.row(SECOND, bill_total=-12000))
    return harness
