"""I5: the seal is intact: the log hashes to what was signed, here and at the witnesses.

The tree is computed here from the raw rows, after RFC 9162 and the layout of a leaf that
`services/ledger/seal/leaf.py` documents; the signatures are verified after C2SP signed-note.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.faults.checker.evidence import Evidence
from tests.faults.checker.findings import Finding

INVARIANT = "I5"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEY_ID = 4
_AT_ONCE = 2000


class Note(NamedTuple):
    """A checkpoint as it is written: the size of the log, its root, and what was signed."""

    size: int
    root: bytes
    text: str
    signatures: list[tuple[str, bytes]]


def check(evidence: Evidence) -> Iterator[Finding]:
    """Compare every checkpoint, stored or kept by a witness, with the tree of its log.

    Each book of the ledger has a seal of its own.
    """
    for log in evidence.books:
        yield from _book(evidence, log)


def _book(evidence: Evidence, log: str) -> Iterator[Finding]:
    rows = evidence.rows_of(log, f"SELECT * FROM {log}.checkpoints")
    stored = {row["number"]: row for row in rows}
    witnessed = _witnessed(evidence, log)
    sizes = {row["size"] for row in stored.values()} | {note.size for note in witnessed.values()}
    roots = _roots(evidence, log, sizes)
    keys = _keys(evidence.environment, log)
    for number, row in sorted(stored.items()):
        note = read_note(row["note"])
        if (note.size, note.root) != (row["size"], bytes(row["root"])):
            yield Finding(INVARIANT, "checkpoint and its row differ", f"{log} {number}")
        yield from _judge(note, f"checkpoint {number} of {log}", roots, keys)
    for name, note in sorted(witnessed.items()):
        if not evidence.is_lost_position(log, note.size):
            yield from _judge(note, f"{name} at the witness of {log}", roots, keys)


def _judge(
    note: Note, name: str, roots: Mapping[int, bytes], keys: Mapping[bytes, bytes]
) -> Iterator[Finding]:
    if roots.get(note.size) != note.root:
        there = "another root" if note.size in roots else "fewer events"
        sentence = f"signed for {note.size} events; the log has {there}"
        yield Finding(INVARIANT, "seal", name, sentence)
    if not any(_is_valid(note, signature, keys) for _, signature in note.signatures):
        yield Finding(INVARIANT, "signature", name, "by no key of the installation")


def _is_valid(note: Note, signature: bytes, keys: Mapping[bytes, bytes]) -> bool:
    public = keys.get(signature[:_KEY_ID])
    if public is None:
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(public)
        key.verify(signature[_KEY_ID:], note.text.encode())
    except InvalidSignature:
        return False
    return True


def read_note(note: str) -> Note:
    """Return a checkpoint in the form of C2SP tlog-checkpoint; raises ValueError."""
    text, _, signed = note.partition("\n\n")
    _, size, root, *_ = text.split("\n")
    signatures = []
    for line in signed.splitlines():
        _, name, data = line.split(" ")
        signatures.append((name, base64.b64decode(data)))
    return Note(int(size), base64.b64decode(root), text + "\n", signatures)


def _witnessed(evidence: Evidence, log: str) -> dict[str, Note]:
    """Return what the witness of a log had when the snapshot was taken."""
    folder = evidence.environment.get(f"SALDO_{log.upper()}_WITNESS_DIR")
    if not folder:
        return {}
    files = Path(folder).glob("checkpoint-*.txt")
    return {
        file.name: read_note(file.read_text(encoding="utf-8"))
        for file in files
        if not evidence.is_newer(file)
    }


def _keys(environment: Mapping[str, str], log: str) -> dict[bytes, bytes]:
    """Return the public keys of the verifiers of a log by their ids."""
    file = environment.get(f"SALDO_{log.upper()}_SEAL_VERIFIER_FILE")
    written = environment.get(f"SALDO_{log.upper()}_SEAL_VERIFIER", "")
    lines = Path(file).read_text(encoding="ascii").split() if file else written.split()
    keys = {}
    for line in lines:
        # The base64 at the end may have a plus sign in it.
        _, key_id, data = line.partition("@")[0].split("+", 2)
        keys[bytes.fromhex(key_id)] = base64.b64decode(data)[1:]
    return keys


# The tree


def _roots(evidence: Evidence, log: str, sizes: set[int]) -> dict[int, bytes]:
    """Return the root of a log at some of its sizes."""
    found: dict[int, bytes] = {}
    peaks: list[tuple[int, bytes]] = []  # (height, hash) of perfect trees, the highest first
    size = 0
    with evidence.connection_of(log).cursor(f"leaves_{log}") as cursor:
        cursor.itersize = _AT_ONCE
        cursor.execute(
            "SELECT notification_id, originator_id, originator_version, topic, state, recorded_at,"
            f" command_id, actor, correlation_id FROM {log}.events ORDER BY notification_id"
        )
        for row in cursor:
            height, node = 0, sha256(b"\x00" + _leaf(row)).digest()
            while peaks and peaks[-1][0] == height:
                node = sha256(b"\x01" + peaks.pop()[1] + node).digest()
                height += 1
            peaks.append((height, node))
            size += 1
            if size in sizes:
                found[size] = _fold(peaks)
    return found


def _fold(peaks: list[tuple[int, bytes]]) -> bytes:
    root = peaks[-1][1]
    for _, node in reversed(peaks[:-1]):
        root = sha256(b"\x01" + node + root).digest()
    return root


def _leaf(row: Mapping[str, Any]) -> bytes:
    recorded: datetime = row["recorded_at"]
    since = recorded - _EPOCH
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    fields = (
        _number(row["notification_id"]),
        row["originator_id"].bytes,
        _number(row["originator_version"]),
        str(row["topic"]).encode(),
        bytes(row["state"]),
        _number(microseconds),
        row["command_id"].bytes,
        str(row["actor"]).encode(),
        str(row["correlation_id"]).encode(),
    )
    return b"saldo/event/v1\n" + b"".join(len(field).to_bytes(4) + field for field in fields)


def _number(value: int) -> bytes:
    return value.to_bytes(8, signed=True)
