"""The catalogue of texts: a code has words if and only if an HTTP route can meet it."""

from __future__ import annotations

import ast
import re
from functools import cache
from string import Formatter

import pytest
from reachable_codes import (
    ERRORS,
    REPLAYED,
    ROOT,
    name_of,
    passed_codes,
    raised_codes,
    reachable_codes,
    sources,
)

from gateway.messages import CATALOGUE, LANGUAGES
from gateway.messages.accounts import ACCOUNTS
from gateway.messages.fields import FIELDS
from gateway.messages.gateway import GATEWAY
from gateway.messages.helpdesk import HELPDESK
from gateway.messages.identity import IDENTITY
from gateway.messages.ledger import LEDGER
from gateway.messages.letters import NOTIFICATIONS
from gateway.messages.payments import PAYMENTS
from gateway.messages.second_factor import SECOND_FACTOR


def _gateway_codes() -> set[str]:
    """Return the codes with which the gateway itself refuses."""
    found = raised_codes(*(tree for _, tree in sources("gateway")))
    for _, tree in sources("gateway"):
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and name_of(call.func) in {"Refusal", "_refused"}:
                code = call.args[0 if name_of(call.func) == "_refused" else 1]
                if isinstance(code, ast.Constant):
                    found.add(str(code.value))
    return found


@cache
def _codes_a_route_can_meet() -> frozenset[str]:
    # Under every RPC; the other packages of shared, such as tablefiles, serve staff commands.
    under_rpcs = "shared/rpc", "shared/eventstore", "shared/database_errors.py"
    in_shared = raised_codes(*(tree for _, tree in sources(*under_rpcs, "shared/bus/epochs.py")))
    # The gateway calls only what serves it (tests/contract/test_rpc_callers.py).
    in_shared -= {"caller_not_served", "method_unknown", "staff_may_not"}
    in_shared.remove("several_books")  # raised before a command of staff is sent
    return frozenset({*reachable_codes(), *in_shared, *_gateway_codes()})


def test_every_code_that_a_route_can_meet_has_words() -> None:
    codes = _codes_a_route_can_meet()
    assert len(codes) > 80, "the scan finds nothing any more: look at how errors are raised"
    assert sorted(codes - set(CATALOGUE)) == []


def test_no_code_has_words_that_no_route_can_meet() -> None:
    assert sorted(set(CATALOGUE) - _codes_a_route_can_meet()) == []


@pytest.mark.parametrize(
    "code",
    ["contract_exists", "period_closed", "second_person_needed", "already_routed", "invalid_file"],
)
def test_a_code_of_staff_needs_no_words(code: str) -> None:
    everywhere = [tree for _, tree in sources("services", "shared")]
    assert code in raised_codes(*everywhere) | passed_codes(*everywhere)
    assert code not in _codes_a_route_can_meet()


def test_decisions_that_are_only_replayed_are_modules_of_the_ledger() -> None:
    known = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path, _ in sources("services")
    }
    assert known >= REPLAYED


def test_every_place_that_raises_a_code_gives_the_parameters_of_its_words() -> None:
    for _, tree in sources("services", "shared"):
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and name_of(call.func) in ERRORS and call.args):
                continue
            code = getattr(call.args[0], "value", None)
            given = {keyword.arg for keyword in call.keywords}
            if None in given:  # **limit.exceeded(...), as in the tests of the services
                given |= {"policy", "limit", "window_seconds", "retry_after_seconds"}
            for text in CATALOGUE.get(code, {}).values():
                needed = {name for _, name, _, _ in Formatter().parse(text) if name}
                assert needed <= given, f"{code} needs {needed}"


def test_every_field_code_has_words() -> None:
    used: set[str] = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        used |= set(re.findall(r"[\"'](field_[a-z]+)", path.read_text(encoding="utf-8")))
    used.discard("field_name")
    assert sorted(used - set(FIELDS)) == []


def test_a_code_has_its_words_once() -> None:
    parts = (
        GATEWAY,
        IDENTITY,
        ACCOUNTS,
        LEDGER,
        PAYMENTS,
        SECOND_FACTOR,
        HELPDESK,
        NOTIFICATIONS,
    )
    assert sum(len(part) for part in parts) == len(CATALOGUE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_catalogue_has_a_next_step(language: str) -> None:
    without = [code for code, text in CATALOGUE.items() if ". " not in text[language]]
    assert without == []
