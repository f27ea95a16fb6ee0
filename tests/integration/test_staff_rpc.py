"""Staff at the real broker: what a clerk's terminal can do, and what it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.cli import app
from services.ledger.application import OpenAccount, open_account
from services.ledger.domain.events import ChargeLine
from services.ledger.limits import CORRECTING
from services.staff_calls import StaffCalls
from shared.bus.administration import BrokerAdministration
from shared.config import GATEWAY
from shared.errors import ServiceError
from shared.eventstore.postgres import PostgresStore
from shared.rpc.client import RpcClient
from tests.conftest import BrokerUser, Database
from tests.ledger_commands import PostCharges, post_charges
from tests.service_process import service_process
from tests.staff_terminal import grant, revoke

pytestmark = pytest.mark.nodes

NUMBER, PERIOD = "0100000001", "2026-02"
WHY = ("--reason", "act 7")
METHODS = {
    "adjust": {"account": NUMBER, "period": PERIOD, "lines": [{"service": "heating", "amount": 1}]},
    "reverse": {"payment_id": "11111111-2222-4333-8444-555555555555"},
    "write_off": {"account": NUMBER, "amount": 1},
    "approve": {"proposal_id": "11111111-2222-4333-8444-555555555555"},
    "reject": {"proposal_id": "11111111-2222-4333-8444-555555555555"},
    "close": {"period": PERIOD},
    "proposals": {},
    "proposal": {"proposal_id": "11111111-2222-4333-8444-555555555555"},
    "statement_by_days": {"number": NUMBER},
    "advances": {},
    "find_payments": {"part": "1111"},
    "take_payment": {"account": NUMBER, "amount": 1, "place": "bank"},
    "post_payment": {
        "payment_id": "11111111-2222-4333-8444-555555555555",
        "paid_on": "2026-03-01",
        "lines": [{"account": NUMBER, "amount": 1}],
    },
}
"""Each method for staff, with arguments that its schema takes but for a reason."""
WITHOUT_REASON = {
    "proposals",
    "proposal",
    "statement_by_days",
    "post_payment",
    "advances",
    "find_payments",
}


@dataclass
class Office:
    """A ledger that is served, with one account, and staff with terminals at the broker."""

    database: Database
    store: PostgresStore
    log: Path
    staff_member: Callable[..., BrokerUser]
    urls: dict[str, str] = field(default_factory=dict)

    def hires(self, who: str, *permissions: str, up_to: int | None = None) -> None:
        user = self.staff_member(who)
        self.urls[who] = user.url
        for permission in (*permissions, "read"):
            grant(self.database.settings, "ledger", user.name, permission, up_to)

    def name(self, who: str) -> str:
        return self.urls[who].partition("staff.")[2].partition(":")[0]

    def run(self, who: str, *words: str) -> Result:
        """Run a verb with the URL of one of the staff, and nothing else in the environment."""
        env = {"SALDO_AMQP_URL": self.urls[who], "SALDO_DATABASE_URL": None}
        return CliRunner().invoke(app, ["ledger", *words], env=env)

    def run_json(self, who: str, *words: str) -> Any:
        result = self.run(who, *words, "--json")
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    def adjusts(self, who: str, amount: str, *more: str) -> Result:
        words = ("adjust", NUMBER, "--period", PERIOD, "--service", f"heating={amount}")
        return self.run(who, *words, *WHY, *more, "--json")

    def principal(self) -> int:
        row = self.store.query(lambda session: session.read.balance(NUMBER))
        assert row is not None
        return int(row["principal"])

    def serving(self) -> Any:
        return service_process(self.database, "ledger", self.log)


@pytest.fixture
def office(
    database: Database,
    clean_bus: None,
    staff_member: Callable[..., BrokerUser],
    tmp_path: Path,
) -> Office:
    store = database.store("ledger")
    store.execute(open_account, OpenAccount(number=NUMBER, payer_kind="household"))
    line = ChargeLine("heating", "Heating", payable=90_000_00, charged=90_000_00)
    bill = PostCharges(
        number=NUMBER,
        period=PERIOD,
        due_on=date(2026, 3, 15),
        effective_on=date(2026, 2, 28),
        lines=(line,),
    )
    store.execute(post_charges, bill)
    made = Office(database, store, tmp_path / "ledger.log", staff_member)
    made.hires("clerk", *CORRECTING, up_to=50_000_00)
    made.hires("approver", "approve")
    return made


@contextmanager
def called(url: str) -> Iterator[RpcClient]:
    client = RpcClient(url, name="tests")
    yield client
    client.close()


def code_of(client: RpcClient, method: str, **arguments: Any) -> str:
    reason = {} if method in WITHOUT_REASON else {"reason": "r"}
    with pytest.raises(ServiceError) as refused:
        client.call("ledger", method, **reason, **arguments)
    return refused.value.code


def test_more_than_the_clerk_may_move_takes_the_approver(office: Office) -> None:
    with office.serving():
        proposed = json.loads(office.adjusts("clerk", "-50000,01").stdout)
        assert proposed["state"] == "proposed"
        approving = ("approve", proposed["correction_id"])
        for more in ((), ("--actor", office.name("approver")), ("--dry-run",)):
            refused = office.run("clerk", *approving, *more)
            assert refused.exit_code == 2
            assert "saldo staff may" in refused.stderr
        shortcut = office.adjusts("clerk", "-50000,01", "--approve", proposed["correction_id"])
        assert shortcut.exit_code == 2
        assert office.principal() == 90_000_00

        [row] = office.run_json("approver", "proposals")
        assert row["proposed_by"] == f"staff:{office.name('clerk')}"
        assert office.run_json("approver", *approving)["state"] == "approved"
        assert office.principal() == 39_999_99
        assert office.run_json("clerk", "balance", NUMBER)["principal"] == 39_999_99
        statement = office.run_json("clerk", "statement", NUMBER)
        assert [step["amount"] for step in statement["movements"]] == [0, 90_000_00, -50_000_01]
        [row] = office.run_json("clerk", "proposals", "--all")
        assert (row["state"], row["decided_by"]) == (
            "approved",
            f"staff:{office.name('approver')}",
        )
    last = office.store.log_after(0, 100)[-1]
    assert last.actor == f"staff:{office.name('approver')}"


def test_small_corrections_add_up_and_a_repeated_one_does_not(office: Office) -> None:
    with office.serving():
        for _ in range(2):
            made = json.loads(office.adjusts("clerk", "-30000,00").stdout)
            assert made["state"] == "done"
        assert office.principal() == 60_000_00
        more = json.loads(office.adjusts("clerk", "-30000,00", "--command-id", "2").stdout)
        assert more["state"] == "proposed"
        assert office.principal() == 60_000_00


def test_a_clerk_who_is_removed_is_refused_within_his_open_connection(
    office: Office, administration: BrokerAdministration
) -> None:
    adjustment = {**METHODS["adjust"], "reason": "act 7"}
    with office.serving(), called(office.urls["clerk"]) as clerk:
        assert clerk.call("ledger", "adjust", **adjustment)["state"] == "done"
        revoke(office.database.settings, "ledger", office.name("clerk"), "adjust")
        for key in (None, "another"):
            assert code_of(clerk, "adjust", **METHODS["adjust"], key=key) == "staff_may_not"
        administration.remove_user(f"staff.{office.name('clerk')}")
        gone = office.adjusts("clerk", "-1,00")
        assert gone.exit_code == 2
        assert "the broker does not admit staff.clerk" in gone.stderr
    assert office.principal() == 90_000_01


def test_a_cashier_posts_payments_and_corrects_nothing(office: Office) -> None:
    office.hires("cashier", "post-payment", up_to=500_000_00)
    words = ("pay", NUMBER, "--amount", "1000,00", "--document", "117", *WHY)
    with office.serving():
        for repeated in (False, True):
            paid = office.run_json("cashier", *words)
            assert (paid["state"], paid["repeated"]) == ("done", repeated)
        [found] = office.run_json("cashier", "find-payment", paid["payment_id"][:8])["payments"]
        assert found["actor"] == f"staff:{office.name('cashier')}"
        assert "post-payment" in office.run("clerk", *words).stderr
        assert "permission adjust" in office.adjusts("cashier", "-1,00").stderr
        reversing = ("reverse", paid["payment_id"], *WHY)
        assert "permission reverse" in office.run("cashier", *reversing).stderr
        assert office.principal() == 90_000_00 - 1_000_00
        assert office.run_json("clerk", *reversing)["state"] == "done"
    assert office.principal() == 90_000_00


def test_nobody_but_staff_calls_what_is_for_staff(
    office: Office, subscriber: Callable[..., BrokerUser]
) -> None:
    settings = office.database.settings
    before = office.store.recorder.max_notification_id()
    with office.serving():
        for user in (GATEWAY, "payments"):
            with called(settings.amqp_url_of(user)) as other:
                for method, arguments in METHODS.items():
                    assert code_of(other, method, **arguments) == "caller_not_served", method
        office.hires("operator")
        with called(office.urls["operator"]) as nobody:
            reading = WITHOUT_REASON - {"post_payment"}
            for method in METHODS.keys() - reading:
                assert code_of(nobody, method, **METHODS[method]) == "staff_may_not", method
        with called(subscriber("ledger").url) as outside:

            def refused(method: str) -> str:
                # The broker lets him send no request at all: each call waits for its deadline.
                return code_of(outside, method, **METHODS[method], deadline=2.0)

            with ThreadPoolExecutor(len(METHODS)) as threads:
                codes = set(threads.map(refused, METHODS))
            assert codes <= {"bus_unavailable", "service_unavailable"}
    assert office.store.recorder.max_notification_id() == before


HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 10**13 + 1, 10**40, -(10**40), float("nan"), float("inf")),
    *("", " ", "1", "\x00", "\ud800", "x" * 2_000, "' OR 1=1 --", "9999-99-99", "2026-13"),
    *([], [[]], {}, {"a": 1}, [None], [{}] * 200),
)
OUTCOMES = {"done", "validation", "not_found", "conflict", "forbidden"}


def test_hostile_arguments_are_refused_by_the_closed_set_of_errors(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a client that is not ours encodes them.
    encoding = SimpleNamespace(encode=lambda value: json.dumps(value).encode())
    monkeypatch.setattr("shared.rpc.client.msgspec", SimpleNamespace(json=encoding))
    office.hires("operator", *CORRECTING, "approve", "close", "post-payment", up_to=1)
    with office.serving() as server, called(office.urls["operator"]) as operator:
        for method, arguments in METHODS.items():
            good = {**arguments, **({} if method in WITHOUT_REASON else {"reason": "r"})}
            assert outcome(operator, method, {**good, "unknown": 1}) == "validation"
            for hostile in variants(good):
                assert outcome(operator, method, hostile) in OUTCOMES, (method, hostile)
        assert not server.has_logged("rpc_failed")


def variants(good: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a request with each of its arguments replaced by each hostile value."""
    for value in HOSTILE:
        yield from ({**good, name: value} for name in (*good, "dry_run", "key", "limit", "after"))
        for line in good.get("lines", ()):
            yield from ({**good, "lines": [{**line, name: value}]} for name in line)


def outcome(client: RpcClient, method: str, arguments: dict[str, Any]) -> str:
    try:
        client.call("ledger", method, **arguments)
    except ServiceError as refused:
        return refused.kind
    return "done"


def test_a_command_whose_answer_was_lost_is_made_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as impatient:
        impatient.setitem(StaffCalls.command.__kwdefaults__, "deadline", 2.0)
        lost = office.adjusts("clerk", "-1,00")  # the ledger does not run yet
    assert lost.exit_code == 2
    assert "run the same command again" in " ".join(lost.stderr.split())
    with office.serving():
        for _ in range(2):
            assert office.adjusts("clerk", "-1,00").exit_code == 0
    assert office.principal() == 89_999_00
