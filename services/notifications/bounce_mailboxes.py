"""The mailbox that reports of delivery come to: a Maildir, or a folder of an IMAP server.

Whoever has read a message says what becomes of it: a report that was understood is deleted, any
other message is left there, marked as seen, for a person to look at.
"""

from __future__ import annotations

import imaplib
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from services.notifications.delivery_reports import MAX_BYTES
from shared.mailbox_url import mailbox_of

TIMEOUT: Final = 30.0
"""Seconds to wait for a reply of the IMAP server."""

_SEEN: Final = ":2,S"
_IMAPS_PORT: Final = 993


class MailboxUnavailableError(Exception):
    """Raised if the mailbox cannot be read now."""


class BounceMailbox(Protocol):
    """The messages that nobody has looked at, and what becomes of each."""

    def unread(self, most: int) -> Iterator[tuple[str, bytes]]:
        """Yield up to `most` messages as (key, the beginning of its content)."""
        ...

    def delete(self, key: str) -> None:
        """Delete a message that was understood."""
        ...

    def set_aside(self, key: str) -> None:
        """Leave a message for a person to look at; it is not unread any more."""
        ...


@contextmanager
def opened(url: str) -> Iterator[BounceMailbox]:
    """Yield the mailbox of SALDO_BOUNCES_URL.

    Raises MailboxUnavailableError. The settings refuse a URL that names none.
    """
    parts = mailbox_of(url)
    if parts.scheme == "maildir":
        yield Maildir(Path(unquote(parts.path)))
    else:
        with _opened_imap(ImapFolder.parse(url)) as mailbox:
            yield mailbox


class Maildir:
    """A Maildir: messages come in `new`, and are left in `cur`."""

    def __init__(self, folder: Path) -> None:
        self._new, self._cur = folder / "new", folder / "cur"

    def unread(self, most: int) -> Iterator[tuple[str, bytes]]:
        try:
            with os.scandir(self._new) as entries:
                keys = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        except FileNotFoundError:  # made with the first message
            return
        except OSError as error:
            raise MailboxUnavailableError(type(error).__name__) from error
        for key in sorted(keys)[:most]:
            if (content := self._beginning(key)) is not None:
                yield key, content

    def _beginning(self, key: str) -> bytes | None:
        path = self._new / key
        # A person may take a message at any time.
        with _on_the_disk(), suppress(FileNotFoundError), path.open("rb") as message:
            return message.read(MAX_BYTES)
        return None

    def delete(self, key: str) -> None:
        with _on_the_disk():
            (self._new / key).unlink(missing_ok=True)

    def set_aside(self, key: str) -> None:
        with _on_the_disk(), suppress(FileNotFoundError):
            self._cur.mkdir(mode=0o700, exist_ok=True)
            (self._new / key).rename(self._cur / f"{key.partition(':')[0]}{_SEEN}")


@contextmanager
def _on_the_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MailboxUnavailableError(type(error).__name__) from error


@dataclass(frozen=True)
class ImapFolder:
    """A folder of an IMAP server, which TLS protects."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    folder: str

    @classmethod
    def parse(cls, url: str) -> ImapFolder:
        """Return what an imaps:// URL names."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "",
            port=parts.port or _IMAPS_PORT,
            username=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            folder=unquote(parts.path.lstrip("/")) or "INBOX",
        )


class ImapMailbox:
    """An open folder of an IMAP server."""

    def __init__(self, imap: imaplib.IMAP4) -> None:
        self._imap = imap

    def unread(self, most: int) -> Iterator[tuple[str, bytes]]:
        [found] = self._ask("SEARCH", "UNSEEN UNDELETED")
        for key in (found or b"").split()[:most]:
            uid = key.decode("ascii")
            # PEEK leaves it unseen, in case that it is not dealt with.
            fetched = self._ask("FETCH", uid, f"(BODY.PEEK[]<0.{MAX_BYTES}>)")
            content = next((part[1] for part in fetched if isinstance(part, tuple)), b"")
            yield uid, content

    def delete(self, key: str) -> None:
        self._ask("STORE", key, "+FLAGS.SILENT", r"(\Seen \Deleted)")

    def set_aside(self, key: str) -> None:
        self._ask("STORE", key, "+FLAGS.SILENT", r"(\Seen \Flagged)")

    def _ask(self, command: str, *arguments: str) -> list[Any]:
        try:
            state, answer = self._imap.uid(command, *arguments)
        except (imaplib.IMAP4.error, OSError) as error:
            # Its text may repeat what was sent.
            raise MailboxUnavailableError(f"{command}: {type(error).__name__}") from None
        if state != "OK":
            raise MailboxUnavailableError(f"{command}: {state}")
        return list(answer)


def connected(folder: ImapFolder) -> imaplib.IMAP4:
    """Return a connection to a folder's server; raises OSError or IMAP4.error."""
    # Without a context imaplib takes any certificate.
    return imaplib.IMAP4_SSL(
        folder.host, folder.port, ssl_context=ssl.create_default_context(), timeout=TIMEOUT
    )


@contextmanager
def _opened_imap(folder: ImapFolder) -> Iterator[ImapMailbox]:
    try:
        imap = connected(folder)
    except (imaplib.IMAP4.error, OSError) as error:
        raise MailboxUnavailableError(f"no connection: {type(error).__name__}") from error
    try:
        imap.login(folder.username, folder.password)
        state, _ = imap.select(f'"{folder.folder}"')
        if state != "OK":
            raise MailboxUnavailableError("there is no such folder")
        yield ImapMailbox(imap)
        imap.close()  # which expunges what is deleted
    except (imaplib.IMAP4.error, OSError) as error:
        raise MailboxUnavailableError(f"not read: {type(error).__name__}") from None
    finally:
        with suppress(imaplib.IMAP4.error, OSError):
            imap.logout()
        with suppress(OSError):  # closed already, unless the log-out failed
            imap.shutdown()
