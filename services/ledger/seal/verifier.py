"""The offline verifier, for a payer, a court or an auditor who has no access to us.

It needs only this module, three beside it (``merkle``, ``leaf``, ``checkpoint``) and the package
``cryptography``. The verifier key must come from a source other than the proof::

    python -m services.ledger.seal.verifier receipt.json --key billing.example/ledger+f1e2d3c4+A...

FILE is a proof of inclusion or of consistency (JSON), a list of such proofs, or a signed
checkpoint; with a checkpoint, ``--export`` names the whole exported log (JSON Lines), which must be
what the checkpoint signed, and ``--newer`` and ``--proof`` a newer checkpoint and the proof that it
continues FILE.
Exit codes: 0 proven, 1 not proven, 2 the input cannot be read.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from services.ledger.seal import leaf, merkle
from services.ledger.seal.checkpoint import (
    Checkpoint,
    NoteError,
    SignatureError,
    VerifierKey,
    name_of_origin,
    open_checkpoint,
)
from services.ledger.seal.leaf import EventRow, LeafError
from services.ledger.seal.merkle import CompactRange, ProofError

INCLUSION = "saldo-inclusion-proof-v1"
CONSISTENCY = "saldo-consistency-proof-v1"
MAX_PATH = 128


class MalformedProofError(ValueError):
    """A proof that is not in the format that it claims."""


def verify_inclusion(
    proof: Mapping[str, Any], keys: Sequence[VerifierKey]
) -> tuple[EventRow, Checkpoint]:
    """Check that the event of a proof is in the log that a checkpoint has signed.

    Returns the event and the checkpoint. Raises ProofError or SignatureError when it is not
    proven, and MalformedProofError, LeafError or NoteError when the input cannot be read.
    """
    _check_format(proof, INCLUSION)
    checkpoint = open_checkpoint(_text(proof, "checkpoint"), keys)
    data, index = _bytes(proof, "leaf"), _number(proof, "index")
    row = leaf.decode(data)
    if row.notification_id != index + 1 or _number(proof, "position") != index + 1:
        raise ProofError("the event in the proof is not that of the position that it names")
    if _number(proof, "size") != checkpoint.size:
        raise ProofError("the size in the proof is not that of its checkpoint")
    path = _path(proof)
    merkle.verify_inclusion(merkle.leaf_hash(data), index, checkpoint.size, path, checkpoint.root)
    return row, checkpoint


def verify_consistency(
    old_note: str, new_note: str, proof: Mapping[str, Any], keys: Sequence[VerifierKey]
) -> tuple[Checkpoint, Checkpoint]:
    """Check that the log of a newer checkpoint begins with the log of an older one, unchanged.

    Returns both checkpoints; raises as verify_inclusion does.
    """
    _check_format(proof, CONSISTENCY)
    old, new = open_checkpoint(old_note, keys), open_checkpoint(new_note, keys)
    if name_of_origin(old.origin) != name_of_origin(new.origin):
        raise ProofError("the two checkpoints are of different logs")
    if (_number(proof, "old_size"), _number(proof, "new_size")) != (old.size, new.size):
        raise ProofError("the sizes in the proof are not those of the checkpoints")
    merkle.verify_consistency(old.size, old.root, new.size, new.root, _path(proof))
    return old, new


def verify_export(
    lines: Iterable[str | bytes], note: str, keys: Sequence[VerifierKey]
) -> Checkpoint:
    """Check that an export, one JSON object a line, is the log that a checkpoint has signed.

    Lines after the signed part are read too: their positions must continue without a gap, but
    they are not proven. Raises as verify_inclusion does.
    """
    checkpoint = open_checkpoint(note, keys)
    tree, position = CompactRange(), 0
    for line in lines:
        position += 1
        row = _row(line, position)
        if row.notification_id != position:
            raise ProofError(
                f"line {position} of the export is the event of position {row.notification_id}"
            )
        if position <= checkpoint.size:
            tree.append(merkle.leaf_hash(leaf.encode(row)))
    if position < checkpoint.size:
        raise ProofError(
            f"the export has {position} events, but the checkpoint signed {checkpoint.size}"
        )
    if tree.root() != checkpoint.root:
        raise ProofError(f"the first {checkpoint.size} events are not those that were signed")
    return checkpoint


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        lines = _verify(options)
    except (ProofError, SignatureError) as error:
        sys.stdout.write(f"NOT PROVEN: {error}.\n")
        return 1
    except (MalformedProofError, LeafError, NoteError) as error:
        sys.stderr.write(f"The input cannot be read: {error}.\n")
        return 2
    except (OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"A file cannot be read: {error}\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.ledger.seal.verifier",
        description="Check a proof of the ledger without any access to it.",
        epilog="Exit codes: 0 proven, 1 not proven, 2 the input cannot be read.",
    )
    parser.add_argument("file", type=Path, help="a proof (JSON) or a signed checkpoint")
    parser.add_argument(
        "--key",
        action="append",
        required=True,
        help="a trusted verifier key, or a file with one; may be repeated",
    )
    parser.add_argument("--export", type=Path, help="the exported log, to compare with FILE")
    parser.add_argument("--newer", type=Path, help="a newer checkpoint, to compare with FILE")
    parser.add_argument("--proof", type=Path, help="the proof that --newer continues FILE")
    return parser


def _verify(options: argparse.Namespace) -> list[str]:
    keys = [_key(key) for key in options.key]
    text = options.file.read_text(encoding="utf-8")
    if text.lstrip().startswith("["):
        return [line for proof in _list(text) for line in _proven(proof, keys)]
    if text.lstrip().startswith("{"):
        return _proven(_json(text), keys)
    if (options.newer is None) != (options.proof is None):
        raise MalformedProofError("--newer and --proof belong together")
    lines = [_checkpoint_line(open_checkpoint(text, keys))]
    if options.newer is not None:
        newer = options.newer.read_text(encoding="utf-8")
        proof = _json(options.proof.read_text(encoding="utf-8"))
        lines += _consistency_lines(verify_consistency(text, newer, proof, keys))
    if options.export is not None:
        with options.export.open("rb") as events:
            verify_export(events, text, keys)
        lines.append("PROVEN: the export is the log that was signed, event by event.")
    return lines


def _proven(proof: Mapping[str, Any], keys: Sequence[VerifierKey]) -> list[str]:
    if proof.get("format") == CONSISTENCY:
        notes = _text(proof, "old_checkpoint"), _text(proof, "new_checkpoint")
        return _consistency_lines(verify_consistency(*notes, proof, keys))
    return _inclusion_lines(*verify_inclusion(proof, keys))


def _checkpoint_line(checkpoint: Checkpoint) -> str:
    return (
        f"PROVEN: {checkpoint.origin} has signed a log of {checkpoint.size} events, "
        f"root {checkpoint.root.hex()}."
    )


def _inclusion_lines(row: EventRow, checkpoint: Checkpoint) -> list[str]:
    return [
        _checkpoint_line(checkpoint),
        f"PROVEN: this event is in it at position {row.notification_id}:",
        *(f"  {name}: {value}" for name, value in leaf.to_json(row).items()),
    ]


def _consistency_lines(checkpoints: tuple[Checkpoint, Checkpoint]) -> list[str]:
    old, new = checkpoints
    return [
        _checkpoint_line(old),
        _checkpoint_line(new),
        f"PROVEN: the first {old.size} events are the same in both: nothing was changed.",
    ]


def _key(text: str) -> VerifierKey:
    path = Path(text)
    try:
        key = path.read_text(encoding="utf-8") if path.is_file() else text
    except OSError as error:
        raise MalformedProofError(f"the file of the key cannot be read: {error}") from None
    return VerifierKey.parse(key.strip())


def _row(line: str | bytes, number: int) -> EventRow:
    try:
        return leaf.from_json(json.loads(line))
    except LeafError as error:
        raise LeafError(f"line {number} of the export: {error}") from None
    except (ValueError, RecursionError):
        raise LeafError(f"line {number} of the export is not JSON") from None


def _json(text: str) -> dict[str, Any]:
    proof = _parsed(text)
    if not isinstance(proof, dict):
        raise MalformedProofError("the proof is not a JSON object")
    return proof


def _list(text: str) -> list[dict[str, Any]]:
    proofs = _parsed(text)
    if not proofs or not all(isinstance(proof, dict) for proof in proofs):
        raise MalformedProofError("the list has no proof, or something that is none")
    return list(proofs)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedProofError("the proof is not JSON") from None


def _check_format(proof: Mapping[str, Any], expected: str) -> None:
    if proof.get("format") != expected:
        raise MalformedProofError(f"the format of the proof is not {expected}")


def _text(proof: Mapping[str, Any], name: str) -> str:
    value = proof.get(name)
    if not isinstance(value, str):
        raise MalformedProofError(f"the proof has no text {name!r}")
    return value


def _number(proof: Mapping[str, Any], name: str) -> int:
    value = proof.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedProofError(f"the proof has no number {name!r}")
    return value


def _path(proof: Mapping[str, Any]) -> list[bytes]:
    path = proof.get("path")
    if not isinstance(path, list) or len(path) > MAX_PATH:
        raise MalformedProofError("the proof has no path")
    return [_decoded(hash_, "path") for hash_ in path]


def _bytes(proof: Mapping[str, Any], name: str) -> bytes:
    return _decoded(proof.get(name), name)


def _decoded(value: Any, name: str) -> bytes:
    if not isinstance(value, str):
        raise MalformedProofError(f"{name!r} of the proof is not base64")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedProofError(f"{name!r} of the proof is not base64") from None


if __name__ == "__main__":
    sys.exit(main())
