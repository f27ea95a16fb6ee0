"""The keys of the seal, from the environment. The private one is the sealer's alone.

``SALDO_LEDGER_SEAL_KEY``
    The private key, for the sealer: the 32 bytes of an Ed25519 seed in base64, or the path of a
    file with that base64. The word ``derived`` after it in the file has the sealer change the key
    at its start: it followed from SALDO_SECRET, which others have.
``SALDO_LEDGER_SEAL_NAME``
    The name of the log and of the sealer's key, as a URL without its scheme
    (``billing.example/ledger``). Choose it before the first checkpoint, because every one has it.
``SALDO_LEDGER_SEAL_VERIFIER``, or ``SALDO_LEDGER_SEAL_VERIFIER_FILE``
    The verifier keys, public, for everybody: the one that signs now, then earlier ones, each with
    the size of the last log that it signed (``...@4096``). Up to there its signatures stay valid.
    They are separated by white space; the file, in which a text after # is a comment, is read each
    time.
``SALDO_LEDGER_SEAL_OLD_KEYS``
    More of the earlier ones, where an installation names them so.

Each book of the ledger is a log of its own, and has keys of its own: of the book ``north`` they are
in ``SALDO_LEDGER_NORTH_SEAL_KEY`` and so on. Its name, unless it is set, is that of the first book
with ``/north`` behind it.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.ledger.seal.checkpoint import NoteError, Signer, VerifierKey
from shared.books import book_of, is_book
from shared.config import ConfigurationError

DEFAULT_NAME = "saldo.invalid/ledger"
KEY, NAME = "SALDO_LEDGER_SEAL_KEY", "SALDO_LEDGER_SEAL_NAME"
VERIFIER, OLD_KEYS = "SALDO_LEDGER_SEAL_VERIFIER", "SALDO_LEDGER_SEAL_OLD_KEYS"
VERIFIER_FILE = f"{VERIFIER}_FILE"
DERIVED = "derived"
_SEED_BASE64 = 44

_OF_LOG = ("SALDO_LEDGER_SEAL_", "SALDO_LEDGER_WITNESS_")
"""What the names of settings begin with that each log has for itself."""

Environ = Mapping[str, str]


@dataclass(frozen=True)
class SealKeys:
    """The signing key, and all trusted keys; ``derived``: others know the signing key too."""

    signer: Signer
    trusted: tuple[VerifierKey, ...]
    derived: bool = False

    @property
    def origin(self) -> str:
        """Return the name of the log in its checkpoints."""
        return self.signer.verifier.name


def environ_of(log: str, environ: Environ | None = None) -> Environ:
    """Return the environment as that of a book: its settings under the names of the first one's."""
    env = os.environ if environ is None else environ
    if not is_book(log):
        return env
    found = {name: value for name, value in env.items() if not name.startswith(_OF_LOG)}
    for theirs in _OF_LOG:
        own = _spelled(theirs, log)
        found |= {
            theirs + name.removeprefix(own): env[name] for name in env if name.startswith(own)
        }
    found.setdefault(NAME, f"{env.get(NAME) or DEFAULT_NAME}/{book_of(log)}")
    return found


@contextmanager
def naming_settings_of(log: str) -> Iterator[None]:
    """Have a ConfigurationError name the settings of a book as they are spelled."""
    try:
        yield
    except ConfigurationError as error:
        text = str(error)
        for theirs in _OF_LOG:
            text = text.replace(theirs, _spelled(theirs, log))
        raise ConfigurationError(text) from None


def _spelled(prefix: str, log: str) -> str:
    return prefix.replace("LEDGER", log.upper())


def verifier_keys_of(log: str) -> tuple[VerifierKey, ...]:
    """Return the trusted keys of the log of a book; as `verifier_keys`."""
    with naming_settings_of(log):
        return verifier_keys(environ_of(log))


def verifier_keys(environ: Environ | None = None) -> tuple[VerifierKey, ...]:
    """Return the trusted keys, the one that signs now first; raises ConfigurationError."""
    trusted = _verifiers(os.environ if environ is None else environ)
    if not trusted:
        raise ConfigurationError(
            f"set {VERIFIER} to the verifier key of the seal, as `saldo ledger key` prints it "
            f"beside the sealer, or {VERIFIER_FILE} to a file with it"
        )
    return trusted


def seal_keys(environ: Environ | None = None) -> SealKeys:
    """Return the keys of the sealer; raises ConfigurationError, also for a key that has retired."""
    env = os.environ if environ is None else environ
    signer, derived = signer_in(env)
    trusted = _verifiers(env)
    if not env.get(VERIFIER) and not env.get(VERIFIER_FILE):
        return SealKeys(signer, (signer.verifier, *trusted), derived)
    if signer.verifier not in trusted:
        raise ConfigurationError(
            f"{KEY} is not the key that signs now: {VERIFIER} does not name it, or as a retired one"
        )
    return SealKeys(signer, trusted, derived)


def signer_in(env: Environ) -> tuple[Signer, bool]:
    """Return the private key, and whether it was derived; raises ConfigurationError."""
    written = env.get(KEY, "").strip()
    if not written:
        raise ConfigurationError(
            f"set {KEY} to the file with the private key of the seal; the sealer alone has it"
        )
    seed, derived = _read_seed(written)
    try:
        return Signer(env.get(NAME) or DEFAULT_NAME, seed), derived
    except NoteError as error:
        raise ConfigurationError(f"{NAME} cannot be used: {error}") from None


def _verifiers(env: Environ) -> tuple[VerifierKey, ...]:
    now = env.get(VERIFIER, "").split()
    if path := env.get(VERIFIER_FILE):
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
            now += " ".join(line.partition("#")[0] for line in lines).split()
        except (OSError, ValueError):
            raise ConfigurationError(f"{VERIFIER_FILE} names {path}, which is unreadable") from None
    try:
        keys = list(map(VerifierKey.parse, now))
        old = [*keys[1:], *map(VerifierKey.parse, env.get(OLD_KEYS, "").split())]
        return (*keys[:1], *map(_retired, old))
    except NoteError as error:
        raise ConfigurationError(f"{VERIFIER} cannot be used: {error}") from None


def _retired(key: VerifierKey) -> VerifierKey:
    if key.until is None:
        raise NoteError(
            f"{key} would be trusted for ever: add @ and the size of the last log that it signed, "
            "as `saldo ledger key --retire` printed it before the change"
        )
    return key


def _read_seed(written: str) -> tuple[bytes, bool]:
    # A path may be as long as the base64 of a seed.
    if len(written) != _SEED_BASE64 or Path(written).is_file():
        try:
            written = Path(written).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            raise ConfigurationError(
                f"{KEY} is neither the base64 of 32 bytes nor a readable file"
            ) from None
    encoded, *marks = written.split() or [""]
    try:
        seed = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        seed = b""
    if len(seed) != 32 or marks not in ([], [DERIVED]):
        raise ConfigurationError(f"{KEY} must be the base64 of exactly 32 bytes")
    return seed, bool(marks)
