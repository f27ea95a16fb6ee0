"""The verbs of ``saldo keys``: which keys are in use, new ones, and sealing anew."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import psycopg
import typer
from psycopg.rows import dict_row

from services.discovery import sealed_columns_of
from services.ledger.seal import rotation
from services.ledger.seal.keys import environ_of, naming_settings_of
from services.terminal import (
    DIFFERENCE,
    DONE,
    DryRun,
    Json,
    author,
    counting,
    err,
    new_table,
    opened_store,
    out,
    print_json,
    recorded_reason,
    reporting,
    show,
)
from shared import context
from shared.books import SPLIT, log_of, with_books
from shared.config import GATEWAY, SEALER, SERVICES, ConfigurationError, Settings, load_settings
from shared.database import connection_info
from shared.eventstore import Session
from shared.eventstore.key_jobs import move_keys
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.sealed_columns import (
    NO_ID,
    being_written,
    keys_in_use,
    reseal_all,
)
from shared.ids import new_id
from shared.key_files import add_key, drop_key
from shared.keys import MASTER, KeyFile

_OWNERS = (*SERVICES, GATEWAY)
SEAL = "seal"
"""Among the owners of keys: the sealer of the ledger's log."""
ROTATION_SECONDS = 60
"""How long a change of the seal's key waits for the sealer to pause."""

Owner = Annotated[str, typer.Argument(help="A service, gateway, or seal.", show_default=False)]
RingOwner = Annotated[str, typer.Argument(help="A service, or gateway.", show_default=False)]
Service = Annotated[str, typer.Argument(help="A service.", show_default=False)]
Why = Annotated[
    str,
    typer.Option(
        "--reason",
        help="Why; it is recorded for good. Needed without --dry-run.",
        show_default=False,
    ),
]


class Rewrap(msgspec.Struct, frozen=True, kw_only=True):
    """Who sealed anew what a service stores, and why."""

    by: str
    reason: str
    verb: str = "keys rewrap"


class KeyUse(msgspec.Struct, frozen=True):
    """A key of an owner; ``rows``: what it has sealed, by table, None where that is not stored."""

    owner: str
    id: str
    seals: bool
    rows: dict[str, int] | None

    @property
    def can_be_dropped(self) -> bool:
        """Return whether it seals nothing, and has sealed nothing that is stored."""
        return not self.seals and self.rows is not None and not any(self.rows.values())


def status(
    owner: Annotated[
        str | None, typer.Argument(help="A service, or gateway; all when left out.")
    ] = None,
    json: Json = False,
) -> None:
    """Show each key and what it has sealed; one that is unused can be dropped.

    Rows without the id of a key were sealed under SALDO_SECRET, before keys had ids. Exit code 1: a
    key is missing that has sealed something.
    """
    with reporting():
        settings = load_settings()
        owners = [owner] if owner else _with_keys(settings)
        if not owners:
            raise ConfigurationError(
                "this terminal has no keys: set SALDO_SECRET_<SERVICE>_FILE, as on the machine of "
                "the services; `make up` writes it to .saldo/env"
            )
        uses: list[KeyUse] = []
        logs = with_books(owners, settings.books)
        with counting("counting rows", len(logs)) as advance:
            for name in logs:
                uses += _uses(settings, name)
                advance(1)
    missing = [use for use in uses if not _is_known(settings, use)]
    if json:
        print_json([{**msgspec.to_builtins(u), "can_be_dropped": u.can_be_dropped} for u in uses])
    else:
        _print_uses(uses)
        if not owner and (elsewhere := [name for name in _OWNERS if name not in owners]):
            err.print(
                f"This terminal has no keys of {', '.join(elsewhere)}: see them on the machine of "
                "the services, with an administrator's settings.",
                soft_wrap=True,
            )
        for use in missing:
            err.print(
                f"{use.owner}: the key {_named(use)} is missing: {_listed(use.rows)} need it",
                soft_wrap=True,
            )
    raise typer.Exit(DIFFERENCE if missing else DONE)


def rotate(owner: Owner, reason: Why = "", dry_run: DryRun = False) -> None:
    """Add a key that seals from now on; the others still open what they have sealed.

    Running processes use it within a second. `saldo keys rewrap` then seals anew what is stored.
    The key of the seal is rotated on the sealer's machine, with the sealer's settings; that of a
    book of the ledger is seal-BOOK.
    """
    with reporting():
        settings = load_settings()
        comment = _comment(reason, dry_run)
        if owner == SEAL or owner.startswith(f"{SEAL}-"):
            log = _sealed_log(settings, owner)
            if dry_run:
                out.print("would change the key of the seal")
                return
            with _sealer(settings, log) as cursor, naming_settings_of(log):
                signer = rotation.rotate(cursor, environ_of(log), comment)
            out.print(f"signs now: {signer}", soft_wrap=True)
            return
        path = _file_of(settings, owner)
        if dry_run:
            out.print(f"would add a key to {path}", soft_wrap=True)
            return
        key = add_key(path, comment)
    out.print(f"{owner}: {key.id} seals from now on")
    err.print(f"Keep a copy of {path}: what is sealed cannot be read without it.", soft_wrap=True)


def rewrap(
    service: Service,
    reason: Why = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Seal anew, under the first key, all that a service stores under older ones.

    It can be stopped and repeated at any time. Exit code 1: no key of the ring opens some rows.
    """
    with reporting():
        who, why = author(None, reason, optional=dry_run)
        settings = load_settings()
        with opened_store(service, writes=True, statement_timeout_ms=0) as store:
            before = _uses(settings, service, store)
            total = sum(sum(use.rows.values()) for use in before if use.rows)
            if not dry_run:
                _record(store, who, Rewrap(by=who, reason=why))
            done = lost = 0
            with counting("sealing anew", total) as advance:
                while not dry_run and move_keys(store):
                    pass
                for column in () if dry_run else sealed_columns_of(service):
                    some, unopened = reseal_all(store, settings, column, advance)
                    done, lost = done + some, lost + unopened
            uses = _uses(settings, service, store)
    if json:
        print_json({"resealed": done, "unopened": lost, "keys": uses})
    else:
        _print_uses(uses)
        err.print(f"{done} rows were sealed anew, {lost} could not be opened")
    raise typer.Exit(DIFFERENCE if lost else DONE)


def drop(
    owner: RingOwner,
    key: Annotated[str, typer.Argument(help="The id of the key.", show_default=False)],
    reason: Why = "",
    dry_run: DryRun = False,
) -> None:
    """Take a key out of the ring, once nothing that is stored needs it.

    The gateway stores nothing: wait a day after its rotation, so that no form is open any more.
    """
    with reporting():
        settings, comment = load_settings(), _comment(reason, dry_run)
        path = _file_of(settings, owner)
        if key == MASTER and settings.secret:
            raise ValueError(f"{MASTER} is SALDO_SECRET: take it out of the settings")
        _check_unused(settings, owner, key)
        if not dry_run:
            drop_key(path, key, comment)
    out.print(f"{owner}: {key} {'can be' if dry_run else 'is'} dropped")


def new_seal(
    key_file: Annotated[
        Path, typer.Argument(help="The file of the private key, for the sealer alone.")
    ],
    verifier_file: Annotated[
        Path, typer.Argument(help="The file of the verifier key, for everybody.")
    ],
    derived: Annotated[
        bool,
        typer.Option(
            "--derived", help="Take the key that was derived from SALDO_SECRET until now."
        ),
    ] = False,
    reason: Why = "",
    dry_run: DryRun = False,
) -> None:
    """Write the first key of a sealer and its verifier to new files.

    With --derived it is the key that the worker has signed with until now. The sealer replaces it
    when it starts, and keeps its verifier for the part of the log that it has signed.
    """
    with reporting():
        settings, name = load_settings(), os.environ.get("SALDO_LEDGER_SEAL_NAME", "")
        _comment(reason, dry_run)
        if derived and not settings.secret:
            raise ConfigurationError("set SALDO_SECRET, from which the key followed")
        if dry_run:
            out.print(f"would write {key_file} and {verifier_file}", soft_wrap=True)
        elif derived:
            verifier = rotation.adopt(settings.secret, key_file, verifier_file, name)
            out.print(str(verifier), soft_wrap=True)
        else:
            out.print(str(rotation.create(key_file, verifier_file, name)), soft_wrap=True)


def _check_unused(settings: Settings, owner: str, key: str) -> None:
    """Raise ValueError if something that is stored needs a key of a service, or soon may."""
    if owner == GATEWAY:
        return
    for log in with_books([owner], settings.books):  # all books are sealed under one ring
        with opened_store(log, writes=True, statement_timeout_ms=0) as store:
            if busy := being_written(store, sealed_columns_of(log)):
                raise ValueError(f"{busy} is being written, perhaps under {key}: drop it later")
            for use in _uses(settings, log, store):
                if use.id == key and any((use.rows or {}).values()):
                    raise ValueError(
                        f"{_listed(use.rows)} need it: saldo keys rewrap {log} seals them anew"
                    )


def _record(store: PostgresStore, who: str, run: Rewrap) -> None:
    """Keep who sealed anew, and why, with the commands of the service."""
    with context.bind(actor=who, command_id=new_id()):
        store.execute(_kept, run)


def _kept(_: Session, command: Rewrap) -> dict[str, Any]:
    kept: dict[str, Any] = msgspec.to_builtins(command)
    return kept


def _comment(reason: str, dry_run: bool) -> str:
    """Return who changes a key, when and why, as its file records it.

    Who may change the file is the machine's affair, so it is the user there.
    """
    why = "" if dry_run and not reason else recorded_reason(reason)
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} {getpass.getuser()}: {why}"


def _with_keys(settings: Settings) -> list[str]:
    """Return the owners whose keys this terminal has."""
    return [name for name in _OWNERS if settings.secret or name in settings.key_rings]


def _uses(settings: Settings, owner: str, store: PostgresStore | None = None) -> list[KeyUse]:
    if owner == GATEWAY:
        ids = [key.id for key in settings.keys_of(GATEWAY, "sealed")]
        return [KeyUse(owner, id_, id_ == ids[0], None) for id_ in ids]
    if store is None:
        with opened_store(owner, writes=True, statement_timeout_ms=0) as opened:
            return _uses(settings, owner, opened)
    ring = settings.keys_of(owner, "data-keys")
    ring.look()
    counts = {column.name: keys_in_use(store, column) for column in sealed_columns_of(owner)}
    ids = [key.id for key in ring]
    for counted in counts.values():
        if MASTER in ids:  # what has no id is under it
            counted[MASTER] += counted.pop(NO_ID, 0)
    found = sorted({id_ for counted in counts.values() for id_ in counted} - set(ids))
    return [
        KeyUse(owner, id_, id_ == ids[0], {table: count[id_] for table, count in counts.items()})
        for id_ in (*ids, *found)
    ]


def _is_known(settings: Settings, use: KeyUse) -> bool:
    return use.id in {key.id for key in settings.keys_of(use.owner, "data-keys")}


def _print_uses(uses: list[KeyUse]) -> None:
    table = new_table("Keys", "owner", "key", "state", "has sealed")
    for use in uses:
        state = "seals" if use.seals else "unused" if use.can_be_dropped else "opens"
        table.add_row(use.owner, _named(use), state, _listed(use.rows))
    show(table, keys=2)


def _named(use: KeyUse) -> str:
    return use.id or "(no id)"


def _listed(rows: dict[str, int] | None) -> str:
    if rows is None:
        return "forms that are open"
    return ", ".join(f"{count} {table}" for table, count in rows.items() if count)


def _file_of(settings: Settings, owner: str) -> Path:
    if owner not in _OWNERS:
        raise ValueError(
            f"{owner} has no key ring: name a service ({', '.join(SERVICES)}) or {GATEWAY}"
        )
    ring = settings.key_rings.get(owner)
    if isinstance(ring, KeyFile):
        return ring.path
    raise ConfigurationError(
        f"the keys of {owner} are not in a file, so they cannot change while it runs: write "
        f"id:hex[,id:hex...] to a file, with what is now in SALDO_SECRET as {MASTER}:hex, and name "
        f"the file in SALDO_SECRET_{owner.upper()}_FILE"
    )


def _sealed_log(settings: Settings, owner: str) -> str:
    log = log_of(owner.removeprefix(SEAL).removeprefix("-"))
    if log not in (SPLIT, *settings.books):
        raise ValueError(f"{owner}: there is no such book in SALDO_LEDGER_BOOKS")
    return log


@contextmanager
def _sealer(settings: Settings, log: str) -> Iterator[Any]:
    """Yield a cursor of the sealer's login, in a transaction."""
    url = settings.sealer_url_of(log) or settings.database_url_of(SEALER)
    info = connection_info(url, log, statement_timeout_ms=ROTATION_SECONDS * 1000)
    with psycopg.connect(info, row_factory=dict_row) as connection:
        connection.execute(f"SET LOCAL lock_timeout = '{ROTATION_SECONDS}s'")
        yield connection.cursor()
