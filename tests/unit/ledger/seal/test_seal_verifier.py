"""The offline verifier: proven, not proven, unreadable input; and its independence."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.ledger.seal import leaf, merkle, verifier
from services.ledger.seal.checkpoint import Checkpoint, NoteError, SignatureError, Signer
from services.ledger.seal.leaf import EventRow, LeafError
from services.ledger.seal.merkle import ProofError
from services.ledger.seal.verifier import (
    MalformedProofError,
    verify_consistency,
    verify_export,
    verify_inclusion,
)
from tests.leaf_hashes import LeafHashes

SIGNER = Signer("billing.example/ledger", bytes(range(32)))
KEYS = [SIGNER.verifier]
UNTRUSTED = [Signer("billing.example/ledger", bytes(32)).verifier]


def event(position: int) -> EventRow:
    return EventRow(
        position,
        UUID(int=position % 7).bytes,
        position,
        "ledger.payment_posted.v1",
        b'{"amount":%d}' % position,
        1_793_534_400_000_000 + position,
        UUID(int=position).bytes,
        "staff:ivanova",
        "journey",
    )


ROWS = [event(position) for position in range(1, 41)]
HASHES = [merkle.leaf_hash(leaf.encode(row)) for row in ROWS]
SOURCE = LeafHashes(HASHES)


def note(size: int, origin: str = SIGNER.verifier.name) -> str:
    root = merkle.frontier(SOURCE, size).root()
    return SIGNER.sign(Checkpoint(origin, size, root).text())


def b64(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(hash_).decode() for hash_ in hashes]


def inclusion(position: int, size: int) -> dict[str, Any]:
    return {
        "format": "saldo-inclusion-proof-v1",
        "position": position,
        "index": position - 1,
        "size": size,
        "leaf": b64([leaf.encode(ROWS[position - 1])])[0],
        "path": b64(merkle.inclusion_proof(SOURCE, position - 1, size)),
        "checkpoint": note(size),
    }


def consistency(old: int, new: int) -> dict[str, Any]:
    return {
        "format": "saldo-consistency-proof-v1",
        "old_size": old,
        "new_size": new,
        "path": b64(merkle.consistency_proof(SOURCE, old, new)),
        "old_checkpoint": note(old),
        "new_checkpoint": note(new),
    }


def export(rows: list[EventRow]) -> list[str]:
    return [json.dumps(leaf.to_json(row), ensure_ascii=False) + "\n" for row in rows]


def test_every_event_is_proven_by_every_later_checkpoint() -> None:
    for size in (1, 2, 13, 32, 40):
        for position in range(1, size + 1):
            row, checkpoint = verify_inclusion(inclusion(position, size), KEYS)
            assert row == ROWS[position - 1]
            assert checkpoint.size == size


@pytest.mark.parametrize(
    "change",
    [
        {"leaf": b64([leaf.encode(ROWS[11]._replace(state=b'{"amount":1}'))])[0]},
        {"leaf": b64([leaf.encode(ROWS[12])])[0]},
        {"index": 12, "position": 13, "leaf": b64([leaf.encode(ROWS[12])])[0]},
        {"index": 12},
        {"position": 13},
        {"size": 39},
        {"path": []},
        {"path": inclusion(13, 40)["path"]},
        {"path": [*inclusion(12, 40)["path"], b64([HASHES[0]])[0]]},
        {"path": ["AAAA"]},
        {"checkpoint": note(39)},
        {"checkpoint": note(39), "size": 39},
        {"checkpoint": note(40, "another.example/log")},
    ],
)
def test_proof_with_any_part_changed_is_refused(change: dict[str, Any]) -> None:
    verify_inclusion(inclusion(12, 40), KEYS)
    with pytest.raises((ProofError, SignatureError)):
        verify_inclusion({**inclusion(12, 40), **change}, KEYS)


def test_only_a_trusted_key_proves() -> None:
    with pytest.raises(SignatureError):
        verify_inclusion(inclusion(12, 40), UNTRUSTED)
    with pytest.raises(SignatureError):
        verify_inclusion(inclusion(12, 40), [])
    verify_inclusion(inclusion(12, 40), [*UNTRUSTED, *KEYS])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"format": "another"}, MalformedProofError),
        ({"leaf": 1}, MalformedProofError),
        ({"leaf": "§"}, MalformedProofError),
        ({"leaf": "AAAA"}, LeafError),
        ({"index": "11"}, MalformedProofError),
        ({"size": True}, MalformedProofError),
        ({"path": "AAAA"}, MalformedProofError),
        ({"path": [1]}, MalformedProofError),
        ({"path": ["A"]}, MalformedProofError),
        ({"path": b64([HASHES[0]]) * 200}, MalformedProofError),
        ({"checkpoint": None}, MalformedProofError),
        ({"checkpoint": "nonsense"}, NoteError),
    ],
)
def test_malformed_proof_is_refused(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        verify_inclusion({**inclusion(12, 40), **change}, KEYS)


def test_newer_checkpoint_continues_an_older_one() -> None:
    for old, new in ((1, 40), (13, 40), (32, 40), (40, 40)):
        checkpoints = verify_consistency(note(old), note(new), consistency(old, new), KEYS)
        assert [checkpoint.size for checkpoint in checkpoints] == [old, new]


def test_checkpoint_of_another_log_is_not_continued() -> None:
    proof = consistency(13, 40)
    other = Checkpoint(SIGNER.verifier.name, 13, HASHES[0])
    refused = [
        (SIGNER.sign(other.text()), note(40), proof, KEYS),
        (note(40), note(13), proof, KEYS),
        (note(13), note(39), proof, KEYS),
        (note(13), note(40), consistency(12, 40), KEYS),
        (note(13), note(40), {**proof, "path": proof["path"][1:]}, KEYS),
        (note(13), note(40), proof, UNTRUSTED),
    ]
    for old, new, path, keys in refused:
        with pytest.raises((ProofError, SignatureError)):
            verify_consistency(old, new, path, keys)


def test_unchanged_export_is_verified() -> None:
    for size in (1, 13, 40):
        assert verify_export(export(ROWS), note(size), KEYS).size == size
    assert verify_export([line.encode() for line in export(ROWS[:13])], note(13), KEYS).size == 13


@pytest.mark.parametrize(
    "tamper",
    [
        lambda rows: rows[:-1],
        lambda rows: rows[:5] + rows[6:],
        lambda rows: [row._replace(notification_id=at) for at, row in enumerate(rows[1:], 1)],
        lambda rows: [rows[1], rows[0], *rows[2:]],
        lambda rows: [*rows[:9], rows[9]._replace(state=b"{}"), *rows[10:]],
        lambda rows: [*rows[:9], rows[9]._replace(actor="staff:petrova"), *rows[10:]],
        lambda rows: [*rows, rows[-1]],
        lambda rows: [],
    ],
)
def test_changed_export_is_refused(
    tamper: Callable[[list[EventRow]], list[EventRow]],
) -> None:
    with pytest.raises(ProofError):
        verify_export(export(tamper(ROWS)), note(40), KEYS)


def test_unreadable_export_line_is_named() -> None:
    lines = export(ROWS)
    for bad in ("nonsense\n", "[1]\n", "\n", "[" * 100_000):
        with pytest.raises(LeafError, match="line 3 of the export"):
            verify_export([*lines[:2], bad, *lines[3:]], note(40), KEYS)


def run(*arguments: object) -> int:
    return verifier.main([*map(str, arguments), "--key", str(SIGNER.verifier)])


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, object], Path]:
    def write(name: str, content: object) -> Path:
        path = tmp_path / name
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_command_prints_what_is_proven(
    written: Callable[[str, object], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(written("receipt.json", inclusion(12, 40))) == 0
    printed = capsys.readouterr().out
    assert "this event is in it at position 12" in printed
    assert 'state: {"amount":12}' in printed
    assert run(written("continued.json", consistency(13, 40))) == 0
    assert "the first 13 events are the same in both" in capsys.readouterr().out
    old, newer = written("old.txt", note(13)), written("new.txt", note(40))
    proof = written("proof.json", consistency(13, 40))
    assert run(old, "--newer", newer, "--proof", proof) == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert run(newer, "--export", written("log.jsonl", "".join(export(ROWS)))) == 0
    assert "the export is the log that was signed" in capsys.readouterr().out


def test_command_exits_with_1_when_not_proven(
    written: Callable[[str, object], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(written("a.json", {**inclusion(12, 40), "path": []})) == 1
    assert (
        run(written("b.txt", note(40)), "--export", written("c.jsonl", "".join(export(ROWS[1:]))))
        == 1
    )
    untrusted = Signer("billing.example/ledger", bytes(32))
    assert (
        run(
            written(
                "d.txt", untrusted.sign(Checkpoint("billing.example/ledger", 1, HASHES[0]).text())
            )
        )
        == 1
    )
    assert capsys.readouterr().out.count("NOT PROVEN: ") == 3


def test_list_of_proofs_holds_only_if_each_does(
    written: Callable[[str, object], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    proofs = [inclusion(position, 40) for position in (3, 12)]
    assert run(written("all.json", proofs)) == 0
    printed = capsys.readouterr().out
    assert "at position 3:" in printed
    assert "at position 12:" in printed
    spoiled = {**proofs[1], "path": proofs[0]["path"]}
    assert run(written("one.json", [proofs[0], spoiled])) == 1
    for nothing in ([], [proofs[0], 7]):
        assert run(written("none.json", nothing)) == 2


def test_command_exits_with_2_on_unreadable_input(
    written: Callable[[str, object], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = written("a.json", inclusion(12, 40))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for arguments in (
        (written("b.json", "{"),),
        (written("c.json", {"format": "another"}),),
        (written("d.txt", "nonsense"),),
        (tmp_path / "nowhere",),
        (tmp_path / "binary",),
        (written("e.txt", note(13)), "--newer", good),
        (written("f.txt", note(40)), "--export", written("g.jsonl", "nonsense\n")),
    ):
        assert run(*arguments) == 2
    assert verifier.main([str(good), "--key", "nonsense"]) == 2
    assert capsys.readouterr().out == ""
    with pytest.raises(SystemExit) as refused:
        verifier.main([str(good)])
    assert refused.value.code == 2


def test_verifier_runs_from_its_four_files_alone(
    written: Callable[[str, object], Path], tmp_path: Path
) -> None:
    alone = tmp_path / "alone" / "services" / "ledger" / "seal"
    alone.mkdir(parents=True)
    here = Path(verifier.__file__).parent
    for name in ("verifier", "merkle", "leaf", "checkpoint"):
        shutil.copy(here / f"{name}.py", alone)
    proof = written("receipt.json", inclusion(12, 40))
    key = written("verifier.key", f"{SIGNER.verifier}\n")
    command = [sys.executable, "-m", "services.ledger.seal.verifier", str(proof), "--key", str(key)]
    ran = subprocess.run(
        command, cwd=tmp_path / "alone", capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "PROVEN: billing.example/ledger has signed a log of 40 events" in ran.stdout
