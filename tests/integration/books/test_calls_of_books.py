"""Calls and terminals find the book that they concern, on real processes of both books."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from psycopg.rows import dict_row
from typer.testing import CliRunner, Result

from services.cli import app
from services.ledger.tables.book_rules import Rule, put_rule
from shared import context, staff
from shared.bus.permissions import Rights, rights_of_staff
from shared.config import GATEWAY
from shared.errors import Conflict, Forbidden, NotFound, Unavailable
from shared.rpc.book_methods import routed
from shared.rpc.client import RpcClient
from tests.conftest import BrokerUser
from tests.integration.books.two_books import BOOKS, FIRST, NORTH, TwoBooks
from tests.integration.bus_ends import open_one, pay
from tests.service_process import service_process
from tests.staff_logins import OPERATOR_LOGIN, PASSWORD, put_operator

IN_FIRST, IN_NORTH = "0100000001", "7700000001"
RULE = Rule("77", NORTH, True, "the northern region")


@pytest.fixture
def split(books: TwoBooks) -> TwoBooks:
    """Both books with an account each, and the rule that says whose is whose."""
    for log, number in ((FIRST, IN_FIRST), (NORTH, IN_NORTH)):
        store = books.store(log)
        store.transact(lambda session, rule: put_rule(session.cursor, rule), RULE)
        open_one(store, number)
    pay(books.store(FIRST), 1, IN_FIRST)
    pay(books.store(NORTH), 2, IN_NORTH)
    return books


@pytest.fixture
def gateway(split: TwoBooks) -> Iterator[Any]:
    client = RpcClient(split.settings.amqp_url_of(GATEWAY), name="tests")
    with closing(routed(client, BOOKS)) as made:
        yield made


@pytest.mark.usefixtures("on_the_bus", "clean_bus")
def test_each_call_reaches_the_book_that_it_concerns(
    split: TwoBooks,
    gateway: Any,
    tmp_path: Path,
    broker_user: Callable[[str, str, Rights], BrokerUser],
    rpc_as: Callable[[str], RpcClient],
) -> None:
    name = f"cashier-{secrets.token_hex(4)}"
    user = broker_user("staff", name, rights_of_staff(name, ["cashier"], BOOKS))
    with service_process(split.database, f"{FIRST} {NORTH}", tmp_path / "server.log"):
        assert gateway.call("ledger", "balance", number=IN_NORTH)["advance"] == 200
        found = gateway.call("ledger", "balances", numbers=[IN_NORTH, IN_FIRST])["balances"]
        assert [(one["number"], one["advance"]) for one in found] == [
            (IN_NORTH, 200),
            (IN_FIRST, 100),
        ]
        with pytest.raises(NotFound):
            gateway.call("ledger", "balance", number="7700000002")
        assert gateway.call(NORTH, "health") == {"status": "ok"}
        page = gateway.call(NORTH, "events_after", after=0, predecessor=0, limit=10)
        assert len(page["events"]) == 3
        # A person of the staff may do in a book what is granted there.
        desk = routed(rpc_as(user.url), BOOKS)
        payment = {"payment_id": str(uuid4()), "paid_on": "2026-11-01"}
        line = {"amount": 300, "penalty": 0}
        grant_in(split, FIRST, user.name, "post-payment")
        with pytest.raises(Forbidden):
            desk.call("ledger", "post_payment", lines=[{"account": IN_NORTH, **line}], **payment)
        grant_in(split, NORTH, user.name, "post-payment")
        lines = [{"account": IN_NORTH, **line}]
        posted = desk.call("ledger", "post_payment", lines=lines, **payment)
        assert posted["posted"] == [IN_NORTH]
        lines.append({"account": IN_FIRST, **line})
        with pytest.raises(Conflict):
            desk.call("ledger", "post_payment", lines=lines, **payment)
    assert gateway.logs == (FIRST, NORTH)


def grant_in(books: TwoBooks, log: str, name: str, permission: str) -> None:
    with books.owner(log) as owner, owner.transaction():
        staff.grant(owner.cursor(row_factory=dict_row), name, permission, "tests", None)


@pytest.mark.usefixtures("on_the_bus", "clean_bus")
def test_a_book_that_is_away_stops_no_other(split: TwoBooks, gateway: Any, tmp_path: Path) -> None:
    with service_process(split.database, FIRST, tmp_path / "first.log"):
        with service_process(split.database, NORTH, tmp_path / "north.log"):
            assert gateway.call("ledger", "balance", number=IN_NORTH)["advance"] == 200
        with pytest.raises(Unavailable):
            gateway.call("ledger", "balance", number=IN_NORTH, deadline=0.5)
        assert gateway.call("ledger", "balance", number=IN_FIRST)["advance"] == 100


@pytest.fixture
def terminal(split: TwoBooks, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The terminal of an operator, who signs in to the databases of both books."""
    settings = split.settings
    put_operator(settings)
    for name, value in {
        "SALDO_LEDGER_BOOKS": "north",
        "SALDO_ROLE_PREFIX": settings.role_prefix,
        "SALDO_DATABASE_URL": settings.staff_database_url,
        "SALDO_KEYS_DATABASE_URL": settings.staff_keys_database_url,
        "SALDO_LEDGER_SEAL_VERIFIER": "",
        "SALDO_SECRET": settings.secret.hex(),
    }.items():
        monkeypatch.setenv(name, value)
    if split.elsewhere is not None:
        url = split.elsewhere.settings.staff_database_url
        assert f"{OPERATOR_LOGIN}:{PASSWORD}@" in url
        monkeypatch.setenv("SALDO_LOGIN_URL_LEDGER_NORTH", url)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["ledger", *arguments])

    return run


def printed(result: Result) -> Any:
    assert result.exit_code == 0, (result.stderr, result.exception)
    return json.loads(result.stdout)


def test_a_terminal_finds_the_book_of_an_account_and_adds_up_all(
    terminal: Callable[..., Result],
) -> None:
    for number, advance in ((IN_FIRST, 100), (IN_NORTH, 200)):
        assert printed(terminal("balance", number, "--json"))["advance"] == advance
        assert len(printed(terminal("statement", number, "--json"))["movements"]) >= advance // 100
        one = printed(terminal("turnover", "--period", "2026-11", "--account", number, "--json"))
        assert one["total"]["paid"] == advance
    assert terminal("balance", IN_NORTH, "--book", "-").exit_code == 2
    assert terminal("balance", IN_NORTH, "--book", "south").exit_code == 2
    assert printed(terminal("balance", IN_NORTH, "--book", "north", "--json"))["advance"] == 200

    whole = printed(terminal("turnover", "--period", "2026-11", "--json"))
    parts = [
        printed(terminal("turnover", "--period", "2026-11", "--book", book, "--json"))
        for book in ("-", "north")
    ]
    assert [part["total"]["paid"] for part in parts] == [100, 200]
    assert whole["total"]["paid"] == 300
    assert whole["differences"] == []
    trial = printed(terminal("trial-balance", "--json"))
    assert trial["total"] == 0
    assert trial["accounts"]["advances"] == -300
    advances = printed(terminal("advances", "--json"))
    assert (advances["count"], advances["total"]) == (2, 300)
    assert [one["number"] for one in advances["accounts"]] == [IN_FIRST, IN_NORTH]
    overdue = printed(terminal("overdue", "--json"))
    assert (overdue["count"], overdue["total"]) == (0, 0)
    assert len(printed(terminal("find-payment", "--amount", "1,00", "--json"))["payments"]) == 3

    found = printed(terminal("books", "--json"))
    assert [(one["book"], one["accounts"], one["events"], one["prefixes"]) for one in found] == [
        ("-", 1, 2, []),
        ("north", 1, 3, ["77"]),
    ]


def test_what_concerns_a_log_runs_for_each_book(
    split: TwoBooks, terminal: Callable[..., Result]
) -> None:
    replayed = terminal("replay", "--all", "--dry-run", "--reason", "tests")
    assert replayed.exit_code == 0, replayed.stderr
    assert [line for line in replayed.stderr.splitlines() if line in ("ledger:", f"{NORTH}:")] == [
        "ledger:",
        f"{NORTH}:",
    ]
    with split.owner(NORTH) as owner, owner.transaction():
        owner.execute("UPDATE balances SET advance = advance + 1")
    # The worst of the exit codes: here there is a difference in the second book alone.
    assert terminal("replay", "--all", "--dry-run", "--reason", "t").exit_code == 1
    assert terminal("replay", "--all", "--dry-run", "--book", "-", "--reason", "t").exit_code == 0
    both = terminal("replay", "--all", "--dry-run", "--reason", "t", "--json")
    found = json.loads(both.stdout)
    assert [(one["book"], one["exit_code"]) for one in found] == [("-", 0), ("north", 1)]
    alone = terminal("replay", "--all", "--dry-run", "--reason", "t", "--json", "--book", "north")
    assert json.loads(alone.stdout) == found[1]["result"]


def test_history_of_an_account_is_that_of_its_book(terminal: Callable[..., Result]) -> None:
    for number, book in ((IN_FIRST, "-"), (IN_NORTH, "north")):
        found = terminal("replay", number, "--json")
        assert found.exit_code == 0, found.stderr
        assert found.stdout == terminal("replay", number, "--json", "--book", book).stdout
        assert len(printed(found)) > 1
    assert terminal("replay", IN_NORTH, "--book", "-").exit_code == 2


def test_numbers_are_given_by_an_operator(split: TwoBooks, terminal: Callable[..., Result]) -> None:
    refused = terminal("assign", "01", "--to", "north", "--reason", "tests")
    assert (refused.exit_code, "01" in refused.stderr) == (2, True)
    for given in (("assign", "78", "--dry-run"), ("assign", "78"), ("assign", "78")):
        done = terminal(*given, "--to", "north", "--reason", "the next district")
        assert done.exit_code == 0, done.stderr
    found = printed(terminal("books", "--json"))
    assert [one["prefixes"] for one in found] == [[], ["77", "78"]]
    assert terminal("assign", "7x", "--to", "north", "--reason", "t").exit_code == 2
    assert terminal("assign", "79", "--to", "south", "--reason", "t").exit_code == 2
    with context.bind(command_id=uuid4()):
        assert split.store(NORTH).query(lambda session: session.read.strange({"7800000001"})) == {}
