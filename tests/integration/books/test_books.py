"""Books of the ledger on real nodes, in one database and in two: each is a log of its own."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from services.discovery import reactions_of
from services.ledger.seal import process
from services.ledger.seal.checkpoint import SignatureError, VerifierKey, open_checkpoint
from services.ledger.seal.keys import DEFAULT_NAME, environ_of, seal_keys
from services.ledger.seal.process import SealingTasks
from services.ledger.seal.requests import request_checkpoint
from shared.bus import reading
from shared.bus.epochs import stored_history
from shared.bus.listen import Listener
from shared.bus.messages import read_message
from shared.bus.topology import log_exchange
from shared.bus.worker import Worker
from tests.integration.books.two_books import FIRST, NORTH, TwoBooks, Upstreams
from tests.integration.bus_ends import Reader, open_one, pay
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("clean_bus")

NUMBERS = {FIRST: "0100000001", NORTH: "7700000001"}


def position_of(books: TwoBooks, log: str) -> int:
    with books.store("payments").transaction() as cursor:
        return reading.read_point(cursor, log).position


@pytest.mark.usefixtures("on_the_bus")
def test_each_book_publishes_its_own_log_and_services_read_them_all(
    books: TwoBooks, worker: Worker, amqp_url: str
) -> None:
    stores = {log: books.store(log) for log in NUMBERS}
    readers = {
        log: Reader(amqp_url, queue=f"reader of {log}", exchange=log_exchange(log).name)
        for log in stores
    }
    for count, (log, store) in enumerate(stores.items(), start=1):
        open_one(store, NUMBERS[log])
        pay(store, count, NUMBERS[log])
        books.publish(worker, store)
    payments = books.store("payments")
    services = Upstreams(books.settings, payments, stores)
    upstreams = reactions_of("payments", books.settings.books)
    assert {FIRST, NORTH, "accounts"} == set(upstreams)
    for log in stores:
        listener = Listener(services, payments, log, upstreams[log], worker.stop)
        worker.start(f"payments from {log}", listener.run)
    for count, (log, reader) in enumerate(readers.items(), start=1):
        for position, (_, headers, body) in enumerate(reader.read(1 + count), start=1):
            message = read_message(headers, body)
            assert (message.source, message.position) == (log, position)
            assert message.id == f"{log}-{message.epoch}-{position}"
            assert "/ledger/" in headers["cloudEvents_dataschema"]
            assert NUMBERS[log].encode() in body
        eventually(
            lambda log=log, count=count: position_of(books, log) == 1 + count,  # type: ignore[misc]
            f"payments have read {log}",
        )
        eventually(
            lambda log=log, count=count: books.relayed(log) == 1 + count,  # type: ignore[misc]
            f"the relay of {log} has noted so",
        )
        reader.connection.close()


def test_books_have_positions_epochs_and_commands_of_their_own(books: TwoBooks) -> None:
    first, north = books.store(FIRST), books.store(NORTH)
    for store in (first, north):
        open_one(store, NUMBERS[store.service])
    pay(north, 3, NUMBERS[NORTH])

    def epoch_and_head(store: Any) -> tuple[str, int]:
        history, confirmed = store.query(lambda session: stored_history(session.cursor))
        assert confirmed
        return history.current.name, history.head

    (epoch_of_first, head_of_first), (epoch_of_north, head_of_north) = (
        epoch_and_head(first), epoch_and_head(north),
    )  # fmt: skip
    assert (head_of_first, head_of_north) == (1, 4)
    assert epoch_of_first != epoch_of_north
    # A writer of one book waits for nobody in the other.
    with first.session() as session:
        first.recorder.lock(session.cursor)
        pay(north, 1, NUMBERS[NORTH])
    assert epoch_and_head(north)[1] == 5


@pytest.fixture
def sealers(
    books: TwoBooks, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, tuple[VerifierKey, ...]]]:
    """Sealers of both books at work, and the keys by which their checkpoints are verified."""
    monkeypatch.setattr(process, "SEAL_SECONDS", 0.1)
    environ = {
        f"SALDO_{log.upper()}_SEAL_KEY": base64.b64encode(bytes([number] * 32)).decode()
        for number, log in enumerate(NUMBERS, start=1)
    }
    stop = threading.Event()
    tasks = {log: SealingTasks(books.settings, stop, environ, log) for log in NUMBERS}
    threads = [threading.Thread(target=one.seal) for one in tasks.values()]
    for log in NUMBERS:
        books.store(log)  # its log is confirmed
    for thread in threads:
        thread.start()
    try:
        yield {log: seal_keys(environ_of(log, environ)).trusted for log in NUMBERS}
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_the_log_of_each_book_is_sealed_under_an_origin_and_a_key_of_its_own(
    books: TwoBooks, sealers: dict[str, tuple[VerifierKey, ...]]
) -> None:
    checkpoints = {}
    for count, log in enumerate(NUMBERS, start=1):
        store = books.store(log)
        open_one(store, NUMBERS[log])
        pay(store, count, NUMBERS[log])
        with books.database.runtime(log) as connection:
            sealed = request_checkpoint(connection, 20.0)
        checkpoints[log] = open_checkpoint(sealed.note, sealers[log])
        other = next(keys for name, keys in sealers.items() if name != log)
        with pytest.raises(SignatureError):
            open_checkpoint(sealed.note, other)
    assert [one.size for one in checkpoints.values()] == [2, 3]
    assert [one.origin for one in checkpoints.values()] == [DEFAULT_NAME, f"{DEFAULT_NAME}/north"]


def test_a_service_may_not_write_into_a_book_of_another(books: TwoBooks) -> None:
    """The runtime role of one book reads and writes nothing of the other."""
    with books.owner(NORTH) as owner:
        rows = owner.execute(
            "SELECT grantee FROM information_schema.role_table_grants"
            " WHERE table_schema = %s AND table_name = 'balances' AND privilege_type = 'INSERT'",
            (NORTH,),
        ).fetchall()
    roles = {row[0] for row in rows}
    own = books.settings.database_role_of(NORTH)
    assert {own, f"{own}_writer"} <= roles
    assert books.settings.database_role_of(FIRST) not in roles
