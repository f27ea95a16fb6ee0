"""A bank's file: which of the two formats it is, and in which encoding."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from services.payments.registers.layouts import Layout
from services.payments.registers.rows import Seal
from services.payments.registers.statement import MAGIC, Statement
from services.payments.registers.text_register import TextRegister
from shared.errors import ValidationFailed
from shared.tablefiles import BLOCK
from shared.tablefiles.encodings import CP1251, UTF_8, EncodingVote
from shared.tablefiles.foreign import BEGINNING, refuse_foreign

BankFile: TypeAlias = TextRegister | Statement

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_SECTION: Final = "Секция"


class Examined(msgspec.Struct, frozen=True):
    """What a file is by its bytes; `is_statement`: it is one of 1C."""

    path: Path
    size: int
    digest: str
    encoding: str
    is_statement: bool


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator says of a file; empty: it shows that itself."""

    format: str = "auto"
    encoding: str = ""
    layout: Layout | None = None
    bank: str = ""
    settlement_accounts: Collection[str] = ()


def examine(path: Path) -> Examined:
    """Read a file through once. Raises ValidationFailed `invalid_file`."""
    digest, vote, dos, windows = hashlib.sha256(), EncodingVote(), 0, 0
    try:
        with path.open("rb") as file:
            beginning = file.read(64)
            refuse_foreign(path.name, beginning[:BEGINNING])
            file.seek(0)
            while block := file.read(BLOCK):
                digest.update(block)
                vote.count(block)
                dos += block.count(_SECTION.encode("cp866"))
                windows += block.count(_SECTION.encode(CP1251))
            size = file.tell()
    except OSError as error:
        raise ValidationFailed(
            "invalid_file", f"{path} cannot be read: {error.strerror}."
        ) from error
    if not size:
        raise ValidationFailed("invalid_file", f"{path.name} is empty.")
    if b"\0" in beginning:
        raise ValidationFailed("invalid_file", f"{path.name} has zero bytes: it is no text.")
    text = beginning.removeprefix(_BYTE_ORDER_MARK).lstrip()
    encoding = vote.winner
    if encoding != UTF_8 and dos > windows:
        encoding = "cp866"
    return Examined(path, size, digest.hexdigest(), encoding, text.startswith(MAGIC.encode()))


def open_file(examined: Examined, opening: Opening, seal: Seal) -> BankFile:
    """Open a text register or a statement of 1C. Raises ValidationFailed `invalid_file`."""
    is_statement = examined.is_statement
    if opening.format != "auto" and is_statement != (opening.format == Statement.kind):
        is_one = "is one of 1C" if is_statement else f"does not begin with {MAGIC}"
        raise ValidationFailed(
            "invalid_file", f"{examined.path.name} {is_one}: it is not what --format says."
        )
    encoding = opening.encoding or examined.encoding
    if is_statement:
        return Statement(
            examined.path, encoding, seal, opening.settlement_accounts, bank=opening.bank
        )
    return TextRegister(examined.path, encoding, opening.layout, opening.bank)
