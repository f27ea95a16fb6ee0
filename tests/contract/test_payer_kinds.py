"""The kinds of payer are the same wherever a service, a table or a text lists them."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import get_args

from deploy.demo.penalties import DIVISORS
from services.accounts.domain import PayerKind as PayerKindOfContract
from services.ledger.penalties.explanation import _WORDS
from services.ledger.penalties.rules import PayerKind, load_rules
from shared.contracts.accounts import PAYER_KINDS

KINDS = set(PAYER_KINDS)


def test_the_contract_names_the_kinds_of_both_services() -> None:
    assert set(get_args(PayerKindOfContract)) == KINDS
    assert {kind.value for kind in PayerKind} == KINDS


def test_the_database_of_accounts_accepts_just_these_kinds() -> None:
    migration = files("services.accounts") / "migrations" / "0001_registry.sql"
    check = re.search(r"payer_kind IN \(([^)]*)\)", migration.read_text("utf-8"))
    assert check
    assert set(re.findall(r"'(\w+)'", check[1])) == KINDS


def test_every_kind_has_a_penalty_rule_and_a_name_in_each_language() -> None:
    rules = load_rules(environ={})
    assert all(rules.rules_of(kind) for kind in PayerKind)
    for words in _WORDS.values():
        assert set(words.payers) == set(PayerKind)


def test_the_demo_has_penalties_for_every_kind() -> None:
    assert set(DIVISORS) == KINDS
