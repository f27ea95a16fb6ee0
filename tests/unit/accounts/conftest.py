"""An accounts service in memory, with two registered contracts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from accounts_doubles import FakeReadModel

from services.accounts.application import LinkAccount, Linking, linked_accounts
from services.accounts.contract_loading import ContractRow, RegisterContracts, register_contracts
from services.accounts.domain import EVENTS
from services.accounts.policy import Policy, load_policy
from services.accounts.proof import BillSeal
from shared.clock import FixedClock
from shared.eventstore import MemoryStore

FIRST, SECOND = "0100000001", "0100000002"


class AccountsHarness:
    """A memory store with accounts, and the use cases as the service calls them."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.clock = FixedClock(datetime(2026, 11, 10, 9, tzinfo=UTC))
        self.store = MemoryStore(EVENTS, FakeReadModel(), self.clock)
        self.seal = BillSeal(b"k" * 32)
        self.linking = Linking(policy or load_policy({}))

    def row(self, number: str, **changes: object) -> ContractRow:
        total = changes.pop("total", 450000)
        fields: dict[str, object] = {
            "number": number,
            "holder": "Примерова Полина Образцовна",
            "address": "г. Примерск, ул. Образцовая, д. 4, кв. 1",
            "payer_kind": "household",
            "residents": 3,
            "total_area": "54.2",
            "bill": self.seal.of_bill(number, f"2026-10/{number[-2:]}", total),
        }
        return ContractRow(**(fields | changes))

    def register(self, *rows: ContractRow) -> dict[str, int]:
        return self.store.transact(register_contracts, RegisterContracts(rows=rows))

    def link(self, person_id: UUID, number: str, proof: str = "4500,00") -> bool:
        fact = self.seal.of_answer(number.strip(), proof)
        command = LinkAccount(person_id=person_id, number=number, fact=fact)
        return bool(self.store.execute(self.linking.link, command)["linked"])

    def linked(self, person_id: UUID) -> list[dict[str, object]]:
        return self.store.query(lambda session: linked_accounts(session, person_id))


@pytest.fixture
def new_harness() -> Callable[[Policy | None], AccountsHarness]:
    return AccountsHarness


@pytest.fixture
def harness() -> AccountsHarness:
    harness = AccountsHarness()
    harness.register(harness.row(FIRST), harness.row(SECOND, total=-12000))
    return harness
