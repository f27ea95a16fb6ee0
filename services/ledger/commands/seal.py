"""``saldo ledger checkpoint | verify | prove | consistency | key``: the seal of the log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any, TypeVar

import typer

from services.ledger.commands.ledger_access import Against, Run, opened_ledger, record_run
from services.ledger.seal import leaf, proofs
from services.ledger.seal.checkpoint import SignatureError, VerifierKey, open_checkpoint
from services.ledger.seal.inspection import SealReport, inspect_seal
from services.ledger.seal.keys import SealKeys, seal_keys
from services.ledger.seal.merkle import ProofError
from services.ledger.seal.reading import last_position
from services.ledger.seal.sealer import Sealed, last_checkpoint, seal_log
from services.ledger.seal.tiles import SealBrokenError
from services.ledger.seal.verifier import verify_inclusion
from services.terminal import (
    DIFFERENCE,
    DONE,
    Actor,
    DryRun,
    Json,
    OptionalReason,
    author,
    counting,
    err,
    out,
    print_json,
    reporting,
)
from shared.config import load_settings
from shared.errors import NotFound
from shared.eventstore.postgres import PostgresStore

R = TypeVar("R")


def checkpoint(
    actor: Actor = None,
    reason: OptionalReason = "",
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Seal the log up to now and print the signed checkpoint, to be kept elsewhere."""
    with _reporting(), opened_ledger() as store:
        keys = seal_keys(load_settings())
        last, unsealed = _read(store, _last_and_unsealed)
        if dry_run:
            err.print(f"{unsealed} events are not sealed yet; nothing was done")
        else:
            who, why = author(actor, reason, optional=True)
            record_run(store, who, Run(verb="checkpoint", by=who, reason=why))
            with counting("sealing", unsealed) as advance:
                last = _seal_all(store, keys, advance)
            err.print(f"{last.size if last else 0} events are sealed")
        if last is None:
            raise NotFound("nothing_to_seal", "The log is empty: there is nothing to seal.")
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
    key: Annotated[
        str | None, typer.Option(help="The verifier key to trust, instead of the settings'.")
    ] = None,
    json: Json = False,
) -> None:
    """Verify the whole log against its checkpoints, and against those that others keep."""
    with _reporting(), opened_ledger() as store:
        notes = [path.read_text(encoding="utf-8") for path in against or ()]
        trusted = (VerifierKey.parse(key),) if key else seal_keys(load_settings()).trusted
        with counting("verifying", _read(store, last_position)) as advance:
            report = _read(store, lambda cursor: inspect_seal(cursor, trusted, notes, advance))
    if json:
        print_json(report)
    else:
        _print_report(report)
    raise typer.Exit(DIFFERENCE if report.findings else DONE)


def prove(
    position: Annotated[int, typer.Argument(min=1, help="The position in the log, from 1.")],
    size: Annotated[
        int | None, typer.Option(help="The size of the checkpoint, in events, that proves it.")
    ] = None,
    json: Json = False,
) -> None:
    """Prove that an event is in the sealed log; --json prints the proof for a verifier."""
    with _reporting(), opened_ledger() as store:
        keys = seal_keys(load_settings())
        proof = _read(store, lambda cursor: proofs.inclusion(cursor, position, size))
    if json:
        print_json(proof)
        return
    row, _ = verify_inclusion(proof, keys.trusted)
    for name, value in leaf.to_json(row).items():
        out.print(f"{name}: {value}", soft_wrap=True)
    out.print(f"is at position {position} of {proof['size']} events, signed in:\n")
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
    with _reporting(), opened_ledger() as store:
        print_json(_read(store, lambda cursor: proofs.consistency(cursor, old_size, new_size)))


def key(
    retire: Annotated[
        bool,
        typer.Option(
            "--retire",
            help="Print it with the size it has signed, for SALDO_LEDGER_SEAL_OLD_KEYS.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Print the verifier key, which a verifier of proofs needs once."""
    with _reporting():
        keys = seal_keys(load_settings())
        current = _retired(keys.signer.verifier) if retire else keys.signer.verifier
    if not json:
        sys.stdout.write(f"{current}\n")
        return
    trusted = [str(trusted) for trusted in (current, *keys.trusted[1:])]
    print_json({"origin": keys.origin, "key": trusted[0], "trusted": trusted})


def _retired(key: VerifierKey) -> VerifierKey:
    """Return the key limited to the log of the last checkpoint, which it has signed."""
    with opened_ledger() as store:
        last = _read(store, last_checkpoint)
    if last is None:
        raise NotFound("nothing_to_seal", "The key has signed nothing: just change it.")
    return replace(key, until=open_checkpoint(last.note, (key,)).size)


def _seal_all(
    store: PostgresStore, keys: SealKeys, advance: Callable[[int], None]
) -> Sealed | None:
    while True:
        sealed = store.transact(lambda session, _: seal_log(session.cursor, keys), None)
        if sealed is None or sealed.added == 0:
            return sealed
        advance(sealed.added)


def _last_and_unsealed(cursor: Any) -> tuple[Sealed | None, int]:
    last = last_checkpoint(cursor)
    return last, last_position(cursor) - (last.size if last else 0)


def _print_report(report: SealReport) -> None:
    for found in report.findings:
        out.print(f"{found.kind}: {found.text}", soft_wrap=True)
    outside = f" and {report.outside} from outside" if report.outside else ""
    out.print(
        f"{report.events} events, {report.sealed} of them sealed by {report.checkpoints} "
        f"checkpoints{outside}, {len(report.findings)} findings",
        soft_wrap=True,
    )


def _read(store: PostgresStore, read: Callable[[Any], R]) -> R:
    return store.query(lambda session: read(session.cursor))


@contextmanager
def _reporting() -> Iterator[None]:
    with reporting():
        try:
            yield
        except (SealBrokenError, ProofError, SignatureError) as error:
            err.print(f"The seal is broken: {error}", soft_wrap=True)
            raise typer.Exit(DIFFERENCE) from None
