"""The log after its server was put back, replaced or started again: epochs on real restores."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from services.discovery import open_store
from services.ledger.publishing import publish
from shared.bus.epochs import Epoch, LogHistory
from shared.bus.history import history_of
from shared.bus.live import Handoff, LiveFeed
from shared.bus.messages import EPOCH_HEADER, POSITION_HEADER, PREDECESSOR_HEADER
from shared.bus.principals import user_of
from shared.bus.publisher import ConfirmedPublisher
from shared.bus.relay import Relay, published_of
from shared.bus.topology import connect, declare_publishing, log_exchange
from shared.bus.worker import Worker
from shared.config import Settings
from shared.errors import Unavailable
from tests.integration.bus_ends import Reader, end, open_one, pay
from tests.integration.restorable_postgres import RestorablePostgres, migrate_ledger
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("clean_bus")


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory, base_settings: Settings) -> Path:
    """The data of a server with an empty ledger."""
    server = RestorablePostgres(tmp_path_factory.mktemp("seed") / "server")
    server.create()
    migrate_ledger(server.settings(base_settings))
    server.stop()
    return server.data


@pytest.fixture
def server(seed: Path, tmp_path: Path) -> Iterator[RestorablePostgres]:
    made = RestorablePostgres(tmp_path / "server")
    made.folder.mkdir()
    made.data.mkdir()
    made.put_back(seed)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def settings(server: RestorablePostgres, base_settings: Settings) -> Settings:
    return server.settings(base_settings)


@pytest.fixture
def reader(amqp_url: str) -> Iterator[Reader]:
    """Whoever gets what the relay publishes."""
    made = Reader(amqp_url, exchange=log_exchange("ledger").name)
    yield made
    made.connection.close()


def append(settings: Settings, payments: int) -> None:
    """Append payments, as commands do whether or not a relay runs; first of all the account."""
    with closing(open_store("ledger", settings)) as store:
        with store.transaction() as cursor:
            empty = cursor.execute("SELECT FROM events").fetchone() is None
        if empty:
            open_one(store)
        pay(store, payments)


def published(settings: Settings) -> LogHistory:
    """Publish all there is, and return the history of the log."""
    worker = Worker()
    with closing(open_store("ledger", settings)) as store:
        handoff = Handoff()
        relay = Relay(settings, store, publish, worker.stop, handoff.put)
        worker.start("relay", relay.run)
        worker.start("live", LiveFeed(settings, store, publish, worker.stop, handoff).run)
        history = eventually(lambda: all_sent(settings, store), "all is published")
        end(worker, settings, handoff)
    return history


def all_sent(settings: Settings, store: object) -> LogHistory | None:
    with psycopg.connect(settings.database_url, options="-c search_path=ledger") as owner:
        row = owner.execute("SELECT relay.position, live.position FROM relay, live").fetchone()
    try:
        history = history_of(store)  # type: ignore[arg-type]
    except Unavailable:
        return None
    return history if row == (history.head, history.head) else None


def places(reader: Reader, count: int) -> list[tuple[str, int]]:
    return [(h[EPOCH_HEADER], h[POSITION_HEADER]) for _, h, _ in reader.read(count)]


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGQUIT])
def test_restart_of_the_server_goes_on_in_the_same_epoch(
    server: RestorablePostgres, settings: Settings, reader: Reader, way: int
) -> None:
    append(settings, 2)
    first = published(settings)
    server.stop(way)
    server.start()
    append(settings, 1)
    again = published(settings)
    assert again.epochs == first.epochs
    wanted = [(first.current.name, n) for n in range(1, 5)]
    got = places(reader, 4)
    while wanted[-1] not in got:
        # A server that crashes loses what was noted last: that is sent again, in order.
        assert way == signal.SIGQUIT
        got = places(reader, len(got) + 1)
    assert list(dict.fromkeys(got)) == wanted


def test_cold_copy_put_back_is_found(
    server: RestorablePostgres, settings: Settings, reader: Reader
) -> None:
    """The same server by all that it says of itself; it was only started another time."""
    append(settings, 2)
    first = published(settings)
    server.stop()
    copy = server.copy("copy")
    server.start()
    append(settings, 3)
    assert published(settings).epochs == first.epochs
    server.stop()
    server.put_back(copy)
    server.start()
    append(settings, 2)
    second = published(settings)
    assert second.current.reason == "tail_lost"
    assert second.current.after == second.end_of(first.current.name) == 3
    assert not second.fits(first.current.name, 6)
    got = places(reader, 8)
    assert got[:6] == [(first.current.name, n) for n in range(1, 7)]
    assert got[6:] == [(second.current.name, 4), (second.current.name, 5)]
    assert [h[PREDECESSOR_HEADER] for _, h, _ in reader.got[6:]] == [3, 4]
    assert len({headers["cloudEvents_id"] for _, headers, _ in reader.got}) == 8


def test_two_restores_of_one_copy_never_share_a_name(
    server: RestorablePostgres, settings: Settings
) -> None:
    append(settings, 2)
    published(settings)
    server.stop()
    copy = server.copy("copy")
    lines = []
    for _ in range(2):
        server.start()
        append(settings, 2)
        lines.append(published(settings))
        server.stop()
        server.put_back(copy)
    server.start()
    append(settings, 1)
    lines.append(published(settings))
    (one, two, three) = lines
    assert [len(line.epochs) for line in lines] == [1, 2, 2]
    assert two.current.name != three.current.name
    assert three.end_of(two.current.name) is None
    assert three.shared_with(two) == three.shared_with(one) == 3


def test_log_is_closed_for_others_until_it_was_compared(
    server: RestorablePostgres, settings: Settings
) -> None:
    append(settings, 2)
    published(settings)
    server.stop()
    server.start()
    with closing(open_store("ledger", settings)) as store:
        with pytest.raises(Unavailable) as refused:
            history_of(store)
        assert refused.value.code == "log_not_confirmed"
        pay(store, 1)  # commands work
    published(settings)
    with closing(open_store("ledger", settings)) as store:
        assert history_of(store).head == 4


def standby_with(
    server: RestorablePostgres, folder: Path, settings: Settings, *, behind: bool
) -> RestorablePostgres:
    """Return a standby promoted after its primary was lost, with or without its last events."""
    standby = server.standby(folder)
    if behind:
        standby.stop()
    append(settings, 2)
    published(settings)
    if not behind:
        caught_up(server, standby)
    server.stop(signal.SIGQUIT)
    if behind:
        standby.start()
    with psycopg.connect(standby.url, autocommit=True) as owner:
        owner.execute("SELECT pg_promote()")
    return standby


def caught_up(server: RestorablePostgres, standby: RestorablePostgres) -> None:
    with (
        psycopg.connect(server.url, autocommit=True) as primary,
        psycopg.connect(standby.url, autocommit=True) as other,
    ):
        row = primary.execute("SELECT pg_current_wal_lsn()").fetchone()
        eventually(
            lambda: (
                other.execute("SELECT pg_last_wal_replay_lsn() >= %s", row).fetchone() == (True,)
            ),
            "the standby has everything",
        )


@pytest.mark.parametrize("behind", [True, False])
def test_promoted_standby_begins_an_epoch(
    server: RestorablePostgres,
    settings: Settings,
    base_settings: Settings,
    tmp_path: Path,
    behind: bool,
) -> None:
    append(settings, 2)
    first = published(settings)
    standby = standby_with(server, tmp_path / "standby", settings, behind=behind)
    try:
        promoted = standby.settings(base_settings)
        append(promoted, 4)
        second = published(promoted)
    finally:
        standby.stop()
    end = 3 if behind else 5
    assert second.current.reason == ("tail_lost" if behind else "promoted")
    assert second.current.after == second.end_of(first.current.name) == end
    assert second.head == end + 4


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("way", ["database", "schema"])
def test_restored_dump_begins_an_epoch(
    server: RestorablePostgres,
    settings: Settings,
    base_settings: Settings,
    way: str,
    lost: bool,
) -> None:
    append(settings, 2)
    first = published(settings)
    dump = server.folder / "dump"
    server.dump(dump, "-n", "ledger", "-n", "ledger_keys")
    append(settings, 2 if lost else 0)
    published(settings)
    with psycopg.connect(settings.database_url, autocommit=True) as owner:
        if way == "schema":
            owner.execute("DROP SCHEMA ledger CASCADE")
            owner.execute("DROP SCHEMA ledger_keys CASCADE")
        else:
            owner.execute("CREATE DATABASE other")
    database = "saldo" if way == "schema" else "other"
    server.restore(dump, database)
    restored = server.settings(base_settings, database)
    append(restored, 3)
    second = published(restored)
    assert second.current.reason == ("tail_lost" if lost else "restored")
    assert second.current.after == second.end_of(first.current.name) == 3
    assert second.head == 6


def test_relay_and_live_feed_are_cut_back_where_the_events_alone_were_restored(
    server: RestorablePostgres, settings: Settings, reader: Reader
) -> None:
    append(settings, 6)
    first = published(settings)
    with psycopg.connect(settings.database_url, options="-c search_path=ledger") as owner:
        owner.execute("ALTER TABLE events DISABLE TRIGGER USER")
        owner.execute("DELETE FROM events WHERE notification_id > 4")
        owner.execute("ALTER TABLE events ENABLE TRIGGER USER")
        owner.execute("DELETE FROM payment_postings WHERE position > 4")
        owner.execute("UPDATE balances SET version = 4")
    second = published(settings)
    assert (second.current.after, second.current.reason) == (4, "tail_lost")
    with psycopg.connect(settings.database_url, options="-c search_path=ledger") as owner:
        relay = owner.execute("SELECT position, published FROM relay").fetchone()
        live = owner.execute("SELECT position, published, types FROM live").fetchone()
    assert relay == (4, 4)
    assert live == (4, 4, {"account_opened": 1, "payment_posted": 4})
    assert not second.fits(first.current.name, 7)


def test_installation_of_before_the_upgrade_goes_on_in_epoch_1(
    server: RestorablePostgres, settings: Settings, amqp_url: str, reader: Reader
) -> None:
    """Its messages name no epoch, and its schema records no run of the server."""
    with psycopg.connect(settings.database_url, options="-c search_path=ledger") as owner:
        owner.execute("DROP TRIGGER events_note_log_start ON events")
        owner.execute("DROP FUNCTION note_log_start")
        owner.execute("DROP TABLE epochs, log_run, log_starts, leaders")
        owner.execute("DELETE FROM migrations WHERE name = '0000_epochs.sql'")
    append(settings, 2)
    with (
        closing(open_store("ledger", settings)) as store,
        connect(amqp_url, name="an older relay", heartbeat=0) as broker,
    ):
        rows = store.log_after(0, 9)
        publisher = ConfirmedPublisher(broker.channel(), user_of(amqp_url))
        history = LogHistory((Epoch("1", 0, rows[0].recorded_at, "first"),), 3)
        envelopes, _, _ = published_of(store, publish, history, rows, 0, 0)
        declare_publishing(broker, "ledger", settings)
        for sent in envelopes:
            del sent.headers[EPOCH_HEADER]
            publisher.wait_for(publisher.publish("ledger.log", sent))
    with psycopg.connect(settings.database_url, options="-c search_path=ledger") as owner:
        owner.execute("UPDATE relay SET position = 3, published = 3")
        owner.execute("UPDATE live SET position = 3, published = 3")
    migrate_ledger(settings)
    append(settings, 1)
    upgraded = published(settings)
    assert [(epoch.name, epoch.after) for epoch in upgraded.epochs] == [("1", 0)]
    [*old, (_, headers, _)] = reader.read(4)
    assert [h["cloudEvents_id"] for _, h, _ in old] == ["ledger-1", "ledger-2", "ledger-3"]
    assert (headers["cloudEvents_id"], headers[EPOCH_HEADER]) == ("ledger-4", "1")


def test_service_may_ask_which_server_it_is_on_where_not_everybody_may(
    server: RestorablePostgres, settings: Settings
) -> None:
    with psycopg.connect(settings.database_url, autocommit=True) as owner:
        for function in ("pg_control_system()", "pg_postmaster_start_time()"):
            owner.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
    migrate_ledger(settings)
    append(settings, 1)
    assert published(settings).head == 2
