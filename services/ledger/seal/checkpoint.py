"""Signed checkpoints: C2SP tlog-checkpoint, in the form of C2SP signed-note, with Ed25519.

A checkpoint is a text of lines (origin, size in decimal, root in base64, perhaps extensions), an
empty line, and signature lines ``— <name> <base64 of key id and signature>``. The origin is the
name of the key; of a log that went on after a restore ``<name>#<epoch>``. The key id is the
first four bytes of SHA-256 over the name, a newline, the byte 0x01 and the public key; a verifier
key is written ``<name>+<key id in hex>+<base64 of 0x01 and the public key>``. Ours may be followed
by ``@<events>``: a key that was retired is trusted for logs up to that size, the last it signed in
office. Whoever gets hold of it later can sign no newer log.

Parsing is strict: a note that another implementation might read differently is refused.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from services.ledger.seal.merkle import HASH_SIZE

ED25519 = b"\x01"
MAX_NOTE = 1 << 20
MAX_SIGNATURES = 100
MAX_SIZE = (1 << 63) - 1
_SIGNATURE = re.compile(r"— (?P<name>\S+) (?P<data>[A-Za-z0-9+/]+={0,2})")
_EPOCH = "#"
_KEY_ID = re.compile(r"[0-9a-f]{8}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteError(ValueError):
    """A note, a checkpoint or a key that is not well-formed."""


class SignatureError(Exception):
    """A note without a valid signature by a trusted key."""


@dataclass(frozen=True)
class VerifierKey:
    """A named public key; whoever trusts it can verify its holder's signatures.

    ``until`` is the size of the largest log that its signature counts for; None: any.
    """

    name: str
    public: bytes
    until: int | None = None

    def __post_init__(self) -> None:
        if not self.name or "+" in self.name or any(map(_is_no_name, self.name)):
            raise NoteError("the name of a key is not empty, and has no space and no plus sign")
        if len(self.public) != 32:
            raise NoteError("an Ed25519 public key has 32 bytes")

    @property
    def key_id(self) -> bytes:
        """Return the four bytes that identify the key, together with its name."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        limit = "" if self.until is None else f"@{self.until}"
        return f"{self.name}+{self.key_id.hex()}+{_base64(ED25519 + self.public)}{limit}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Parse a verifier key; raises NoteError."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        encoded, at, limit = encoded.partition("@")
        data = _unbase64(encoded, "the key")
        if not data.startswith(ED25519):
            raise NoteError("the key is not an Ed25519 key")
        if at and not _is_size(limit):
            raise NoteError("after the @ of a retired key stands a number of events")
        key = cls(name, data[1:], int(limit) if at else None)
        if not _KEY_ID.fullmatch(key_id) or key.key_id.hex() != key_id:
            raise NoteError("the key id does not belong to this name and key")
        return key

    def verifies(self, text: str, signature: bytes) -> bool:
        """Return whether this key made a signature over a note's text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class Signer:
    """A named private key."""

    def __init__(self, name: str, seed: bytes) -> None:
        if len(seed) != 32:
            raise NoteError("the seed of an Ed25519 key has 32 bytes")
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, self._private.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """Return the signed note of a text, which ends in a newline."""
        check_text(text)
        data = self.verifier.key_id + self._private.sign(text.encode())
        return f"{text}\n— {self.verifier.name} {_base64(data)}\n"


@dataclass(frozen=True)
class Signature:
    """One signature line of a note: ``data`` is what follows the key id."""

    name: str
    key_id: bytes
    data: bytes


@dataclass(frozen=True)
class Note:
    """A parsed note; its text proves nothing until a signature has been verified."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True)
class Checkpoint:
    """The signed statement that the first ``size`` events of the log ``origin`` have this root."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the text to sign; raises NoteError for an empty or broken line."""
        lines = (self.origin, str(self.size), _base64(self.root), *self.extensions)
        text = "".join(f"{line}\n" for line in lines)
        if parse_checkpoint(text) != self:
            raise NoteError("a line of a checkpoint is not empty, and has no newline in it")
        return text


def origin_of(name: str, epoch: str) -> str:
    """Return the origin of the log under a name, in an epoch of it; "" is the first."""
    return f"{name}{_EPOCH}{epoch}" if epoch else name


def epoch_of_origin(origin: str) -> str:
    """Return the epoch in the origin of a log; "" for the first."""
    return origin.partition(_EPOCH)[2]


def name_of_origin(origin: str) -> str:
    """Return the name of a log without its epoch."""
    return origin.partition(_EPOCH)[0]


def parse_note(note: str | bytes) -> Note:
    """Parse a signed note without verifying it; raises NoteError."""
    try:
        whole = note.decode() if isinstance(note, bytes) else note
        if len(whole.encode()) > MAX_NOTE:
            raise NoteError("the note is longer than a mebibyte")
    except UnicodeError:
        raise NoteError("the note is not UTF-8") from None
    text, separator, lines = whole.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise NoteError("a note is a text, an empty line, and signature lines")
    check_text(text + "\n")
    signatures = tuple(_signature(line) for line in lines[:-1].split("\n"))
    if len(signatures) > MAX_SIGNATURES:
        raise NoteError(f"the note has more than {MAX_SIGNATURES} signatures")
    return Note(text + "\n", signatures)


def open_note(note: str | bytes, trusted: Iterable[VerifierKey]) -> str:
    """Return the text of a note that a trusted key has signed.

    Raises NoteError when it is malformed, and SignatureError when no trusted key has signed it
    or when a signature under a trusted key's name and id is invalid. Signatures by unknown keys
    are ignored, as C2SP signed-note requires.
    """
    read = parse_note(note)
    keys = {(key.name, key.key_id): key for key in trusted}
    verified: set[tuple[str, bytes]] = set()
    for signature in read.signatures:
        named = (signature.name, signature.key_id)
        if named not in keys or named in verified:
            continue
        if not keys[named].verifies(read.text, signature.data):
            raise SignatureError(f"the signature by {signature.name} is not valid")
        verified.add(named)
    if not verified:
        raise SignatureError("no trusted key has signed this note")
    return read.text


def parse_checkpoint(text: str) -> Checkpoint:
    """Parse the text of a checkpoint; raises NoteError."""
    if not text.endswith("\n"):
        raise NoteError("the last line of a checkpoint does not end")
    lines = text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise NoteError("a checkpoint has the lines origin, size and root, and no empty line")
    if not _is_size(lines[1]):
        raise NoteError("the size of a checkpoint is a decimal number without leading zeros")
    root = _unbase64(lines[2], "the root")
    if len(root) != HASH_SIZE:
        raise NoteError(f"the root of a checkpoint has {HASH_SIZE} bytes")
    return Checkpoint(lines[0], int(lines[1]), root, tuple(lines[3:]))


def open_checkpoint(
    note: str | bytes, trusted: Sequence[VerifierKey], origin: str | None = None
) -> Checkpoint:
    """Return the checkpoint of a note that a trusted key has signed.

    ``origin`` is the required name of the log, by default any of the keys' names, in any epoch. A
    key that was retired counts up to its last size only. Raises NoteError and SignatureError as
    open_note does.
    """
    checkpoint = parse_checkpoint(parse_note(note).text)
    entitled = [key for key in trusted if key.until is None or checkpoint.size <= key.until]
    try:
        open_note(note, entitled)
    except SignatureError:
        if len(entitled) == len(trusted):
            raise
        open_note(note, trusted)
        raise SignatureError(
            f"only a key that was retired before has signed a log of {checkpoint.size} events"
        ) from None
    origins = {origin} if origin is not None else {key.name for key in trusted}
    if not origins & {checkpoint.origin, name_of_origin(checkpoint.origin)}:
        raise SignatureError("the checkpoint is of another log")
    return checkpoint


def check_text(text: str) -> None:
    """Check that a text is valid in a note; raises NoteError."""
    if not text.endswith("\n"):
        raise NoteError("the text of a note ends in a newline")
    if any(character < " " and character != "\n" for character in text):
        raise NoteError("a note has no control characters")


def _signature(line: str) -> Signature:
    match = _SIGNATURE.fullmatch(line)
    if match is None or "+" in match["name"]:
        raise NoteError("a line after the text is not a signature")
    data = _unbase64(match["data"], "a signature")
    if len(data) <= 4:
        raise NoteError("a signature has a key id and at least one byte more")
    return Signature(match["name"], data[:4], data[4:])


def _is_size(text: str) -> bool:
    return _SIZE.fullmatch(text) is not None and int(text) <= MAX_SIZE


def _is_no_name(character: str) -> bool:
    return character.isspace() or character < " "


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unbase64(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError(f"{what} is not base64") from None
    if _base64(data) != text:  # unused bits that are not zero: a second encoding of the same bytes
        raise NoteError(f"{what} is not base64 as it is written")
    return data
