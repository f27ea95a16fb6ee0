"""Who can do what in the database: each test is a cell of the table in ARCHITECTURE."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from services.discovery import migrations_of
from services.ledger.application import OpenAccount, open_account
from services.staff_logins import READERS_CONNECTIONS, drop_login, memberships, put_login
from shared import context
from shared.config import SEALER, SERVICES
from shared.eventstore import privileges
from shared.eventstore.migrations import BASE, migrate
from shared.eventstore.privileges import access_in, reader_of, staff_admin_of, writer_of
from shared.staff import READ_BY_AUDITORS
from tests.conftest import Database, role_of
from tests.nodes import Nodes
from tests.staff_logins import SignedIn, signed_in

REFUSED = psycopg.errors.InsufficientPrivilege
LOCKS = ", ".join(
    f"pg_{way}advisory_{scope}lock{kind}({keys})"
    for way in ("", "try_")
    for scope in ("", "xact_")
    for kind in ("", "_shared")
    for keys in ("bigint", "integer,integer")
)
"""All functions that take an advisory lock."""
EVENT = (
    "INSERT INTO events (originator_id, originator_version, topic, state, notification_id, "
    "recorded_at, command_id, actor, correlation_id) "
    "VALUES (gen_random_uuid(), 1, 'forged', '', 1, now(), gen_random_uuid(), %s, '')"
)


@pytest.fixture
def auditor(database: Database) -> Iterator[SignedIn]:
    with signed_in(database, "auditor", "auditor") as made:
        yield made


def tables_of(database: Database, service: str) -> set[str]:
    with database.owner(service) as owner:
        rows = owner.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace "
            "AND relkind IN ('r', 'p', 'v', 'm')",
            (service,),
        )
        return {row[0] for row in rows}


def readable_by(connection: psycopg.Connection[Any], service: str, tables: set[str]) -> set[str]:
    """Return the tables that a connection can really read."""
    found = set()
    for table in tables:
        try:
            connection.execute(f"SELECT * FROM {service}.{table} LIMIT 1")
            found.add(table)
        except REFUSED:
            pass
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_is_declared_readable_or_secret(database: Database, service: str) -> None:
    access = access_in(migrations_of(service))
    own = {*access.readable, *access.secret}
    declared = privileges.READABLE | privileges.SECRET | own
    assert tables_of(database, service) == declared
    assert not set(access.readable) & set(access.secret)


def test_auditor_reads_what_has_no_secrets_and_nothing_else(
    database: Database, auditor: SignedIn
) -> None:
    for service in SERVICES:
        readable = privileges.READABLE | set(access_in(migrations_of(service)).readable)
        expected = readable if service in READ_BY_AUDITORS else {"security_log"}
        with auditor.connect(service) as connection:
            tables = tables_of(database, service)
            assert readable_by(connection, service, tables) == expected, service


@pytest.mark.parametrize("service", SERVICES)
def test_auditor_writes_nothing(database: Database, auditor: SignedIn, service: str) -> None:
    with auditor.connect(service) as connection:
        connection.execute("SET default_transaction_read_only = off")
        for table in tables_of(database, service):
            for statement in (
                f"INSERT INTO {service}.{table} DEFAULT VALUES",
                f"DELETE FROM {service}.{table}",
                f"TRUNCATE {service}.{table}",
                f"DROP TABLE {service}.{table}",
            ):
                with pytest.raises(REFUSED):
                    connection.execute(statement)
        for right in (writer_of, str):
            with pytest.raises(REFUSED):
                connection.execute(f"SET ROLE {right(role_of(service))}")


def test_auditor_is_told_that_he_only_reads(auditor: SignedIn) -> None:
    with auditor.connect("ledger") as connection:
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("on",)


def test_a_reader_cannot_take_all_connections(
    database: Database, auditor: SignedIn, administrator: SignedIn
) -> None:
    for one in (auditor, administrator):
        with ExitStack() as opened:
            own = [opened.enter_context(one.connect("ledger")) for _ in range(READERS_CONNECTIONS)]
            with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
                one.connect("ledger")
            own[0].execute("SET default_transaction_read_only = off")
            with pytest.raises(REFUSED):  # nor lift the limit
                own[0].execute("ALTER ROLE CURRENT_USER CONNECTION LIMIT -1")


def test_only_who_writes_takes_advisory_locks(
    nodes: Nodes,
    database: Database,
    auditor: SignedIn,
    administrator: SignedIn,
    operator: SignedIn,
) -> None:
    """Whoever holds the lock of the append makes every writer wait."""
    with database.owner("ledger") as owner:
        taken = owner.execute(
            "SELECT has_function_privilege('public', 'pg_advisory_lock(bigint)', 'EXECUTE')"
        ).fetchone()
    if taken == (True,):
        assert not nodes.embedded, "our own server lets nobody but the owner"
        pytest.skip("this server lets everybody: see deploy/postgres/advisory_locks.sql")
    for one in (auditor, administrator):
        with one.connect("ledger") as connection:
            for function in LOCKS.split(", "):
                name, _, kinds = function.partition("(")
                keys = ", ".join(["1"] * (kinds.count(",") + 1))
                with pytest.raises(REFUSED):
                    connection.execute(f"SELECT {name}({keys})")
    with operator.connect("ledger", writer_of(role_of("ledger"))) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('ledger.events', 0))")


@pytest.mark.parametrize("actor", ["staff:sidorova", "service:ledger", "person:1", ""])
def test_the_log_takes_no_other_name_from_an_operator(
    database: Database, operator: SignedIn, actor: str
) -> None:
    with operator.connect("ledger", writer_of(role_of("ledger"))) as connection:
        with pytest.raises(psycopg.errors.CheckViolation, match="actor_is_the_login"):
            connection.execute(EVENT, (actor,))
        with pytest.raises(REFUSED):
            connection.execute(EVENT.replace("actor,", "actor, recorded_by,").replace(
                "%s, ", "%s, '', "), (actor,))  # fmt: skip


def test_the_database_writes_who_an_operator_is(database: Database, operator: SignedIn) -> None:
    with operator.connect("ledger", writer_of(role_of("ledger"))) as connection:
        connection.execute(EVENT, (operator.actor,))
        connection.execute(
            "INSERT INTO commands (command_id, fingerprint, result) "
            "VALUES (gen_random_uuid(), '', '')"
        )
        for table in ("events", "commands"):
            row = connection.execute(f"SELECT recorded_by FROM {table}").fetchone()
            assert row == (f"staff.{operator.name}",)


def test_the_log_of_an_older_version_was_written_by_nobody_else(database: Database) -> None:
    folder, settings = files("shared.eventstore"), database.settings
    with database.owner("ledger") as owner:
        owner.execute("DROP SCHEMA ledger CASCADE")
        owner.execute("CREATE SCHEMA ledger")
        owner.execute("CREATE TABLE migrations (name text PRIMARY KEY, digest text NOT NULL)")
        for name in BASE[: BASE.index("staff.sql")]:
            text = folder.joinpath(name).read_text(encoding="utf-8")
            owner.execute(text)  # type: ignore[call-overload]
            digest = sha256(text.encode()).hexdigest()
            owner.execute("INSERT INTO migrations VALUES (%s, %s)", (f"0000_{name}", digest))
        owner.execute(EVENT, ("staff:anybody",))
    runtime = settings.database_url_of("ledger")
    for _ in range(2):
        migrate(settings.database_url, "ledger", runtime, migrations_of("ledger"))
    with database.store("ledger").transaction() as cursor:
        rows = cursor.execute("SELECT actor, recorded_by FROM events").fetchall()
    assert rows == [{"actor": "staff:anybody", "recorded_by": ""}]


def test_a_service_writes_in_anybodys_name(database: Database) -> None:
    store = database.store("ledger")
    with context.bind(actor="staff:clerk", command_id=uuid4()):
        store.execute(open_account, OpenAccount(number="01", payer_kind="household"))
    with store.transaction() as cursor:
        rows = cursor.execute("SELECT actor, recorded_by FROM events").fetchall()
    assert rows == [{"actor": "staff:clerk", "recorded_by": ""}]


def test_operator_cannot_become_the_service(database: Database, operator: SignedIn) -> None:
    """With the runtime role itself he could change its password, and sign in as nobody."""
    runtime = role_of("ledger")
    with operator.connect("ledger", writer_of(runtime)) as connection:
        for statement in (
            f"SET ROLE {runtime}",
            f"SET SESSION AUTHORIZATION {runtime}",
            f"ALTER ROLE {runtime} PASSWORD 'mine'",
            "ALTER TABLE events ALTER COLUMN recorded_by SET DEFAULT ''",
            "ALTER TABLE events DROP CONSTRAINT actor_is_the_login",
            "UPDATE events SET actor = 'staff:petrova'",
        ):
            with pytest.raises(REFUSED):
                connection.execute(statement)


def test_operator_writes_nothing_before_he_takes_a_role(
    database: Database, operator: SignedIn
) -> None:
    with operator.connect("ledger") as connection, pytest.raises(REFUSED):
        connection.execute(EVENT, (operator.actor,))


def test_administrator_of_staff_reads_and_writes_nothing_else(
    database: Database, administrator: SignedIn
) -> None:
    for service in SERVICES:
        with administrator.connect(service) as connection:
            tables = tables_of(database, service)
            assert readable_by(connection, service, tables) == {"staff_grants"}
            with pytest.raises(REFUSED):
                connection.execute(EVENT, (administrator.actor,))


@pytest.mark.parametrize("table", ["checkpoints", "tiles"])
def test_only_the_sealer_writes_the_seal(
    database: Database, operator: SignedIn, table: str
) -> None:
    statement = {
        "checkpoints": "INSERT INTO checkpoints (number, size, root, note) "
        "VALUES (1, 1, decode(repeat('00', 32), 'hex'), '')",
        "tiles": "INSERT INTO tiles VALUES (0, 0, decode(repeat('00', 32), 'hex'))",
    }[table]
    settings, path = database.settings, "-c search_path=ledger"
    with psycopg.connect(settings.database_url_of("ledger"), options=path) as runtime:
        runtime.execute(f"SELECT * FROM {table}")
        with pytest.raises(REFUSED):
            runtime.execute(statement)
    with (
        operator.connect("ledger", writer_of(role_of("ledger"))) as connection,
        pytest.raises(REFUSED),
    ):
        connection.execute(statement)
    with psycopg.connect(settings.database_url_of(SEALER), options=path) as sealer:
        sealer.execute(statement)


def test_sealer_does_nothing_but_seal(database: Database) -> None:
    assert {"checkpoints", "tiles"} <= set(access_in(migrations_of("ledger")).sealer.appends)
    url = database.settings.database_url_of(SEALER)
    with psycopg.connect(url, autocommit=True) as sealer:
        for service in SERVICES:
            own = access_in(migrations_of(service)).sealer
            expected = {*own.reads, *own.appends}
            tables = tables_of(database, service)
            assert readable_by(sealer, service, tables) == expected
        for statement in (
            EVENT.replace("INTO events", "INTO ledger.events").replace("%s", "'service:ledger'"),
            "DELETE FROM ledger.tiles",
            "UPDATE ledger.checkpoints SET note = ''",
            f"SET ROLE {reader_of(role_of('ledger'))}",
        ):
            with pytest.raises(REFUSED):
                sealer.execute(statement)


def test_an_owner_needs_no_right_but_to_make_roles(database: Database) -> None:
    """He takes the roles that he has made, wherever the server does not give them to him."""
    name = f"plain_{secrets.token_hex(4)}"
    made = f"{name}_ledger"
    settings = database.settings
    parts = urlsplit(settings.database_url)
    address = f"{parts.netloc.rpartition('@')[2]}{parts.path}"
    owner_url = f"postgresql://{name}:secret@{address}"
    with psycopg.connect(settings.database_url, autocommit=True) as creator:
        creator.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'secret'")
        creator.execute(f"GRANT CREATE ON DATABASE {parts.path[1:]} TO {name}")
        creator.execute(f"ALTER ROLE {name} SET createrole_self_grant = ''")
        creator.execute(f"GRANT EXECUTE ON FUNCTION {LOCKS} TO {name} WITH GRANT OPTION")
        creator.execute("ALTER SCHEMA ledger RENAME TO other_ledger")
    migrate(owner_url, "ledger", f"postgresql://{made}:secret@{address}", migrations_of("ledger"))
    own = replace(
        settings,
        database_url=owner_url,
        database_urls={"ledger": f"postgresql://{made}@{address}"},
    )
    with psycopg.connect(
        owner_url, autocommit=True, options=f"-c search_path=ledger -c role={writer_of(made)}"
    ) as verb:
        verb.execute(EVENT, (f"staff:{name}",))
        assert verb.execute("SELECT recorded_by FROM events").fetchone() == (name,)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        groups = [group for group in memberships(own, ["operator"]) if made in group.group]
        put_login(owner, name, "secret", groups)
        session = psycopg.connect(f"postgresql://staff.{name}:secret@{address}")
        assert drop_login(owner, name)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
        owner.execute("DROP SCHEMA ledger CASCADE")
        with psycopg.connect(settings.database_url, autocommit=True) as creator:
            creator.execute(f"REVOKE EXECUTE ON FUNCTION {LOCKS} FROM {name} CASCADE")
        admin = staff_admin_of(made, "ledger")
        owner.execute(f"DROP ROLE {made}, {writer_of(made)}, {reader_of(made)}, {admin}")
    with psycopg.connect(settings.database_url, autocommit=True) as creator:
        creator.execute(f"REVOKE CREATE ON DATABASE {parts.path[1:]} FROM {name}")
        creator.execute(f"DROP ROLE {name}")


def test_removing_somebody_ends_his_sessions(database: Database) -> None:
    with signed_in(database, "leaver", "auditor") as leaver:
        session = leaver.connect("ledger")
        with psycopg.connect(database.settings.database_url, autocommit=True) as owner:
            assert drop_login(owner, leaver.name)
            assert not drop_login(owner, leaver.name)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            leaver.connect("ledger")
