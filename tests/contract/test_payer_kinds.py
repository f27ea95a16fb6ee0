"""The kinds of payer are the same wherever a service, a table or a text lists them."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import get_type_hints

from marshmallow.validate import OneOf

from deploy.demo import penalties
from deploy.demo.charges import BILLING
from deploy.demo.company import HELD_BY_PEOPLE, demo_accounts
from services.accounts.domain import ContractDetails
from services.accounts.preview import MASKS
from services.ledger.penalties.explanation import _WORDS
from services.ledger.penalties.rules import RuleFile, load_rules
from shared.contracts.accounts import ContractAmended, ContractRegistered, PayerKind
from tests.simulation import scenario
from tests.unit.ledger.penalties import penalty_oracle

KINDS = set(PayerKind)


def test_contract_accounts_and_ledger_share_one_list() -> None:
    assert get_type_hints(ContractDetails)["payer_kind"] is PayerKind
    assert get_type_hints(RuleFile)["payers"].__args__[0] is PayerKind
    for schema in (ContractRegistered, ContractAmended):
        [choice] = schema().fields["payer_kind"].validators
        assert isinstance(choice, OneOf)
        assert set(choice.choices) == KINDS


def test_the_database_of_accounts_accepts_just_these_kinds() -> None:
    migrations = sorted(files("services.accounts").joinpath("migrations").iterdir(), key=str)
    sql = "\n".join(path.read_text("utf-8") for path in migrations)
    checks = re.findall(r"payer_kind IN \(([^)]*)\)", sql)
    assert set(re.findall(r"'(\w+)'", checks[-1])) == KINDS


def test_every_kind_has_a_penalty_rule_and_a_name_in_each_language() -> None:
    rules = load_rules(environ={})
    assert all(rules.rules_of(kind) for kind in PayerKind)
    for words in _WORDS.values():
        assert set(words.payers) == set(PayerKind)


def test_the_preview_masks_the_holder_of_every_kind() -> None:
    assert set(MASKS) == KINDS


def test_the_demo_has_penalties_for_every_kind() -> None:
    assert set(penalties.DIVISORS) == KINDS


def test_the_demo_bills_every_kind() -> None:
    assert set(BILLING) == KINDS
    assert set(HELD_BY_PEOPLE) == KINDS
    assert {account.payer_kind for account in demo_accounts()} == KINDS


def test_the_simulation_and_the_oracle_know_every_kind() -> None:
    assert set(scenario.KINDS) == KINDS
    assert set(penalty_oracle.DIVISORS) == KINDS
