"""Connections to PostgreSQL: every wait on the database is bounded, on both sides.

The server frees the locks of a client whose machine has vanished without a word, and ends a
transaction whose client does nothing; the client gives up a server that is frozen.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from threading import RLock
from typing import Any, NamedTuple, Self

import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import Row, dict_row
from psycopg_pool import ConnectionPool

from shared.config import ConfigurationError
from shared.connection_modes import set_mode, set_mode_back
from shared.database_clock import DatabaseClock, clock_due, read_time
from shared.pipelines import CountedPipeline, begin_with, roll_back_failed
from shared.warm_pool import WarmPool

LEVEL = 0
"""Which contract steps this version can do without: those up to this level. It is raised with each
such step (`shared.eventstore.migration_steps`), and told by the name of every connection."""
CONNECT_TIMEOUT_S = 3
LOCK_TIMEOUT_MS = 2_000
STATEMENT_TIMEOUT_MS = 30_000
IDLE_IN_TRANSACTION_MS = 30_000
"""How long the transaction of a service may wait for its client. Who appends has less: see
shared.eventstore.recorder."""
IDLE_IN_JOB_MS = 600_000
"""The same for who reads at a terminal, or works beside the service for a long time."""
JOB_HOLDS_LOG = "60s"
"""How long a transaction of such a job may hold the append lock."""
GIVE_UP_S = 5.0
"""How long after its statement_timeout a statement without a reply is given up: the server would
have ended it, so its machine is frozen."""
FRESH_S = 1.0
"""For so long a connection that was used counts as alive for what may be asked again."""

IDLE_CONNECTION_S = 30.0
"""How long a pool keeps connections that nobody takes, beyond those that it is to keep: the server
holds 2 to 5 MB for each. psycopg_pool keeps them for ten minutes."""

_PEER_GONE_MS = 10_000
"""Within this, either side notices that the other's machine has vanished (about 15 s at most)."""
_KEEPALIVES = {"idle": 5, "interval": 2, "count": 3}
_SERVER_SIDE: Mapping[str, object] = {
    **{f"tcp_keepalives_{name}": seconds for name, seconds in _KEEPALIVES.items()},
    "tcp_user_timeout": _PEER_GONE_MS,
    "client_connection_check_interval": 5_000,
}
_CLIENT_SIDE: Mapping[str, int] = {
    **{f"keepalives_{name}": seconds for name, seconds in _KEEPALIVES.items()},
    "tcp_user_timeout": _PEER_GONE_MS,
}
_TIME_LIMIT = re.compile(r"statement_timeout=(\d+)")


class Login(NamedTuple):
    """How to sign in to the database: the URL, the role to take (none: the login's own rights),
    and whether transactions only read unless they ask for more."""

    url: str
    role: str = ""
    read_only: bool = False


def connection_info(login: Login | str, schema: str, *, statement_timeout_ms: int) -> str:
    """Return the connection string of a login or a URL, with its schema and its time limits.

    Raises ConfigurationError for a malformed URL, without quoting it.
    """
    url, role, read_only = Login(login) if isinstance(login, str) else login
    is_job = read_only or not statement_timeout_ms
    options: dict[str, object] = {
        "search_path": schema,
        "lock_timeout": LOCK_TIMEOUT_MS,
        "statement_timeout": statement_timeout_ms,
        "idle_in_transaction_session_timeout": IDLE_IN_JOB_MS if is_job else IDLE_IN_TRANSACTION_MS,
        "timezone": "UTC",
        **_SERVER_SIDE,
    }
    if role:
        options["role"] = role
    if read_only:
        options["default_transaction_read_only"] = "on"
    elif is_job:
        options["saldo.holds_log"] = JOB_HOLDS_LOG
    try:
        return _conninfo(url, schema, options)
    except psycopg.ProgrammingError:
        # Its text quotes the URL, which holds a password.
        raise ConfigurationError(
            f"the database URL of {schema} cannot be read: write it like "
            "postgresql://role:password@host:5432/name"
        ) from None


def _conninfo(url: str, schema: str, options: Mapping[str, object]) -> str:
    # The server to write to, unless the URL says otherwise. Not only of several: a proxy that has
    # just started, or has not noticed a failover yet, leads to a follower.
    given = conninfo_to_dict(url)
    primary = {} if "target_session_attrs" in given else {"target_session_attrs": "primary"}
    return make_conninfo(
        url,
        connect_timeout=CONNECT_TIMEOUT_S,
        application_name=application_name(schema),
        options=" ".join(f"-c {name}={value}" for name, value in options.items()),
        **_CLIENT_SIDE,
        **primary,
    )


def application_name(schema: str) -> str:
    """Return by which name the connections to a schema are known to the database."""
    return f"saldo-{schema}/{LEVEL}" if LEVEL else f"saldo-{schema}"


def connect_as_owner(url: str) -> psycopg.Connection[Any]:
    """Connect as the owner of a database, who migrates: statements take as long as they need."""
    settings = " ".join(f"-c {name}={value}" for name, value in _SERVER_SIDE.items())
    given = str(conninfo_to_dict(url).get("options") or "")
    info = make_conninfo(
        url,
        connect_timeout=CONNECT_TIMEOUT_S,
        options=f"{given} {settings}".strip(),
        **_CLIENT_SIDE,
    )
    return psycopg.connect(info, autocommit=True)


class BoundedConnection(psycopg.Connection[Row]):
    """A connection that gives up a statement that the server should have ended by now.

    A frozen machine acknowledges what it is sent, or its hypervisor does: no timeout of TCP ever
    fires. One without a statement_timeout waits as long as the server takes.
    """

    patience_s: float | None = None
    """How long each wait for the server may take, in seconds."""
    used_at: float = float("-inf")
    """When a statement has last ended or failed, by the monotonic clock."""
    clock: DatabaseClock | None = None
    """What is to know the time of the server."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.undivided = RLock()
        """Held for as long as a pipeline is open. psycopg cannot tell a statement of another thread
        apart while it closes one."""

    @contextmanager
    def pipeline(self) -> Iterator[psycopg.Pipeline]:
        with self.undivided:
            with self.lock:
                self._check_connection_ok()
                self._pipeline = self._pipeline or CountedPipeline(self)
            with super().pipeline() as opened:
                yield opened

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        connection = super().connect(conninfo, **options)
        if (limit := _TIME_LIMIT.search(conninfo)) and int(limit[1]):
            connection.patience_s = int(limit[1]) / 1000 + GIVE_UP_S
        return connection

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return self._wait_within_limits(gen, interval, timeout)
        finally:
            self.used_at = time.monotonic()

    def _wait_within_limits(self, gen: Any, interval: float, timeout: float | None) -> Any:
        if timeout is not None or self.patience_s is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience_s)
        except psycopg.errors._WaitTimeout:
            self.close()
            raise psycopg.OperationalError(
                "the server has not replied within its own time limit: the connection is given up"
            ) from None

    def check_alive(self) -> None:
        """Raise psycopg.OperationalError unless the server answers soon.

        What it is asked is to begin the transaction of whoever gets this connection, if one is to
        begin: that saves a round trip.
        """
        usual, self.patience_s = self.patience_s, float(CONNECT_TIMEOUT_S)
        begin = _begin.get()
        try:
            if begin is None:
                ConnectionPool.check_connection(self)
            else:
                begin(self)
        finally:
            self.patience_s = usual


_begin: ContextVar[Callable[[BoundedConnection[Any]], object] | None] = ContextVar(
    "saldo_begin", default=None
)
"""How a connection is checked that this thread or greenlet takes from a pool."""


@contextmanager
def autocommit_cursor(pool: ConnectionPool[Any]) -> Iterator[Any]:
    """Yield a cursor of a pooled connection; each statement is a transaction of its own."""
    with _in_mode(pool, autocommit=True) as connection, connection.cursor() as cursor:
        yield cursor


@contextmanager
def snapshot_cursor(pool: ConnectionPool[Any]) -> Iterator[Any]:
    """Yield a cursor of a pooled connection, in a transaction that reads one snapshot.

    What kind of transaction it is goes with its BEGIN: no statement of its own.
    """
    mode: dict[str, Any] = {"isolation_level": IsolationLevel.REPEATABLE_READ, "read_only": True}
    with in_transaction(pool, **mode) as connection, connection.cursor() as cursor:
        yield cursor


@contextmanager
def unchecked_cursor(pool: ConnectionPool[Any]) -> Iterator[Any]:
    """Yield a cursor, in autocommit mode, of a pooled connection that is not checked if it was used
    just now: it may be dead.

    Whoever reads by it reads again where the connection turns out to be closed.
    """

    def check(connection: BoundedConnection[Any]) -> None:
        _check_unless_used_just_now(connection)
        set_mode(connection, {"autocommit": True})

    connection = _taken(pool, check)
    with ExitStack() as stack:
        stack.callback(pool.putconn, connection)
        stack.callback(set_mode_back, connection, {"autocommit": False})
        yield stack.enter_context(connection.cursor())


def read_time_by(pool: ConnectionPool[Any]) -> None:
    """Read the time of the server by a connection of a pool, if that is due."""
    with unchecked_cursor(pool):
        pass  # any connection that is taken reads it


def trusted_connection(pool: ConnectionPool[Any]) -> Any:
    """Return a pooled connection without a round trip if it has answered just now.

    It may have died since: whoever takes it finds out, and can do what he does again.
    """
    return _taken(pool, _check_unless_used_just_now)


def _check_unless_used_just_now(connection: BoundedConnection[Any]) -> None:
    if not read_time(connection) and time.monotonic() - connection.used_at >= FRESH_S:
        # A frozen server is noticed now, not after as long as a statement may take.
        ConnectionPool.check_connection(connection)


def _enter(
    connection: BoundedConnection[Any],
    transaction: psycopg.Transaction,
    first: Callable[[Any], object] | None,
) -> psycopg.Error | None:
    """Begin a transaction, and ask with that what is to be asked first, in one round trip.

    Return the error of ``first`` where the server has refused it.
    """
    clock = clock_due(connection)
    if first is None and clock is None:
        transaction.__enter__()
        return None
    take_time: list[Callable[[], None]] = []

    def ask(connection: Any) -> None:
        if clock is not None:
            take_time.append(clock.ask(connection))
        if first is not None:
            first(connection)

    refused = begin_with(connection, transaction, ask)
    if refused is None:
        for take in take_time:
            take()
    return refused


@contextmanager
def in_transaction(
    pool: ConnectionPool[Any],
    first: Callable[[Any], object] | None = None,
    together: ExitStack | None = None,
    **mode: Any,
) -> Iterator[Any]:
    """Yield a pooled connection in a transaction, with these attributes for the block only.

    A dead connection is noticed by its BEGIN, and the next one is taken. ``first`` sends a query
    together with that; its error is raised here. A pipeline that is entered in ``together`` ends
    with the COMMIT, which travels with what was sent before.
    """
    begun: list[tuple[psycopg.Transaction, dict[str, Any], psycopg.Error | None]] = []

    def begin(connection: BoundedConnection[Any]) -> None:
        # In the other mode psycopg begins once more in a pipeline, and waits for that.
        before = set_mode(connection, {"autocommit": True, **mode})
        # Not connection.transaction(), which would keep the pipeline that it begins in.
        transaction = psycopg.Transaction(connection)
        try:
            refused = _enter(connection, transaction, first)
        except BaseException:
            set_mode_back(connection, before)
            raise
        begun.append((transaction, before, refused))

    connection = _taken(pool, begin)
    transaction, before, refused = begun[-1]
    with ExitStack() as stack:
        stack.callback(pool.putconn, connection)
        stack.callback(set_mode_back, connection, before)
        try:
            with ExitStack() as inner:
                if together is not None:
                    inner.callback(roll_back_failed, connection)
                    inner.push(together)
                inner.push(transaction)
                if refused is not None:
                    raise refused
                yield connection
        except psycopg.errors.ReadOnlySqlTransaction:
            # Its server is not the one to write to any more: the next connection may be.
            connection.close()
            raise


def _taken(pool: ConnectionPool[Any], check: Callable[[BoundedConnection[Any]], object]) -> Any:
    """Return a connection of a pool that has passed a check, in place of the usual one."""
    token = _begin.set(check)
    try:
        return pool.getconn()
    finally:
        _begin.reset(token)


@contextmanager
def _in_mode(pool: ConnectionPool[Any], **mode: Any) -> Iterator[Any]:
    """Yield a pooled connection with these attributes, which it has for the block only."""
    with pool.connection() as connection:
        before = set_mode(connection, mode)
        try:
            yield connection
        finally:
            set_mode_back(connection, before)


def open_pool(
    login: Login | str,
    schema: str,
    *,
    size: int = 8,
    kept: int = 1,
    statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
    clock: DatabaseClock | None = None,
) -> ConnectionPool[Any]:
    """Open a pool of up to ``size`` dict_row connections that are made on demand.

    ``kept`` of them stay open however long nobody takes them, the others for IDLE_CONNECTION_S.
    They keep ``clock`` right.
    A caller waits at most 3 s for a connection (psycopg_pool.PoolTimeout, an OperationalError).
    """
    return WarmPool(
        connection_info(login, schema, statement_timeout_ms=statement_timeout_ms),
        connection_class=BoundedConnection,
        min_size=kept,
        max_size=size,
        max_idle=IDLE_CONNECTION_S,
        timeout=CONNECT_TIMEOUT_S,
        # As long as a caller waits: he gets his connection as soon as the server is back.
        reconnect_timeout=CONNECT_TIMEOUT_S,
        kwargs={"row_factory": dict_row},
        configure=clock.attach if clock is not None else None,
        # After a restart of the server every pooled connection is dead: detect that before use, so
        # that no command fails once the server is back.
        check=BoundedConnection.check_alive,
        open=True,
    )
