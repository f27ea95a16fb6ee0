"""Data keys in a database of their own: neither database opens anything without the other."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import sql

from services.discovery import jobs_of, open_store
from services.migrate import migrate_all
from shared.config import SEALER, SERVICES, Settings
from shared.eventstore.key_jobs import destroy_keys, destroy_keys_again, move_keys
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.sealed_columns import reseal_all, wrapped_keys
from shared.ids import new_id
from shared.key_files import add_key, create_ring, drop_key
from shared.keys import KeyFile, UnknownKeyError
from shared.privacy import KeyDestroyedError, open_field, seal_with, unwrap, wrap
from tests.conftest import Database, role_of, signed_in_as

pytestmark = pytest.mark.nodes


@dataclass
class Apart:
    """An installation whose keys lie in a database of their own."""

    settings: Settings
    ring: Path
    store: PostgresStore

    def seal(self, subject: UUID, text: str) -> str:
        return str(self.store.transact(lambda s, _: s.vault.seal(subject, text, "name"), None))

    def reveal(self, subject: UUID, sealed: str) -> str | None:
        text: str | None = self.store.query(lambda s: s.vault.reveal(subject, sealed, "name"))
        return text

    def destroy(self, subject: UUID) -> None:
        self.store.transact(lambda session, _: session.vault.destroy(subject), None)

    def rows(self, url: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(url) as connection:
            return connection.execute(query, parameters).fetchall()

    def key_holders(self) -> set[UUID]:
        """Return whose keys there are."""
        found = self.rows(
            self.settings.keys_database_url, "SELECT subject FROM identity_keys.data_keys"
        )
        return {subject for (subject,) in found}


@pytest.fixture
def apart(base_settings: Settings, tmp_path: Path) -> Iterator[Apart]:
    """Two databases, as the migrator makes them; that of keys it creates itself."""
    names = [f"saldo_apart_{secrets.token_hex(4)}{suffix}" for suffix in ("", "_keys")]
    url = base_settings.database_url
    owner, keys = (urlunsplit(urlsplit(url)._replace(path=f"/{name}")) for name in names)
    ring = tmp_path / "identity.keys"
    create_ring(ring)
    settings = replace(
        base_settings,
        database_url=owner,
        keys_database_url=keys,
        database_urls={
            name: signed_in_as(owner, role_of(name), "saldo-test") for name in (*SERVICES, SEALER)
        },
        keys_database_urls={
            name: signed_in_as(keys, role_of(name), "saldo-test") for name in SERVICES
        },
        secret=b"",
        key_rings={"identity": KeyFile(ring)},
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(names[0])))
        migrate_all(["identity", "ledger"], settings)
        store = open_store("identity", settings)
        yield Apart(settings, ring, store)
        store.close()
        for name in names:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def dump(url: str) -> str:
    """Return what pg_dump writes of a database."""
    from deploy.embedded.postgres_binaries import binaries

    done = subprocess.run(
        [binaries() / "pg_dump", "--inserts", url], check=True, capture_output=True, text=True
    )
    return done.stdout


def test_a_dump_of_one_database_opens_nothing_without_the_other(apart: Apart) -> None:
    subject = new_id()
    sealed = apart.seal(subject, "Канарейка")
    data, keys = dump(apart.settings.database_url), dump(apart.settings.keys_database_url)
    assert str(subject) not in data
    assert str(subject) in keys
    assert sealed not in keys
    for text in (data, keys):
        assert "Канарейка" not in text
        assert KeyFile(apart.ring).current()[0].secret.hex() not in text


def test_only_the_services_own_role_reaches_its_keys(apart: Apart) -> None:
    apart.seal(new_id(), "x")
    of_identity = apart.settings.keys_database_url_of("identity")
    assert len(apart.rows(of_identity, "SELECT 1 FROM identity_keys.data_keys")) == 1
    of_ledger = apart.settings.keys_database_url_of("ledger")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        apart.rows(of_ledger, "SELECT 1 FROM identity_keys.data_keys")
    assert apart.rows(of_ledger, "SELECT 1 FROM ledger_keys.data_keys") == []


def test_an_old_dump_of_the_keys_opens_nothing_once_its_ring_key_is_dropped(apart: Apart) -> None:
    subject, kept = new_id(), new_id()
    sealed, other = apart.seal(subject, "Канарейка"), apart.seal(kept, "Анна")
    old = apart.rows(
        apart.settings.keys_database_url, "SELECT subject, wrapped FROM identity_keys.data_keys"
    )
    apart.destroy(subject)
    assert destroy_keys(apart.store) == 1
    ring = apart.settings.keys_of("identity", "data-keys")
    wrapped = {key: bytes(value) for key, value in old}
    # With the ring of that time the dump opens it still.
    key = unwrap(ring, wrapped[subject], subject.bytes)
    assert open_field(key, sealed, subject, "name") == "Канарейка"
    [before] = KeyFile(apart.ring).current()
    add_key(apart.ring, "the month's rotation")
    column = wrapped_keys("data_keys", "subject", apart=True)
    assert reseal_all(apart.store, apart.settings, column) == (1, 0)
    drop_key(apart.ring, before.id, "the month's rotation")
    ring.look()
    for whose in (subject, kept):
        with pytest.raises(UnknownKeyError):
            unwrap(ring, wrapped[whose], whose.bytes)
    assert apart.reveal(kept, other) == "Анна"


def test_a_key_is_committed_before_what_it_seals(apart: Apart) -> None:
    subject = new_id()

    def fail(session: Any, _: None) -> None:
        session.vault.seal(subject, "x", "name")
        assert subject in apart.key_holders()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        apart.store.transact(fail, None)
    assert subject in apart.key_holders()  # a key without data does no harm


def test_many_keys_take_few_round_trips_and_existing_ones_stay(apart: Apart) -> None:
    known = new_id()
    sealed = apart.seal(known, "Анна")
    subjects = [known, *(new_id() for _ in range(3000))]

    def load(session: Any, _: None) -> list[str]:
        session.vault.new_keys(subjects)
        with mock.patch.object(apart.store.data_keys, "transaction", side_effect=AssertionError):
            return [session.vault.seal(one, str(one), "name") for one in subjects]

    keys = apart.store.data_keys
    with mock.patch.object(keys, "transaction", wraps=keys.transaction) as transaction:
        texts: Sequence[str] = apart.store.transact(load, None)
    assert transaction.call_count <= 3
    assert apart.key_holders() == set(subjects)
    assert apart.reveal(known, sealed) == "Анна"
    assert apart.reveal(subjects[-1], texts[-1]) == str(subjects[-1])


def test_two_who_make_a_key_at_once_get_the_same(apart: Apart) -> None:
    subject = new_id()
    find = apart.store.data_keys.find

    def slow(subjects: Sequence[UUID]) -> dict[UUID, bytes]:
        found = find(subjects)
        if not found:  # the other one is faster from here on
            with mock.patch.object(apart.store.data_keys, "find", find):
                sealed.append(apart.seal(subject, "first"))
        return found

    sealed: list[str] = []
    with mock.patch.object(apart.store.data_keys, "find", side_effect=slow):
        second = apart.seal(subject, "second")
    assert apart.reveal(subject, sealed[0]) == "first"
    assert apart.reveal(subject, second) == "second"


def test_a_key_is_destroyed_after_its_event_though_a_crash_comes_between(apart: Apart) -> None:
    subject = new_id()
    sealed = apart.seal(subject, "Анна")

    def fail(session: Any, _: None) -> None:
        session.vault.destroy(subject)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        apart.store.transact(fail, None)
    assert destroy_keys(apart.store) == 0
    assert apart.reveal(subject, sealed) == "Анна"
    apart.destroy(subject)
    with (
        mock.patch.object(
            apart.store.data_keys, "destroy", side_effect=psycopg.OperationalError("killed")
        ),
        pytest.raises(psycopg.OperationalError),
    ):
        destroy_keys(apart.store)
    assert subject in apart.key_holders()
    assert apart.reveal(subject, sealed) is None
    with pytest.raises(KeyDestroyedError):
        apart.seal(subject, "again")
    assert destroy_keys(apart.store) == 1
    assert subject not in apart.key_holders()
    assert apart.reveal(subject, sealed) is None
    apart.destroy(subject)
    assert [destroy_keys(apart.store) for _ in range(2)] == [1, 0]


def test_a_restored_dump_of_the_keys_loses_what_was_destroyed_since(apart: Apart) -> None:
    subject = new_id()
    sealed = apart.seal(subject, "Анна")
    [(wrapped,)] = apart.rows(
        apart.settings.keys_database_url, "SELECT wrapped FROM identity_keys.data_keys"
    )
    apart.destroy(subject)
    destroy_keys(apart.store)
    apart.store.data_keys.keep({subject: bytes(wrapped)})
    assert apart.reveal(subject, sealed) is None
    assert destroy_keys_again(apart.store) == 1
    assert apart.key_holders() == set()
    assert destroy_keys_again(apart.store) == 0


def test_keys_of_an_older_installation_are_moved_while_it_is_used(apart: Apart) -> None:
    ring = apart.settings.keys_of("identity", "data-keys")
    old = {new_id(): AESGCM.generate_key(256) for _ in range(1200)}
    sealed = {one: seal_with(key, str(one), one.bytes) for one, key in old.items()}
    gone, *others = old
    with psycopg.connect(apart.settings.database_url) as owner:
        owner.cursor().executemany(
            "INSERT INTO identity.data_keys (subject, wrapped) VALUES (%s, %s)",
            [(one, wrap(ring.first, key, one.bytes)) for one, key in old.items()],
        )
    assert apart.reveal(others[0], sealed[others[0]]) == str(others[0])
    later = apart.seal(others[1], "after the upgrade")
    apart.destroy(gone)
    destroy_keys(apart.store)
    moved = 0
    while found := move_keys(apart.store):
        moved += found
        for one in (others[0], others[-1]):
            assert apart.reveal(one, sealed[one]) == str(one)
    assert moved == len(others)
    assert apart.key_holders() == set(others)
    left = apart.rows(apart.settings.database_url, "SELECT count(*) FROM identity.data_keys")
    assert left == [(0,)]
    for one in others:
        assert apart.reveal(one, sealed[one]) == str(one)
    assert apart.reveal(others[1], later) == "after the upgrade"
    assert apart.reveal(gone, sealed[gone]) is None


def test_nobody_adds_a_key_beside_the_data_any_more(apart: Apart) -> None:
    url = apart.settings.database_url_of("identity")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        apart.rows(url, "INSERT INTO identity.data_keys VALUES (gen_random_uuid(), '')")


def test_every_service_moves_and_destroys_keys_by_jobs() -> None:
    for service in SERVICES:
        names = [job.name for job in jobs_of(service)]
        # What was lost is found first: the keys of who was erased then are destroyed with the rest.
        assert names[:4] == ["recover", "destroy_keys", "move_keys", "destroy_keys_again"]


def test_what_has_had_its_time_is_forgotten_by_a_job(database: Database) -> None:
    """The list of destroyed keys, the security log, and the rows of letters that were sent."""
    for service, job in (("identity", "forget"), ("notifications", "forget_letters")):
        store = database.store(service)
        with database.owner(service) as owner:
            for days in (10, 4000):
                if service == "identity":
                    owner.execute(
                        "INSERT INTO destroyed_keys (subject, done_at)"
                        " VALUES (gen_random_uuid(), now() - make_interval(days => %s))",
                        (days,),
                    )
                else:
                    owner.execute(
                        "INSERT INTO letters (letter_id, kind, state, queued_at, position)"
                        " VALUES (gen_random_uuid(), 'x', 'sent',"
                        " now() - make_interval(days => %s), %s)",
                        (days, days),
                    )
            run = {each.name: each.run for each in jobs_of(service)}[job]
            assert [run(SimpleNamespace(store=store)) for _ in range(2)] == [1, 0]
