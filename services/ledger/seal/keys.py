"""The keys of the seal, from the environment.

``SALDO_LEDGER_SEAL_KEY``
    The private key: the 32 bytes of an Ed25519 seed in base64, or the path of a file with that
    base64. Without it the key is derived from SALDO_SECRET; a key of its own, in the hands of
    somebody other than the database's owner, is better.
``SALDO_LEDGER_SEAL_NAME``
    The name of the log and of its key, as a URL without its scheme (``billing.example/ledger``).
    Choose it before the first checkpoint, because every checkpoint contains it.
``SALDO_LEDGER_SEAL_OLD_KEYS``
    Verifier keys of earlier private keys, separated by spaces, each with the size of the last log
    that it signed, as ``saldo ledger key --retire`` prints it: up to there its signatures stay
    valid after a change of the key.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.ledger.seal.checkpoint import NoteError, Signer, VerifierKey
from shared.config import ConfigurationError, Settings

DEFAULT_NAME = "saldo.invalid/ledger"
PURPOSE = "ledger/seal"
_SEED_BASE64 = 44


@dataclass(frozen=True)
class SealKeys:
    """The signing key, and all trusted keys."""

    signer: Signer
    trusted: tuple[VerifierKey, ...]

    @property
    def origin(self) -> str:
        """Return the name of the log in its checkpoints."""
        return self.signer.verifier.name


def seal_keys(settings: Settings, environ: Mapping[str, str] | None = None) -> SealKeys:
    """Return the keys of an installation; raises ConfigurationError."""
    env = os.environ if environ is None else environ
    written = env.get("SALDO_LEDGER_SEAL_KEY", "").strip()
    seed = _read_seed(written) if written else settings.derive_key(PURPOSE)
    try:
        signer = Signer(env.get("SALDO_LEDGER_SEAL_NAME") or DEFAULT_NAME, seed)
        old = map(VerifierKey.parse, env.get("SALDO_LEDGER_SEAL_OLD_KEYS", "").split())
        return SealKeys(signer, (signer.verifier, *map(_retired, old)))
    except NoteError as error:
        raise ConfigurationError(
            f"SALDO_LEDGER_SEAL_NAME or SALDO_LEDGER_SEAL_OLD_KEYS cannot be used: {error}"
        ) from None


def _retired(key: VerifierKey) -> VerifierKey:
    if key.until is None:
        raise NoteError(
            f"{key} would be trusted for ever: add @ and the size of the last log that it signed, "
            "as `saldo ledger key --retire` printed it before the change"
        )
    return key


def _read_seed(written: str) -> bytes:
    # A path as long as the base64 of a seed can be written longer ("./...").
    if len(written) != _SEED_BASE64:
        try:
            written = Path(written).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            raise ConfigurationError(
                "SALDO_LEDGER_SEAL_KEY is neither the base64 of 32 bytes nor a readable file"
            ) from None
    try:
        seed = base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        seed = b""
    if len(seed) != 32:
        raise ConfigurationError("SALDO_LEDGER_SEAL_KEY must be the base64 of exactly 32 bytes")
    return seed
