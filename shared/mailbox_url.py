"""The URL of a mailbox from which letters are read: a Maildir, or a folder of an IMAP server."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def mailbox_of(url: str) -> SplitResult:
    """Return the parts of a URL whose scheme is ``maildir`` or ``imaps``.

    Raises ValueError, without the URL, which may have a password.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(_WANTED) from None
    if parts.scheme == "maildir" and not parts.netloc and parts.path:
        return parts
    if parts.scheme == "imaps" and parts.hostname and parts.username:
        return parts
    raise ValueError(_WANTED)


_WANTED = "set SALDO_BOUNCES_URL to maildir:///path or imaps://user:password@host/folder"
