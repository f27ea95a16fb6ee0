"""``saldo ledger checkpoint | verify | prove | consistency | key``: the seal of the log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import psycopg
import typer
from msgspec.structs import asdict
from msgspec.structs import replace as replace_fields

from services.language import text
from services.ledger.commands.ledger_access import (
    Against,
    ledger_log,
    opened_ledger,
    reporting_seal,
)
from services.ledger.commands.seal_findings import described
from services.ledger.seal import leaf, proofs
from services.ledger.seal.checkpoint import VerifierKey, open_checkpoint
from services.ledger.seal.inspection import SealReport, inspect_seal, not_recovered
from services.ledger.seal.keys import KEY, environ_of, seal_keys, verifier_keys_of
from services.ledger.seal.publishing import WitnessState, given_to, witness_states
from services.ledger.seal.reading import last_position
from services.ledger.seal.requests import request_checkpoint
from services.ledger.seal.sealer import Sealed, last_checkpoint
from services.ledger.seal.verifier import verify_inclusion
from services.ledger.seal.witness_checks import (
    KeptNotes,
    Reached,
    missing_from,
    nothing_kept,
    reached_by,
    read_kept,
)
from services.ledger.seal.witnesses import DIRECTORY, DIRECTORY_SETTING
from services.terminal import (
    DIFFERENCE,
    DONE,
    Json,
    counting,
    err,
    out,
    print_json,
)
from shared.errors import NotFound
from shared.eventstore.lost_events import is_recovery_open
from shared.eventstore.postgres import PostgresStore

R = TypeVar("R")


Witnesses = Annotated[
    list[Path] | None,
    typer.Option(
        "--witness",
        help="What a witness keeps: a directory, a file, or - for standard input.",
        show_default=False,
    ),
]


def checkpoint(
    patience: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for the sealer's next step.")
    ] = 30.0,
    json: Json = False,
) -> None:
    """Have the sealer seal the log up to now, and print the signed checkpoint."""
    with reporting_seal(), opened_ledger() as store:
        _, unsealed = _read(store, _last_and_unsealed)
        with _listening(store) as connection, counting(text("sealing"), unsealed) as advance:
            last = request_checkpoint(connection, patience, advance)
        err.print(text("events sealed: {count}", count=last.size))
    if not json:
        sys.stdout.write(last.note)
        return
    print_json(
        {
            "number": last.number,
            "size": last.size,
            "root": last.root.hex(),
            "created_at": last.created_at.isoformat(),
            "checkpoint": last.note,
        }
    )


def verify(
    against: Against = None,
    witness: Witnesses = None,
    key: Annotated[
        str | None, typer.Option(help="The verifier key to trust, instead of the settings'.")
    ] = None,
    restored: Annotated[
        bool,
        typer.Option(
            "--restored",
            help="The log comes from a backup: say what witnesses have beyond its end, and compare "
            "the rest.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Verify the whole log against its checkpoints, and against those that others keep.

    Without --witness it reads the directory of SALDO_LEDGER_WITNESS_DIR, if that is set. Where the
    ledger has several books, and none is named, DIR is that of the first one, and DIR/BOOK that of
    each further one.
    """
    with reporting_seal(), opened_ledger() as store:
        notes = [path.read_text(encoding="utf-8") for path in against or ()]
        trusted = (VerifierKey.parse(key),) if key else verifier_keys_of(store.service)
        kept = _kept(witness, store.service)
        last = _read(store, last_position)
        outside = Reached(kept.notes if kept else [], 0)
        if restored:
            outside = reached_by(outside.notes, trusted, last)
        notes += outside.notes
        with counting(text("verifying"), last) as advance:
            with store.reading() as cursor:
                report = inspect_seal(cursor, trusted, notes, advance)
            given = _read(store, lambda cursor: given_to(cursor, DIRECTORY))
        if kept:
            whole = not witness
            missing = missing_from(kept.filed, trusted, given, whole=whole)
            if witness and not outside.notes and (report.events or kept.notes):
                missing.append(nothing_kept())
            report = replace_fields(report, findings=[*report.findings, *kept.findings, *missing])
        states = _read(store, witness_states)
        if _read(store, is_recovery_open):
            report = replace_fields(report, findings=[*report.findings, not_recovered()])
    if json:
        lost = {"lost": outside.lost} if restored else {}
        print_json({**asdict(report), **lost, "witnesses": states})
    else:
        _print_report(report, states, outside.lost)
    raise typer.Exit(DIFFERENCE if report.findings else DONE)


def _kept(witness: list[Path] | None, log: str) -> KeptNotes | None:
    """Return what the named witnesses keep, or the configured directory; None without any."""
    configured = environ_of(log).get(DIRECTORY_SETTING)
    places = witness or ([Path(configured)] if configured else [])
    return read_kept(places) if places else None


def prove(
    position: Annotated[int, typer.Argument(min=1, help="The position in the log, from 1.")],
    size: Annotated[
        int | None, typer.Option(help="The size of the checkpoint, in events, that proves it.")
    ] = None,
    json: Json = False,
) -> None:
    """Prove that an event is in the sealed log; --json prints the proof for a verifier."""
    with reporting_seal(), opened_ledger() as store:
        trusted = verifier_keys_of(store.service)
        proof = _read(store, lambda cursor: proofs.inclusion(cursor, position, size))
    if json:
        print_json(proof)
        return
    row, _ = verify_inclusion(proof, trusted)
    for name, value in leaf.to_json(row).items():
        out.print(f"{name}: {value}", soft_wrap=True)
    out.print(
        text(
            "is at position {position} of {size}, signed in:", position=position, size=proof["size"]
        )
        + "\n"
    )
    sys.stdout.write(proof["checkpoint"])


def consistency(
    old_size: Annotated[int, typer.Argument(min=1, help="The size of the older checkpoint.")],
    new_size: Annotated[
        int | None, typer.Argument(min=1, help="The size of the newer one; the last when left out.")
    ] = None,
    json: Json = False,
) -> None:
    """Print the proof, always as JSON, that a checkpoint extends an older one unchanged."""
    del json  # every reading verb takes it; this one has no other form
    with reporting_seal(), opened_ledger() as store:
        print_json(_read(store, lambda cursor: proofs.consistency(cursor, old_size, new_size)))


def key(
    retire: Annotated[
        bool,
        typer.Option(
            "--retire",
            help="Print it with the size it has signed, for SALDO_LEDGER_SEAL_VERIFIER.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Print the verifier key, which a verifier of proofs needs once.

    Beside the sealer it is that of the private key, elsewhere the first of the settings.
    """
    with reporting_seal():
        log = ledger_log()
        env = environ_of(log)
        trusted = seal_keys(env).trusted if env.get(KEY) else verifier_keys_of(log)
        current = _retired(trusted[0]) if retire else trusted[0]
    if not json:
        sys.stdout.write(f"{current}\n")
        return
    known = [str(trusted_key) for trusted_key in (current, *trusted[1:])]
    print_json({"origin": current.name, "key": known[0], "trusted": known})


def _retired(key: VerifierKey) -> VerifierKey:
    """Return the key limited to the log of the last checkpoint, which it has signed."""
    with opened_ledger() as store:
        last = _read(store, last_checkpoint)
    if last is None:
        raise NotFound("nothing_to_seal", text("The key has signed nothing: just change it."))
    return replace(key, until=open_checkpoint(last.note, (key,)).size)


@contextmanager
def _listening(store: PostgresStore) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection in autocommit mode: a notification is sent at the end of a transaction."""
    with store.pool.connection() as connection:
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.execute("UNLISTEN *")
            connection.autocommit = False


def _last_and_unsealed(cursor: Any) -> tuple[Sealed | None, int]:
    last = last_checkpoint(cursor)
    return last, last_position(cursor) - (last.size if last else 0)


def _print_report(report: SealReport, states: list[WitnessState], lost: int) -> None:
    for found in report.findings:
        out.print(f"{found.kind}: {described(found)}", soft_wrap=True)
    for one in report.restores:
        unseen = text("unknown") if one.lost is None else str(one.lost)
        out.print(
            text(
                "restored: the log goes on after position {after} in epoch {epoch}; lost events: "
                "{lost}, checkpoints of the line that ended: {checkpoints}",
                after=one.after,
                epoch=one.epoch,
                lost=unseen,
                checkpoints=one.checkpoints,
            ),
            soft_wrap=True,
        )
    if lost:
        out.print(
            text("{count} or more events that a witness knows of are not in this log", count=lost),
            soft_wrap=True,
        )
    for state in states:
        out.print(_described(state), soft_wrap=True)
    out.print(
        text(
            "events: {events}, sealed: {sealed}; checkpoints: {checkpoints}, kept elsewhere: "
            "{outside}; findings: {findings}",
            events=report.events,
            sealed=report.sealed,
            checkpoints=report.checkpoints,
            outside=report.outside,
            findings=len(report.findings),
        ),
        soft_wrap=True,
    )


def _described(state: WitnessState) -> str:
    given = (
        text(
            "witness {name}: was given checkpoint {number} of {at}",
            name=state.name,
            number=state.number,
            at=state.published_at,
        )
        if state.number
        else text("witness {name}: was given nothing yet", name=state.name)
    )
    if not state.failure:
        return given
    failing = text("fails since {at}: {failure}", at=state.failing_since, failure=state.failure)
    return f"{given}; {failing}"


def _read(store: PostgresStore, read: Callable[[Any], R]) -> R:
    return store.query(lambda session: read(session.cursor))
