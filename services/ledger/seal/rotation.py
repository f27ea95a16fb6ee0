"""Changing the seal's key: a new one signs, the old one is trusted up to what it has signed.

Both steps are made while nobody seals. If a change breaks off between them the sealer stands still,
because its key has retired, and repeating the change completes it.
"""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.ledger.seal.checkpoint import (
    SignatureError,
    VerifierKey,
    open_checkpoint,
)
from services.ledger.seal.keys import (
    DERIVED,
    KEY,
    NAME,
    VERIFIER_FILE,
    Environ,
    seal_keys,
    signer_in,
    verifier_keys,
)
from services.ledger.seal.sealer import Sealed, last_checkpoint, lock_seal
from shared.config import ConfigurationError
from shared.keys import MASTER, GivenKeys, Key, KeyRing

DERIVATION = "saldo/ledger/seal"
"""The purpose under which the seal's key followed from SALDO_SECRET, before it had its own."""


def rotate(cursor: Any, environ: Environ | None = None, comment: str = "") -> VerifierKey:
    """Put a new key into the sealer's file and the file of verifiers; return its verifier.

    The second keeps the comment, and those of before.

    Raises ConfigurationError where the keys are not in files. ``cursor`` is the sealer's: its
    transaction keeps others from sealing.
    """
    env = os.environ if environ is None else environ
    key_file, verifier_file = _files(env)
    fresh = key_file.with_name(f"{key_file.name}.next")
    lock_seal(cursor)
    if not fresh.exists():
        write_private(fresh, f"{new_seed()}\n")
    successor, _ = signer_in({**env, KEY: str(fresh)})
    if verifier_keys(env)[0] != successor.verifier:
        keys = seal_keys(env)
        retired = _retired(keys.signer.verifier, last_checkpoint(cursor))
        trusted = [successor.verifier, *retired, *keys.trusted[1:]]
        before = verifier_file.read_text(encoding="utf-8").splitlines()
        comments = [f"# {comment}"] * bool(comment) + [line for line in before if line[:1] == "#"]
        write_atomically(verifier_file, "".join(f"{line}\n" for line in (*comments, *trusted)))
    fresh.replace(key_file)
    return successor.verifier


def adopt(secret: bytes, key_file: Path, verifier_file: Path, name: str = "") -> VerifierKey:
    """Write the key that followed from SALDO_SECRET to files, for the sealer to change it.

    Returns its verifier. Raises FileExistsError rather than replace a key.
    """
    source = GivenKeys([Key(MASTER, secret)])
    seed = base64.b64encode(KeyRing(DERIVATION, [source]).first.secret).decode()
    return _create(key_file, verifier_file, f"{seed} {DERIVED}", name)


def create(key_file: Path, verifier_file: Path, name: str = "") -> VerifierKey:
    """Write a first key and its verifier to files; return it. Raises FileExistsError."""
    return _create(key_file, verifier_file, new_seed(), name)


def _create(key_file: Path, verifier_file: Path, key: str, name: str) -> VerifierKey:
    if key_file.exists() or verifier_file.exists():
        raise FileExistsError(f"{key_file} or {verifier_file} is there already")
    write_private(key_file, f"{key}\n")
    signer, _ = signer_in({KEY: str(key_file), NAME: name})
    write_atomically(verifier_file, f"{signer.verifier}\n")
    return signer.verifier


def new_seed() -> str:
    """Return a random Ed25519 seed in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner may read; raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def write_atomically(path: Path, text: str) -> None:
    """Replace a file that everybody may read."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.chmod(0o644)
    draft.replace(path)


def _files(env: Environ) -> tuple[Path, Path]:
    key_file, verifier_file = Path(env.get(KEY, "")), Path(env.get(VERIFIER_FILE, ""))
    if not key_file.is_file() or not verifier_file.is_file():
        raise ConfigurationError(
            f"to change the key of the seal, {KEY} and {VERIFIER_FILE} must name files"
        )
    return key_file, verifier_file


def _retired(key: VerifierKey, last: Sealed | None) -> list[VerifierKey]:
    """Return the key limited to the last checkpoint; nothing if it has signed none."""
    if last is None:
        return []
    try:
        return [replace(key, until=open_checkpoint(last.note, (key,)).size)]
    except SignatureError:  # it has come and gone without a new event
        return []
