"""The registry of the demo company, and which of its accounts a journey pays."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from deploy.demo import __main__ as commands
from deploy.demo.company import DEMO_PERSON_ACCOUNTS, demo_accounts, households
from services.accounts.proof import significant_code


def test_proof_of_each_account_is_a_control_code_of_its_own() -> None:
    codes = [significant_code(account.proof) for account in demo_accounts()]
    assert len(set(codes)) == len(codes) == 40


def test_demo_person_has_the_accounts_of_a_household() -> None:
    own = [one for one in households(demo_accounts()) if one.number in DEMO_PERSON_ACCOUNTS]
    assert [one.number for one in own] == list(DEMO_PERSON_ACCOUNTS)
    assert [one.payer_kind for one in own] == ["household", "household", "capital_repair"]
    assert own[2].address == own[0].address
    assert own[2].holder == own[0].holder


@pytest.mark.parametrize("owing", [True, False])
def test_journey_leaves_the_accounts_of_the_demo_person_alone(
    monkeypatch: pytest.MonkeyPatch, owing: bool
) -> None:
    def in_debt(_url: str, numbers: Sequence[str]) -> list[str]:
        return list(numbers) if owing else []

    monkeypatch.setattr(commands.database, "in_debt", in_debt)
    numbers = {account.number for account in commands.accounts_to_pay("")}
    others = {account.number for account in demo_accounts()} - set(DEMO_PERSON_ACCOUNTS)
    assert numbers == others
