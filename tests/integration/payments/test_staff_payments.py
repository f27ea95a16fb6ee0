"""Staff and payments at the real broker: refunds by two people, what is stuck, reconciliation."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from services.cli import app
from services.payments.commands import export as export_verb
from services.payments.commands import reconcile as reconcile_verb
from services.payments.events import Line
from services.payments.reconciliation import worker
from services.payments.reconciliation.worker import Reconciliations
from shared.acquirer_settings import AcquirerSettings
from shared.config import GATEWAY
from shared.errors import ServiceError
from shared.rpc.client import RpcClient
from tests.conftest import BrokerUser, Database
from tests.integration.payments.bank_process import PASSWORD, SECRET, BankProcess, Merchant
from tests.integration.payments.test_reconciliation import A, B, Books
from tests.service_process import service_process
from tests.staff_terminal import grant
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

WHY = ("--reason", "act 7")
STAFF_METHODS: dict[str, dict[str, Any]] = {
    "refund": {"payment_id": str(uuid4()), "reason": "r"},
    "approve_refund": {"refund_id": str(uuid4())},
    "reject_refund": {"refund_id": str(uuid4()), "reason": "r"},
    "resolve": {"payment_id": str(uuid4()), "how": "poll", "reason": "r"},
    "list_payments": {},
    "show_payment": {"payment_id": str(uuid4())},
    "stuck": {},
    "refunds": {},
    "money": {"first": "2026-10-01", "last": "2026-10-31"},
    "reconcile": {"day": "2026-10-01"},
    "reconciliation": {"reconciliation_id": str(uuid4())},
    "reconciliations": {},
}


class Office:
    """Payments that are served, with staff at their terminals."""

    def __init__(self, database: Database, staff_member: Callable[..., BrokerUser]) -> None:
        self.database = database
        self._staff_member = staff_member
        self.urls: dict[str, str] = {}

    def hires(self, who: str, *permissions: str, up_to: int | None = None) -> None:
        user = self._staff_member(who)
        self.urls[who] = user.url
        for permission in (*permissions, "read"):
            limit = up_to if permission in ("refund", "approve") else None
            grant(self.database.settings, "payments", user.name, permission, limit)
        grant(self.database.settings, "ledger", user.name, "read", None)

    def run(self, who: str, *words: str) -> Result:
        env = {"SALDO_AMQP_URL": self.urls[who], "SALDO_DATABASE_URL": None}
        return CliRunner().invoke(app, ["payments", *words], env=env)

    def run_json(self, who: str, *words: str, code: int = 0) -> Any:
        result = self.run(who, *words, "--json")
        assert result.exit_code == code, (result.output, result.exception)
        # What runs in this process logs to the same stream.
        return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture
def books(
    database: Any, clean_bus: None, acquirer: Any, merchant: Merchant, bank: BankProcess
) -> Books:
    bank.faults(drop_callbacks=True)
    return Books(database, acquirer, merchant, bank)


@pytest.fixture
def office(
    books: Books,
    database: Database,
    staff_member: Callable[..., BrokerUser],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Office]:
    monkeypatch.setenv("SALDO_ACQUIRER_URL", books.bank.url)
    monkeypatch.setenv("SALDO_ACQUIRER_PASSWORD", PASSWORD)
    monkeypatch.setenv("SALDO_ACQUIRER_SECRET", SECRET)
    made = Office(database, staff_member)
    made.hires("clerk", "refund", "resolve", up_to=1_000_00)
    made.hires("approver", "approve")
    with service_process(database, "payments ledger", tmp_path / "server.log"):
        yield made


@contextmanager
def called(url: str) -> Iterator[RpcClient]:
    client = RpcClient(url, name="tests")
    yield client
    client.close()


def test_a_small_refund_is_made_and_a_repeated_one_is_not(office: Office, books: Books) -> None:
    payment_id = books.posted(Line(A, 900_00, 0), Line(B, 500_00, 0))
    words = ("refund", payment_id, "--account", A, "--amount", "400,00", *WHY)
    dry = office.run_json("clerk", *words, "--dry-run")
    assert (dry["state"], dry["would_be"], dry["total"]) == ("dry_run", "requested", 400_00)
    made = office.run_json("clerk", *words)
    assert (made["state"], made["repeated"]) == ("requested", False)
    again = office.run_json("clerk", *words)
    assert (again["refund_id"], again["repeated"]) == (made["refund_id"], True)

    books.payments.make_refunds()
    order = books.bank.orders()[UUID(payment_id).hex]
    assert (order["charged"], order["returned"]) == (1_400_00, 400_00)
    shown = office.run_json("clerk", "show", payment_id)
    assert shown["state"] == "partly_refunded"
    [refund] = shown["refunds"]
    assert (refund["state"], refund["by"]) == ("made", f"staff:{_name(office, 'clerk')}")
    assert "person" not in json.dumps({**shown, "history": []})
    too_much = office.run("clerk", "refund", payment_id, "--account", A, "--amount", "501", *WHY)
    assert too_much.exit_code == 2


def test_more_than_the_limit_of_the_day_takes_a_second_person(office: Office, books: Books) -> None:
    payment_id = books.posted(Line(A, 700_00, 0), Line(B, 600_00, 0))
    first = ("refund", payment_id, "--account", A, "--amount", "700,00", *WHY)
    assert office.run_json("clerk", *first)["state"] == "requested"
    second = ("refund", payment_id, "--account", B, "--amount", "600,00", *WHY)
    proposed = office.run_json("clerk", *second)
    assert proposed["state"] == "proposed"
    books.payments.make_refunds()
    assert books.bank.orders()[UUID(payment_id).hex]["returned"] == 700_00

    approving = ("approve-refund", proposed["refund_id"])
    assert "permission approve" in office.run("clerk", *approving).stderr
    [waiting] = office.run_json("approver", "refunds", "--state", "proposed")
    assert waiting["refund_id"] == proposed["refund_id"]
    dry = office.run_json("approver", *approving, "--dry-run")
    assert (dry["state"], dry["would_be"]) == ("dry_run", "approved")
    assert office.run_json("approver", *approving)["state"] == "approved"
    decided = office.run("approver", "reject-refund", proposed["refund_id"], *WHY)
    assert decided.exit_code == 2
    books.payments.make_refunds()
    assert books.bank.orders()[UUID(payment_id).hex]["returned"] == 1_300_00


def test_a_proposal_is_withdrawn_and_nobody_approves_his_own(office: Office, books: Books) -> None:
    office.hires("operator", "refund", "approve", up_to=100_00)
    payment_id = books.posted(Line(A, 900_00, 0))
    own = office.run_json("operator", "refund", payment_id, *WHY)
    assert own["state"] == "proposed"
    refused = office.run("operator", "approve-refund", own["refund_id"])
    assert refused.exit_code == 2
    assert "Somebody else" in refused.stderr
    rejected = office.run_json("operator", "reject-refund", own["refund_id"], *WHY)
    assert rejected["state"] == "rejected"
    [refund] = office.run_json("clerk", "refunds")
    assert refund["state"] == "rejected"


def test_an_advance_is_given_back(office: Office, books: Books) -> None:
    # Nothing is owed, so all of it lies as an advance.
    payment_id = books.posted(Line(A, 300_00, 0))
    given = office.run_json("clerk", "refund", payment_id, "--advance", *WHY)
    assert (given["state"], given["total"]) == ("requested", 300_00)


def test_what_is_stuck_is_resolved_by_its_command(office: Office, books: Books) -> None:
    assert office.run_json("clerk", "stuck") == []
    books.bank.faults(charges_other_amount=-1_00)
    mismatched = books.captured(Line(A, 400_00, 0))
    [stuck] = office.run_json("clerk", "stuck", code=1)
    assert (stuck["payment_id"], stuck["what"], stuck["amount"]) == (mismatched, "mismatch", 399_00)
    wrong = ("resolve", mismatched, "--credit", "--account", A, "--amount", "400,00", *WHY)
    assert "39900" in office.run("clerk", *wrong).stderr
    strange = ("resolve", mismatched, "--credit", "--account", B, "--amount", "399,00", *WHY)
    assert A in office.run("clerk", *strange).stderr
    right = ("resolve", mismatched, "--credit", "--account", A, "--amount", "399,00", *WHY)
    assert office.run_json("clerk", *right, "--dry-run")["state"] == "mismatch"
    credited = office.run_json("clerk", *right)
    assert (credited["before"], credited["state"]) == ("mismatch", "captured")
    books.bank.faults(charges_other_amount=0)

    lost = books.paid(Line(B, 250_00, 0))
    polled = office.run_json("clerk", "resolve", lost, "--poll", *WHY)
    assert (polled["before"], polled["state"]) == ("awaiting_payment", "captured")
    nothing = office.run("clerk", "resolve", lost, "--return", *WHY)
    assert nothing.exit_code == 2


def test_a_mismatch_is_returned_to_the_card(office: Office, books: Books) -> None:
    books.bank.faults(charges_other_amount=7_00)
    payment_id = books.captured(Line(A, 400_00, 0))
    for _ in range(2):
        office.run_json("clerk", "resolve", payment_id, "--return", *WHY)
    books.payments.make_refunds()
    order = books.bank.orders()[UUID(payment_id).hex]
    assert (order["charged"], order["returned"]) == (407_00, 407_00)
    assert office.run_json("clerk", "show", payment_id)["state"] == "failed"


def test_payments_are_listed_and_exported_for_accounting(
    office: Office, books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_verb, "PAGE", 1)
    payment_id = books.posted(Line(A, 900_00, 5_00), Line(B, 500_00, 0))
    books.payments.start(Line(B, 100, 0))
    office.run_json("clerk", "refund", payment_id, "--account", B, "--amount", "500,00", *WHY)
    books.payments.make_refunds()
    today = books.today.isoformat()
    [listed] = office.run_json("clerk", "list", "--state", "partly_refunded", "--day", today)[
        "payments"
    ]
    assert (listed["payment_id"], listed["accounts"]) == (payment_id, [A, B])
    assert len(office.run_json("clerk", "list", "--account", B)["payments"]) == 2

    for encoding, bom in (("utf-8", True), ("cp1251", False)):
        file = tmp_path / f"{encoding}.csv"
        days = ("--from", today, "--to", today, "--encoding", encoding)
        exported = office.run_json("clerk", "export", str(file), *days)
        assert exported["totals"]["charge"]["amount"] == 1_400_00
        assert exported["totals"]["refund"]["amount"] == -500_00
        assert file.read_bytes().startswith(b"\xef\xbb\xbf") == bom
        lines = file.read_text(encoding="utf-8-sig").splitlines()
        assert [line.split(";")[:2] for line in lines[1:]] == [
            [today, "charge"],
            [today, "charge"],
            [today, "refund"],
            ["total", "charge"],
            ["total", "refund"],
        ]
        assert lines[3].split(";")[3:5] == [B, "-500,00"]


def test_the_verb_reconciles_in_the_worker(
    office: Office, books: Books, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile_verb, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(worker, "LOOK_EVERY", 3_600.0)
    good, lost = books.posted(Line(A, 300_00, 0)), books.paid(Line(A, 400_00, 0))
    today = books.today.isoformat()
    with working(books, database):
        found = office.run_json("clerk", "reconcile", "--day", today, "--all", code=1)
        named = {one["payment_id"]: one for one in found["findings"]}
        assert named[good]["kind"] == "matched"
        assert named[lost]["kind"] == "missing_here"
        assert named[lost]["polled"] == {"state": "captured", "settled": True}
        spoken = office.run("clerk", "reconcile", "--day", today, "--lang", "ru")
        assert spoken.exit_code == 1  # The ledger has not posted what was found.
        assert "нет там" in spoken.stdout
        assert "saldo bus parked ledger --retry-all" in spoken.stdout
    runs = office.run_json("clerk", "reconciliations")
    assert [one["state"] for one in runs[:2]] == ["done", "done"]
    assert office.run("clerk", "reconcile", "--day", "2999-01-01").exit_code == 2


def test_a_silent_bank_is_exit_code_two(
    office: Office, books: Books, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile_verb, "LOOK_EVERY", 0.05)
    books.bank.kill()
    try:
        with working(books, database):
            silent = office.run("clerk", "reconcile", "--day", books.today.isoformat())
    finally:
        books.bank.start()
    assert silent.exit_code == 2
    assert "acquirer_unavailable" in silent.stderr


@contextmanager
def working(books: Books, database: Database) -> Iterator[None]:
    """Run the job of the worker, as the worker does."""
    stop = threading.Event()
    client = RpcClient(database.settings.amqp_url_of("payments"), name="worker")
    acquirer = AcquirerSettings(
        name="main", protocol="rbs", url=books.bank.url, user="saldo", password=PASSWORD
    )
    services: Any = SimpleNamespace(
        settings=replace(database.settings, acquirers=(acquirer,)),
        store=books.store,
        stop=stop,
        call=client.call,
    )
    job = Reconciliations()

    def run() -> None:
        while not stop.wait(0.05):
            job.run(services)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        eventually(lambda: not job.is_busy, "the run has ended")
        client.close()


def test_nobody_but_staff_calls_what_is_for_staff(office: Office, database: Database) -> None:
    office.hires("cashier")
    for user in (GATEWAY, "ledger"):
        with called(database.settings.amqp_url_of(user)) as other:
            for method, arguments in STAFF_METHODS.items():
                assert code_of(other, method, arguments) == "caller_not_served", method
    with called(office.urls["cashier"]) as cashier:
        for method in ("refund", "approve_refund", "reject_refund", "resolve"):
            assert code_of(cashier, method, STAFF_METHODS[method]) == "staff_may_not", method


HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 10**13 + 1, 10**40),
    *("", " ", "\x00", "x" * 2_000, "' OR 1=1 --", "9999-99-99"),
    *([], [[]], {}, [None], [{}] * 200),
)


def test_hostile_arguments_are_refused_by_the_closed_set_of_errors(office: Office) -> None:
    office.hires("operator", "refund", "approve", "resolve", up_to=1)
    with called(office.urls["operator"]) as operator:
        for method, good in STAFF_METHODS.items():
            for name in (*good, "unknown", "lines", "limit", "dry_run", "after"):
                for value in HOSTILE:
                    outcome = code_of(operator, method, {**good, name: value}, may_pass=True)
                    assert outcome != "internal_error", (method, name, value)


def code_of(
    client: RpcClient, method: str, arguments: dict[str, Any], *, may_pass: bool = False
) -> str:
    try:
        client.call("payments", method, **arguments)
    except ServiceError as refused:
        return refused.code
    assert may_pass, method
    return ""


def _name(office: Office, who: str) -> str:
    return office.urls[who].partition("staff.")[2].partition(":")[0]
