"""Witnesses: places that keep checkpoints and that we cannot rewrite.

Whoever has the database and the sealer's key can sign another log; what a witness keeps shows it.

``SALDO_LEDGER_WITNESS_DIR``
    A directory, best one that somebody else owns: a file for each checkpoint, never overwritten.
``SALDO_LEDGER_WITNESS_SECONDS``
    How often it is given the newest checkpoint; 60 when left out.
``SALDO_LEDGER_WITNESS_MAIL``
    An address, by the mail server of SALDO_SMTP_URL.
``SALDO_LEDGER_WITNESS_MAIL_SECONDS``
    How often; a day when left out.
"""

from __future__ import annotations

import os
import re
import smtplib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Protocol

from services.ledger.seal.checkpoint import epoch_of_origin, parse_checkpoint, parse_note
from services.ledger.seal.sealer import Sealed
from shared.config import ConfigurationError, Settings
from shared.smtp import ServerUnavailableError, opened

DIRECTORY, MAIL = "directory", "mail"
DIRECTORY_SETTING = "SALDO_LEDGER_WITNESS_DIR"
_DIRECTORY_SECONDS, _MAIL_SECONDS = 60.0, 86_400.0
_FILE = re.compile(r"checkpoint-(?:(?P<epoch>[0-9]+\.[0-9a-f]{8})-)?[0-9]{9}\.txt")
_LOOKED_AT = 2
_MAX_SECONDS = 30 * 86_400


class WitnessError(Exception):
    """A witness did not take a checkpoint; the text says why, without secrets."""


class Witness(Protocol):
    """One witness."""

    @property
    def name(self) -> str:
        """Return its name, under which its publications are recorded."""
        ...

    @property
    def every(self) -> float:
        """Return how many seconds lie between two checkpoints for it."""
        ...

    def publish(self, sealed: Sealed) -> None:
        """Give it a checkpoint, which it may have already; raises WitnessError."""
        ...

    def kept(self) -> Sequence[str]:
        """Return its newest notes of each epoch, none where it cannot be read; or WitnessError."""
        ...


@dataclass(frozen=True)
class DirectoryWitness:
    """Files in a directory, one for each checkpoint, written once."""

    path: Path
    every: float = _DIRECTORY_SECONDS
    name: str = DIRECTORY

    def publish(self, sealed: Sealed) -> None:
        """Write the file of a checkpoint; raises WitnessError, also when it holds another one."""
        target = self.path / file_name(sealed.number, epoch_of(sealed.note))
        try:
            if not target.exists():
                self._write(target, sealed.note.encode())
            if target.read_bytes() != sealed.note.encode():
                raise WitnessError(f"{target.name} is there and holds another checkpoint")
        except OSError as error:
            raise WitnessError(f"{type(error).__name__}: {error.strerror}") from None

    def kept(self) -> Sequence[str]:
        """Return the last notes of each epoch; raises WitnessError."""
        try:
            newest: dict[str, list[Path]] = {}
            for file in self.path.iterdir():
                if match := _FILE.fullmatch(file.name):
                    newest.setdefault(match["epoch"] or "", []).append(file)
            return [
                file.read_text(encoding="utf-8", errors="replace")
                for files in newest.values()
                for file in sorted(files)[-_LOOKED_AT:]
            ]
        except OSError as error:
            raise WitnessError(f"{type(error).__name__}: {error.strerror}") from None

    def _write(self, target: Path, note: bytes) -> None:
        # A link never replaces a file, and the file is whole when it appears.
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "wb") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, target)
        except FileExistsError:
            return  # another sealer was first; whether with the same is compared by the caller
        finally:
            draft.unlink()
        directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


@dataclass(frozen=True)
class MailWitness:
    """A mailbox, which gets the note as text."""

    to: str
    smtp_url: str
    sender: str
    every: float = _MAIL_SECONDS
    name: str = MAIL

    def kept(self) -> Sequence[str]:
        """Return nothing: a mailbox is not ours to read."""
        return ()

    def publish(self, sealed: Sealed) -> None:
        """Send a checkpoint; raises WitnessError."""
        try:
            message = EmailMessage(policy=SMTP)
            message["From"], message["To"] = self.sender, self.to
            message["Subject"] = f"Checkpoint {sealed.number} of the ledger: {sealed.size} events"
            message["Date"] = sealed.created_at
            message["Auto-Submitted"] = "auto-generated"
            message.set_content(sealed.note, cte="base64")
            with opened(self.smtp_url) as server:
                server.send_message(message)
        except (MessageError, ValueError, IndexError) as error:
            raise WitnessError(f"{type(error).__name__} in a header") from None
        except ServerUnavailableError as error:
            raise WitnessError(str(error)) from None
        except (smtplib.SMTPException, OSError) as error:
            raise WitnessError(type(error).__name__) from None


def file_name(number: int, epoch: str = "") -> str:
    """Return the name of a checkpoint's file: numbers begin anew where a log was put back."""
    return f"checkpoint-{f'{epoch}-' if epoch else ''}{number:09d}.txt"


def epoch_of(note: str) -> str:
    """Return the epoch of a checkpoint's origin; "" for the first."""
    return epoch_of_origin(parse_checkpoint(parse_note(note).text).origin)


def witnesses_of(settings: Settings, environ: Mapping[str, str] | None = None) -> Sequence[Witness]:
    """Return the witnesses of an installation; raises ConfigurationError."""
    env = os.environ if environ is None else environ
    found: list[Witness] = []
    if path := env.get(DIRECTORY_SETTING):
        every = _seconds(env, "SALDO_LEDGER_WITNESS_SECONDS", _DIRECTORY_SECONDS)
        found.append(DirectoryWitness(Path(path), every))
    if to := env.get("SALDO_LEDGER_WITNESS_MAIL"):
        every = _seconds(env, "SALDO_LEDGER_WITNESS_MAIL_SECONDS", _MAIL_SECONDS)
        found.append(MailWitness(to, settings.smtp_url, settings.mail_from, every))
    return found


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name) or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _MAX_SECONDS:
        raise ConfigurationError(f"{name} is a number of seconds, up to {_MAX_SECONDS}")
    return seconds
