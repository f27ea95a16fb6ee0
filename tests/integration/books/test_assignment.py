"""Numbers are given to a book: each account is opened in one book, whatever breaks off when."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from msgspec.json import encode

from services.ledger import assignment as module
from services.ledger.application import OpenAccount, open_account
from services.ledger.assignment import Assignment, assign, check, giver_of
from services.ledger.reactions import REACTIONS
from services.ledger.tables.book_rules import (
    Rule,
    book_of_number,
    has_accounts,
    read_rules,
    rules_of,
)
from services.migrate import migrate_all
from shared import context
from shared.bus.epochs import stored_history
from shared.bus.listen import Listener
from shared.bus.messages import read_message
from shared.bus.reactions import Delivery
from shared.errors import Conflict, Unavailable
from shared.eventstore.postgres import PostgresStore
from shared.rpc.books import BookRouter
from tests.conftest import role_of, signed_in_as
from tests.integration.books.two_books import FIRST, NORTH, TwoBooks, Upstreams
from tests.integration.bus_ends import open_one

NORTHERN, OTHER = "7700000001", "0100000001"
TO_NORTH = Assignment("77", NORTH, "the northern region")


class Registrar:
    """The accounts service, as the ledger's books hear it, without a broker."""

    def __init__(self, books: TwoBooks) -> None:
        self.books = books
        self.stores = {log: books.store(log) for log in (FIRST, NORTH)}
        self.accounts = books.store("accounts")
        self.epoch = self.accounts.query(lambda session: stored_history(session.cursor))[0]
        self.events: list[Delivery] = []

    def registers(self, number: str) -> None:
        """Register a contract, published as the next event of the log."""
        self.says("contract_registered", number=number, payer_kind="household")

    def says(self, type_: str, **data: Any) -> None:
        position = len(self.events) + 1
        headers = {
            "cloudEvents_id": f"accounts-{self.epoch.current.name}-{position}",
            "cloudEvents_type": type_,
            "cloudEvents_source": "/saldo/accounts",
            "cloudEvents_time": datetime.now(UTC).isoformat(),
            "cloudEvents_subject": str(data["number"]),
            "cloudEvents_dataschema": f"/saldo/contracts/accounts/{type_}/v1",
            "saldo_position": position,
            "saldo_predecessor": position - 1,
            "saldo_epoch": self.epoch.current.name,
        }
        self.events.append(Delivery(headers, encode(data)))
        with self.books.owner("accounts") as owner:
            owner.execute("UPDATE relay SET position = %s, published = %s", (position, position))

    def is_heard_by(self, log: str) -> None:
        """Let a book react to all that it has not heard yet."""
        store = self.stores[log]
        services = Upstreams(self.books.settings, store, {})
        stop = threading.Event()
        listener = Listener(services, store, "accounts", REACTIONS["accounts"], stop)
        for event in self.events:
            if event.headers["saldo_position"] > listener._reactions.position():
                listener.process([event], lambda _: None)

    def retries(self, log: str) -> None:
        """Handle again what a book has put aside, as its worker does every few seconds."""
        store = self.stores[log]
        services = Upstreams(self.books.settings, store, {})
        stop = threading.Event()
        listener = Listener(services, store, "accounts", REACTIONS["accounts"], stop)
        for row in put_aside(store):
            with store.session() as session:
                found = session.cursor.execute(
                    "DELETE FROM parked WHERE id = %s RETURNING headers, body", (row["id"],)
                ).fetchone()
                listener._reactions.handle(session, read_message(found["headers"], found["body"]))


def accounts(store: PostgresStore) -> list[str]:
    rows = store.query(
        lambda session: session.cursor.execute(
            "SELECT number FROM balances ORDER BY number"
        ).fetchall()
    )
    return [row["number"] for row in rows]


def waiting(store: PostgresStore) -> list[str]:
    return [row["type"] for row in put_aside(store)]


def put_aside(store: PostgresStore) -> list[dict[str, Any]]:
    """Return the messages that wait for what they need."""
    found: list[dict[str, Any]] = store.query(
        lambda session: session.cursor.execute(
            "SELECT id, type FROM parked WHERE waits_until IS NOT NULL ORDER BY id"
        ).fetchall()
    )
    return found


def rules(store: PostgresStore) -> list[tuple[str, str, bool]]:
    found = store.query(lambda session: read_rules(session.cursor))
    return [(rule.prefix, rule.book, rule.settled) for rule in found]


@pytest.fixture
def registrar(books: TwoBooks) -> Registrar:
    return Registrar(books)


def give(registrar: Registrar, wait: Callable[[float], None] = lambda _: None) -> bool:
    return assign(registrar.stores, registrar.accounts, TO_NORTH, wait, patience=1.0)


def test_contracts_are_opened_in_the_book_that_their_numbers_are_given_to(
    registrar: Registrar,
) -> None:
    assert check(registrar.stores, TO_NORTH)
    assert give(registrar)
    assert not check(registrar.stores, TO_NORTH)
    assert not give(registrar)
    for number in (NORTHERN, OTHER):
        registrar.registers(number)
    for log in (FIRST, NORTH):
        registrar.is_heard_by(log)
    assert accounts(registrar.stores[FIRST]) == [OTHER]
    assert accounts(registrar.stores[NORTH]) == [NORTHERN]
    assert rules(registrar.stores[FIRST]) == rules(registrar.stores[NORTH]) == [("77", NORTH, True)]


def test_numbers_of_which_there_is_an_account_stay_where_they_are(registrar: Registrar) -> None:
    open_one(registrar.stores[FIRST], NORTHERN)
    with pytest.raises(Conflict) as refused:
        check(registrar.stores, TO_NORTH)
    assert refused.value.code == "numbers_in_use"
    with pytest.raises(Conflict) as refused:
        give(registrar)
    assert refused.value.code == "numbers_in_use"
    assert rules(registrar.stores[FIRST]) == rules(registrar.stores[NORTH]) == []


def test_a_contract_that_the_book_of_before_has_still_to_read_stays_with_it(
    registrar: Registrar,
) -> None:
    registrar.registers(NORTHERN)
    registrar.is_heard_by(NORTH)  # it passes over the contract, which is none of its own
    with pytest.raises(Unavailable) as behind:
        give(registrar)
    assert behind.value.code == "book_is_behind"
    assert behind.value.params == {"service": FIRST, "events": 1}
    with pytest.raises(Conflict):
        give(registrar, lambda _: registrar.is_heard_by(FIRST))
    assert accounts(registrar.stores[FIRST]) == [NORTHERN]
    assert accounts(registrar.stores[NORTH]) == []
    assert rules(registrar.stores[NORTH]) == []


def test_contracts_that_the_relay_has_not_published_are_waited_for(registrar: Registrar) -> None:
    with registrar.books.owner("accounts") as owner:
        owner.execute("UPDATE relay SET position = -2")
    with pytest.raises(Unavailable) as behind:
        give(registrar)
    assert behind.value.code == "contracts_unpublished"
    assert behind.value.params == {"service": "accounts", "events": 2}
    assert rules(registrar.stores[FIRST]) == []


class KilledError(Exception):
    """The process that gives the numbers is no more."""


def give_until(registrar: Registrar, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin to give numbers, and be killed where a step would begin."""

    def die(*_: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(module, step, die)
        with pytest.raises(KilledError):
            give(registrar)


def test_numbers_that_were_announced_and_used_meanwhile_stay_where_they_are(
    registrar: Registrar, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, north = registrar.stores[FIRST], registrar.stores[NORTH]
    give_until(registrar, "_wait_for_contracts", monkeypatch)
    assert rules(north) == [("77", NORTH, False)]
    registrar.registers(NORTHERN)
    for log in (FIRST, NORTH):
        registrar.is_heard_by(log)
    # The book of before has given up nothing; the other one waits.
    assert (accounts(first), accounts(north)) == ([NORTHERN], [])
    assert waiting(north) == ["contract_registered"]
    with pytest.raises(Conflict):
        give(registrar)
    registrar.retries(NORTH)
    assert (accounts(first), accounts(north)) == ([NORTHERN], [])
    assert rules(north) == []


def test_what_broke_off_after_the_numbers_were_given_up_is_completed(
    registrar: Registrar, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, north = registrar.stores[FIRST], registrar.stores[NORTH]
    give_until(registrar, "_settle", monkeypatch)
    registrar.registers(NORTHERN)
    for log in (FIRST, NORTH):
        registrar.is_heard_by(log)
    assert accounts(first) == accounts(north) == []
    assert waiting(north) == ["contract_registered"]
    assert give(registrar)
    registrar.retries(NORTH)
    assert (accounts(first), accounts(north)) == ([], [NORTHERN])


def test_whoever_opens_an_account_is_waited_for(registrar: Registrar) -> None:
    """A chunk of an import holds the rules until it commits, so nothing slips past the check."""
    first, done = registrar.stores[FIRST], threading.Event()
    refused: list[Exception] = []

    def give_meanwhile() -> None:
        try:
            give(registrar)
        except Conflict as error:
            refused.append(error)
        done.set()

    with context.bind(command_id=uuid4()), first.session() as session:
        assert session.read.strange({NORTHERN}) == {}
        thread = threading.Thread(target=give_meanwhile)
        thread.start()
        assert not done.wait(0.5)
        open_account(session, OpenAccount(number=NORTHERN, payer_kind="household"))
    thread.join(20)
    assert [getattr(error, "code", "") for error in refused] == ["numbers_in_use"]
    assert first.query(lambda session: has_accounts(session.cursor, "77"))


def test_a_longer_prefix_goes_before_a_shorter_one() -> None:
    known = [Rule("77", NORTH, True, ""), Rule("771", "ledger_south", True, "")]
    assert giver_of(known, Assignment("7712", NORTH, "")) == "ledger_south"
    assert giver_of(known, Assignment("772", "ledger_south", "")) == NORTH
    assert giver_of(known, Assignment("78", NORTH, "")) == FIRST
    assert giver_of(known, Assignment("77", NORTH, "")) == FIRST


SOUTH = "ledger_south"


@pytest.fixture
def south(registrar: Registrar) -> PostgresStore:
    """A third book, in the first one's database."""
    books = registrar.books
    settings = books.settings
    url = signed_in_as(settings.database_urls[FIRST], role_of(SOUTH), "saldo-test")
    books.database.settings = replace(
        settings,
        books=(*settings.books, SOUTH),
        database_urls={**settings.database_urls, SOUTH: url},
        keys_database_urls={**settings.keys_database_urls, SOUTH: url},
    )
    migrate_all([SOUTH], books.settings)
    store = registrar.stores[SOUTH] = books.store(SOUTH)
    return store


def to(prefix: str, log: str) -> Assignment:
    return Assignment(prefix, log, "tests")


def assigns(registrar: Registrar, prefix: str, log: str) -> bool:
    return assign(
        registrar.stores, registrar.accounts, to(prefix, log), lambda _: None, patience=1.0
    )


def owners(registrar: Registrar, number: str) -> list[str]:
    """Return the books that would open an account of a number."""
    return [
        log
        for log, store in registrar.stores.items()
        if not store.query(lambda session: session.read.strange({number}))
    ]


def test_what_is_refused_leaves_the_rules_as_they_were(
    registrar: Registrar, south: PostgresStore
) -> None:
    """The book that was to get the numbers has those around them already."""
    assert assigns(registrar, "7", SOUTH)
    assert assigns(registrar, "77", NORTH)
    before = {log: rules(store) for log, store in registrar.stores.items()}
    open_one(registrar.stores[NORTH], NORTHERN)
    with pytest.raises(Conflict):
        assigns(registrar, "77", SOUTH)
    assert {log: rules(store) for log, store in registrar.stores.items()} == before
    assert owners(registrar, "7700000002") == [NORTH]


@pytest.mark.parametrize("prefix", ["7", "77", "771"])
def test_numbers_whose_giving_broke_off_are_given_before_others(
    registrar: Registrar, south: PostgresStore, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    """North opens them by now, which the first book has not learned yet."""
    assert assigns(registrar, "7", SOUTH)
    real, left = module._settle, [1]

    def once(*arguments: Any) -> None:
        if not left:
            raise KilledError
        left.pop()
        real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(module, "_settle", once)
        with pytest.raises(KilledError):
            assigns(registrar, "77", NORTH)
    open_one(registrar.stores[NORTH], "7710000001")
    if prefix == "7":
        assert assigns(registrar, prefix, FIRST)
    else:
        with pytest.raises(Conflict):
            assigns(registrar, prefix, SOUTH)
    assert owners(registrar, "7710000002") == [NORTH]
    assert all(("77", NORTH, True) in rules(store) for store in registrar.stores.values())


def test_numbers_are_given_by_one_at_a_time(
    registrar: Registrar, south: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two operators give the same numbers to different books at once."""
    real, seen = module._wait_for_contracts, list[Exception]()

    def meanwhile(*arguments: Any) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(module, "_wait_for_contracts", real)
            try:
                assigns(registrar, "77", SOUTH)
            except Conflict as error:
                seen.append(error)
        real(*arguments)

    monkeypatch.setattr(module, "_wait_for_contracts", meanwhile)
    assert assigns(registrar, "77", NORTH)
    assert [getattr(error, "code", "") for error in seen] == ["numbers_being_given"]
    assert owners(registrar, NORTHERN) == [NORTH]


@pytest.mark.parametrize("prefix", ["77", "770"])
def test_accounts_are_found_while_their_numbers_are_asked_for(
    registrar: Registrar, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    """Callers go by the rules of the first book, which is to get the numbers here."""
    first = registrar.stores[FIRST]
    assert give(registrar)
    open_one(registrar.stores[NORTH], NORTHERN)

    def found() -> list[str]:
        books = first.query(lambda session: book_of_number(session.cursor, NORTHERN))
        client = SimpleNamespace(call=lambda *_, **__: first.query(rules_of))
        return [books, BookRouter(client, (NORTH,), {}).book_of(NORTHERN, 1.0)]

    with monkeypatch.context() as patched:

        def die(*_: Any) -> None:
            raise KilledError

        patched.setattr(module, "_wait_for_contracts", die)
        with pytest.raises(KilledError):
            assigns(registrar, prefix, FIRST)
    assert found() == [NORTH, NORTH]
    assert owners(registrar, "7700000002") == [NORTH]
    with pytest.raises(Conflict):
        assigns(registrar, prefix, FIRST)
    assert found() == [NORTH, NORTH]
    assert owners(registrar, "7700000002") == [NORTH]
