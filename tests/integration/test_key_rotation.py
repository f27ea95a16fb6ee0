"""Keys change while everything runs: nothing fails or is lost, and what is erased stays so."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.discovery import open_store
from services.notifications.envelope import Content, seal, unseal
from shared import context
from shared.config import Settings
from shared.errors import Conflict
from shared.eventstore.postgres import PostgresStore
from shared.ids import new_id
from shared.key_files import create_ring
from shared.keys import MASTER, Key, KeyFile
from tests.conftest import Database

pytestmark = pytest.mark.nodes

Keys = Callable[..., Any]


@pytest.fixture
def ring(database: Database, tmp_path: Path) -> Path:
    """The file of a ring in which the master secret of before only opens."""
    file = tmp_path / "identity.keys"
    create_ring(file, [Key(MASTER, database.settings.secret)])
    return file


@pytest.fixture
def keys(database: Database, ring: Path, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Runs ``saldo keys`` for identity and notifications, by one ring; returns its JSON."""
    for service in ("identity", "notifications"):
        variable = service.upper()
        monkeypatch.setenv(f"SALDO_SECRET_{variable}_FILE", str(ring))
        url = database.settings.database_url_of(service)
        monkeypatch.setenv(f"SALDO_DATABASE_URL_{variable}", url)
    monkeypatch.setenv("SALDO_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("SALDO_KEYS_DATABASE_URL", database.settings.keys_database_url)

    def run(*arguments: str, code: int = 0) -> Any:
        result = CliRunner().invoke(app, ["keys", *arguments])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if "--json" in arguments else result.output

    return run


def rotated(settings: Settings, ring: Path) -> Settings:
    """Return the settings of a process that has the ring, and no master secret."""
    file = KeyFile(ring)
    return replace(settings, secret=b"", key_rings={"identity": file, "notifications": file})


@contextmanager
def opened(settings: Settings, service: str = "identity") -> Iterator[PostgresStore]:
    store = open_store(service, settings)
    try:
        yield store
    finally:
        store.close()


def sealed_text(store: PostgresStore, subject: UUID) -> str:
    return str(
        store.transact(lambda session, _: session.vault.seal(subject, str(subject), "name"), None)
    )


def revealed(store: PostgresStore, subject: UUID, sealed: str) -> str | None:
    def read(session: Any) -> str | None:
        text: str | None = session.vault.reveal(subject, sealed, "name")
        return text

    return store.query(read)


def erase(store: PostgresStore, subject: UUID) -> None:
    store.transact(lambda session, _: session.vault.destroy(subject), None)


def remember(_: Any, text: str) -> str:
    return f"{text}: {new_id()}"


def executed(store: PostgresStore, command_id: UUID, text: str) -> Any:
    with context.bind(command_id=command_id):
        return store.execute(remember, text)


class Load(threading.Thread):
    """A process that seals, reveals, erases and repeats commands until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.store = open_store("identity", settings)
        self.stop = threading.Event()
        self.kept: dict[UUID, str] = {}
        self.erased: dict[UUID, str] = {}
        self.errors: list[BaseException] = []
        self.rounds = 0

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                self._round()
                self.rounds += 1
        except BaseException as error:  # noqa: BLE001 - the test fails with it
            self.errors.append(error)
        finally:
            self.store.close()

    def _round(self) -> None:
        one, other, command_id = new_id(), new_id(), new_id()
        self.kept[one] = sealed_text(self.store, one)
        self.erased[other] = sealed_text(self.store, other)
        first = executed(self.store, command_id, "x")
        for subject, sealed in list(self.kept.items())[-20:]:
            assert revealed(self.store, subject, sealed) == str(subject)
        erase(self.store, other)
        assert executed(self.store, command_id, "x") == first


def test_keys_change_under_load_and_old_ones_are_dropped(
    database: Database, ring: Path, keys: Keys
) -> None:
    with opened(database.settings) as before:
        kept = {subject: sealed_text(before, subject) for subject in (new_id() for _ in range(600))}
        gone = new_id()
        erased = {gone: sealed_text(before, gone)}
        command_id = new_id()
        first = executed(before, command_id, "from before")
        erase(before, gone)
    for owner, table in (
        (database.keys_owner("identity"), "data_keys"),
        (database.owner("identity"), "hash_keys"),
    ):
        with owner:  # as rows were before keys had ids
            owner.execute(
                f"UPDATE {table} SET wrapped = substring(wrapped FROM octet_length(wrapped) - 59)"
            )
    processes = [Load(rotated(database.settings, ring)) for _ in range(2)]
    for process in processes:
        process.start()
    for _ in range(3):
        keys("rotate", "identity", "--reason", "yearly")
        assert keys("rewrap", "identity", "--reason", "yearly", "--json")["unopened"] == 0
    for process in processes:
        process.stop.set()
        process.join()
        assert process.errors == []
        assert process.rounds > 0
        kept |= process.kept
        erased |= process.erased
    keys("rewrap", "identity", "--reason", "whatever was written meanwhile")
    with database.owner("identity") as owner:
        recorded = "SELECT count(*) FROM commands WHERE convert_from(result, 'UTF8') LIKE %s"
        assert owner.execute(recorded, ("%meanwhile%",)).fetchone() == (1,)
    states = keys("status", "identity", "--json")
    assert [state["can_be_dropped"] for state in states] == [False, True, True, True, True]
    for state in states[1:]:
        keys("drop", "identity", state["id"], "--reason", "old")
    assert len(KeyFile(ring).current()) == 1
    with opened(rotated(database.settings, ring)) as after:
        assert executed(after, command_id, "from before") == first
        with pytest.raises(Conflict):
            executed(after, command_id, "another")
        for subject, sealed in kept.items():
            assert revealed(after, subject, sealed) == str(subject)
        for subject, sealed in erased.items():
            assert revealed(after, subject, sealed) is None


def test_letters_of_the_outbox_are_sealed_anew(database: Database, ring: Path, keys: Keys) -> None:
    content = Content(to="a@example.org", subject="s", text="t", html="h")
    letters = [new_id() for _ in range(3)]
    with database.owner("notifications") as owner:
        for letter in letters:
            owner.execute(
                "INSERT INTO outbox (letter_id, sealed, correlation_id, queued_at, next_attempt_at)"
                " VALUES (%s, %s, '', now(), now())",
                (letter, seal(database.settings, letter, content)),
            )
        owner.execute(
            "INSERT INTO outbox (letter_id, correlation_id, queued_at, next_attempt_at)"
            " VALUES (%s, '', now(), now())",
            (new_id(),),  # not drawn yet
        )
        done = keys("rewrap", "notifications", "--reason", "yearly", "--json")
        assert (done["resealed"], done["unopened"]) == (3, 0)
        keys("drop", "notifications", MASTER, "--reason", "old")
        settings = rotated(database.settings, ring)
        for letter in letters:
            row = owner.execute("SELECT sealed FROM outbox WHERE letter_id = %s", (letter,))
            [sealed] = row.fetchone() or ("",)
            assert unseal(settings, letter, sealed) == content


def test_key_that_is_needed_is_not_dropped(database: Database, ring: Path, keys: Keys) -> None:
    with opened(rotated(database.settings, ring)) as store:
        sealed_text(store, new_id())
    [old] = [key.id for key in KeyFile(ring).current() if key.id != MASTER]
    assert "need it" in keys("drop", "identity", old, "--reason", "x", code=2)
    keys("rotate", "identity", "--reason", "yearly")
    assert "1 data_keys need it" in keys("drop", "identity", old, "--reason", "x", code=2)
    ring.write_text(
        "".join(line for line in ring.read_text().splitlines(True) if not line.startswith(old))
    )
    assert f"the key {old} is missing" in keys("status", "identity", code=1)


def test_key_that_a_running_command_has_used_is_not_needed_any_more(
    database: Database, ring: Path, keys: Keys
) -> None:
    """Its data key is committed before the command is, and so is sealed anew, too."""
    with opened(rotated(database.settings, ring)) as store:
        subject = new_id()
        [old] = [key.id for key in KeyFile(ring).current() if key.id != MASTER]

        def write_long(session: Any, _: None) -> str:
            sealed = str(session.vault.seal(subject, "an import", "name"))
            keys("rotate", "identity", "--reason", "x")
            assert "1 data_keys need it" in keys("drop", "identity", old, "--reason", "x", code=2)
            keys("rewrap", "identity", "--reason", "x")
            keys("drop", "identity", old, "--reason", "x")
            return sealed

        sealed = store.transact(write_long, None)
        assert revealed(store, subject, sealed) == "an import"


def test_key_is_not_dropped_while_a_hash_key_may_be_made_under_it(
    database: Database, ring: Path, keys: Keys
) -> None:
    [old] = [key.id for key in KeyFile(ring).current() if key.id != MASTER]
    keys("rotate", "identity", "--reason", "x")
    with database.owner("identity") as owner, owner.transaction():
        owner.execute("LOCK TABLE hash_keys IN ROW EXCLUSIVE MODE")
        assert "hash_keys is being written" in keys(
            "drop", "identity", old, "--reason", "x", code=2
        )


def test_owner_without_a_file_is_told_how_to_have_one(
    database: Database, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SALDO_SECRET_IDENTITY_FILE")
    monkeypatch.setenv("SALDO_SECRET", database.settings.secret.hex())
    assert "SALDO_SECRET_IDENTITY_FILE" in keys("rotate", "identity", "--reason", "x", code=2)
    assert "name a service" in keys("rotate", "nobody", "--reason", "x", code=2)


def test_hash_key_is_the_one_that_was_derived_before_and_stays(
    database: Database, ring: Path
) -> None:
    [derived] = database.settings.keys_of("identity", "email-index")
    with opened(database.settings) as before:
        assert before.hash_key("email-index") == derived.secret
    with opened(rotated(database.settings, ring)) as after:
        assert after.hash_key("email-index") == derived.secret
        assert len(after.hash_key("codes")) == 32
