"""The gateway calls RPCs that exist, with their arguments, and returns the ledger's answers whole.

A member that no shape of the gateway names would be dropped without an error.
"""

from __future__ import annotations

import ast
import base64
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from marshmallow import Schema

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
    from shared.rpc.every_service import ServiceBase

from gateway.documents.bill import with_payees
from gateway.documents.payees import load_payees
from gateway.messages.notices import NOTICES
from gateway.schemas import accounts as shapes
from gateway.schemas.bills import Bill
from gateway.schemas.payments import InclusionProof, Posting
from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.domain.events import ChargeLine, PaymentPosted, ServiceAmount
from services.ledger.penalties.account_penalty import penalty
from services.ledger.penalties.accrual import accrue
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules
from services.ledger.reports import balances, bills, history, statements
from services.ledger.seal import leaf, merkle
from services.ledger.seal.checkpoint import Checkpoint, Signer
from services.ledger.seal.proofs import INCLUSION
from services.ledger.seal.verifier import verify_inclusion
from services.ledger.tables.columns import posting_row
from services.payments.domain import State
from shared.eventstore import Aggregate, MemoryStore, Recorded, Session
from tests.fixed_clock import FixedClock
from tests.leaf_hashes import LeafHashes

GATEWAY = Path(__file__).parents[2] / "gateway"
OF_THE_CALLER = {"deadline"}


def _calls() -> Iterator[tuple[str, str, frozenset[str]]]:
    for path in sorted(GATEWAY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr not in {"ask", "command", "call"} or len(node.args) < 2:
                continue
            service, method = node.args[:2]
            if isinstance(service, ast.Constant) and isinstance(method, ast.Constant):
                given = frozenset(keyword.arg for keyword in node.keywords if keyword.arg)
                yield str(service.value), str(method.value), given - OF_THE_CALLER


CALLS = sorted(set(_calls()))


def _request(service: str, method: str) -> Schema:
    module = import_module(f"services.{service}.service")
    found: Any = next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and getattr(value, "name", None) == service
    )
    (entrypoint,) = getattr(found, method).nameko_entrypoints
    schema: Schema = entrypoint._schema
    return schema


@pytest.mark.parametrize(("service", "method", "given"), CALLS)
def test_every_call_of_the_gateway_fits_an_rpc(
    service: str, method: str, given: frozenset[str]
) -> None:
    fields = _request(service, method).fields
    assert given <= set(fields)
    assert {name for name, field in fields.items() if field.required} <= given


def test_the_scan_finds_the_calls() -> None:
    assert len(CALLS) > 25
    assert {service for service, _, _ in CALLS} >= {"identity", "accounts", "ledger", "payments"}
    assert hasattr(ServiceBase, "health")


def test_every_state_of_a_payment_has_a_notice() -> None:
    shown = {f"payment_{state.value}" for state in State if state is not State.NONE}
    assert shown == {code for code in NOTICES if code.startswith("payment_")}


NUMBER = "0100000001"
BILL = ChargeLine("heating", "Отопление", 450_000, 450_000, unit="Гкал", tariff="2.5", volume="1")
RULES = load_rules(environ={})
FIRST_PAID, REVERSED, MOVED = UUID(int=1), UUID(int=2), UUID(int=7)
ANOTHER = "0100000009"
FOR_STAFF = frozenset({"reason", "other_account"})


class Rows:
    """The rows of the ledger's read model that a balance needs."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        for account in aggregates.values():
            assert isinstance(account, Account)
            self.rows[account.number] = account.snapshot()

    def balance(self, number: str) -> dict[str, Any] | None:
        return self.rows.get(number)

    def service_names(self, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
        return {number: {BILL.service: BILL.name} for number in numbers}


def _make_history(session: Session, _command: None) -> None:
    """Record an event of every kind on an account."""
    account = session.load(Account, account_id(NUMBER))
    opening = [ServiceAmount("heating", 10_000)]
    account.open(NUMBER, "household", date(2026, 1, 1), opening)
    account.post_charges("2026-03", date(2026, 3, 31), date(2026, 4, 15), [BILL])
    off = [ServiceAmount("heating", -5_000)]
    account.adjust_charges(UUID(int=3), "2026-03", date(2026, 5, 2), off, "недопоставка")
    accrue(account, date(2026, 7, 1), PenaltyLaw(RULES))
    account.post_payment(FIRST_PAID, date(2026, 6, 20), 200_000, 0)
    account.post_payment(REVERSED, date(2026, 7, 2), 10_000, 0)
    account.reverse_payment(REVERSED, date(2026, 7, 3), "ошибка")
    account.post_payment(MOVED, date(2026, 7, 4), 5_000, 0, moved_from=ANOTHER)
    account.refund_payment(MOVED, UUID(int=4), 1_000, date(2026, 7, 5))
    account.reverse_payment(MOVED, date(2026, 7, 6), "не тот счёт", moved_to=ANOTHER)
    accrue(account, date(2026, 8, 10), PenaltyLaw(RULES))
    account.write_off_penalty(100, date(2026, 8, 10), "по решению")
    account.change_payer_kind("organisation", date(2026, 8, 10))


def _events(session: Session) -> list[Any]:
    return [recorded.event for recorded in session.history(account_id(NUMBER))]


@pytest.fixture
def ledger() -> MemoryStore:
    store = MemoryStore(EVENTS, Rows(), FixedClock(datetime(2026, 8, 10, 9, tzinfo=UTC)))
    store.transact(_make_history, None)
    return store


def test_gateway_shapes_keep_every_member_of_an_account(ledger: MemoryStore) -> None:
    def answers(session: Session) -> list[tuple[type[Schema], dict[str, Any]]]:
        return [
            (shapes.Months, statements.charges(session, NUMBER, None, 12)),
            (shapes.Statement, statements.statement(session, NUMBER, None, 50)),
            (
                shapes.PenaltyExplained,
                penalty(session, NUMBER, date(2026, 12, 31), PenaltyLaw(RULES)),
            ),
        ]

    for shape, answer in ledger.query(answers):
        assert shape().dump(answer) == for_the_payer(answer)


def for_the_payer(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer of the ledger without what stays with staff.

    That is why they did something, and the account that a payment was moved to or from.
    """
    if "movements" not in answer:
        return answer
    movements = [
        {name: value for name, value in movement.items() if name not in FOR_STAFF}
        for movement in answer["movements"]
    ]
    return {**answer, "movements": movements}


@pytest.mark.parametrize("as_of", [None, "2026-08-01"])
def test_balance_goes_out_whole_with_the_penalty_due_as_the_penalty(
    ledger: MemoryStore, as_of: str | None
) -> None:
    found = ledger.query(lambda session: balances.balance(session, NUMBER, as_of))
    assert shapes.Balance().dump(found) == {
        **{name: value for name, value in found.items() if name != "penalty_due"},
        "penalty": found["penalty_due"],
        "penalty_accrued": found["penalty"],
    }


def test_bill_of_the_ledger_goes_out_whole(ledger: MemoryStore) -> None:
    found = ledger.query(lambda session: bills.bill(session, NUMBER, "2026-03"))
    known = dict.fromkeys(("holder", "address", "residents", "els"), None)
    areas = dict.fromkeys(("total_area", "living_area", "heated_area"), None)
    gone_out = Bill().dump(with_payees({**known, **areas, **found}, load_payees()))
    assert {name: gone_out[name] for name in found} == found


def test_statement_of_days_goes_out_whole(ledger: MemoryStore) -> None:
    first_day, last_day = date(2026, 1, 1), date(2026, 8, 10)
    found = ledger.query(
        lambda session: history.statement_between(session, NUMBER, first_day, last_day, 0, 50)
    )
    gone_out = shapes.WholeStatement().dump({**found, "address": None})
    assert gone_out["movements"] == for_the_payer(found)["movements"]
    assert gone_out["totals"] == found["totals"]


def test_every_kind_of_movement_is_described(ledger: MemoryStore) -> None:
    statement = ledger.query(lambda session: statements.statement(session, NUMBER, None, 50))
    description = shapes.Movement().fields["kind"].metadata["description"]
    assert len(kinds := {movement["kind"] for movement in statement["movements"]}) == 12
    assert [kind for kind in kinds if f"`{kind}`" not in description] == []


def test_gateway_shapes_keep_every_member_of_a_posting(ledger: MemoryStore) -> None:
    posted = next(
        recorded
        for recorded in ledger.query(lambda session: session.history(account_id(NUMBER)))
        if isinstance(recorded.event, PaymentPosted)
    )
    row = posting_row(NUMBER, posted.position, posted.event)
    answered = {name: value for name, value in row.items() if name != "payment_id"}
    assert answered["allocation"]
    assert Posting().dump(answered) == answered


def test_a_proof_is_valid_after_the_gateway() -> None:
    signer = Signer("billing.example/ledger", bytes(range(32)))
    rows = [
        leaf.EventRow(
            place, b"a" * 16, place, PaymentPosted.topic, b"{}", 1, b"c" * 16, "staff:ivanova", "j"
        )
        for place in (1, 2, 3)
    ]
    hashes = [merkle.leaf_hash(leaf.encode(row)) for row in rows]
    tree = LeafHashes(hashes)
    root = merkle.frontier(tree, 3).root()
    path = merkle.inclusion_proof(tree, 1, 3)
    proof = {
        "format": INCLUSION,
        "position": 2,
        "index": 1,
        "size": 3,
        "leaf": base64.b64encode(leaf.encode(rows[1])).decode(),
        "path": [base64.b64encode(hash_).decode() for hash_ in path],
        "checkpoint": signer.sign(Checkpoint(signer.verifier.name, 3, root).text()),
    }
    dumped = InclusionProof().dump(proof)
    assert dumped == proof
    assert verify_inclusion(dumped, [signer.verifier])[0] == rows[1]
