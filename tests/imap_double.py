"""An IMAP server of one folder, in a thread: what is enough to read a mailbox (RFC 3501)."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_COMMAND = re.compile(rb"(?P<tag>\S+) (?P<uid>UID )?(?P<verb>\S+)(?: (?P<rest>.*))?", re.IGNORECASE)


@dataclass
class Folder:
    """The messages by their ids, with their flags."""

    messages: dict[int, bytes] = field(default_factory=dict)
    flags: dict[int, set[str]] = field(default_factory=dict)
    password: str = "wonderland"
    asked: list[str] = field(default_factory=list)
    broken_at: str = ""
    """The verb at which the connection is cut."""

    def add(self, content: bytes) -> int:
        uid = len(self.messages) + 1
        self.messages[uid], self.flags[uid] = content, set()
        return uid


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        folder: Folder = self.server.folder  # type: ignore[attr-defined]
        self._say(b"* OK ready")
        for line in self.rfile:
            found = _COMMAND.fullmatch(line.rstrip(b"\r\n"))
            if found is None:
                return
            verb, rest = found["verb"].decode().upper(), (found["rest"] or b"").decode()
            folder.asked.append(f"{verb} {rest}".strip())
            if verb == folder.broken_at:
                return
            state = self._done(folder, verb, rest)
            self._say(found["tag"] + b" " + state)
            if verb == "LOGOUT":
                return

    def _done(self, folder: Folder, verb: str, rest: str) -> bytes:
        match verb:
            case "CAPABILITY":
                self._say(b"* CAPABILITY IMAP4rev1")
            case "LOGIN":
                if not rest.endswith(f'"{folder.password}"'):
                    return b"NO wrong"
            case "SELECT":
                self._say(f"* {len(folder.messages)} EXISTS".encode())
            case "SEARCH":
                seen = {r"\Seen", r"\Deleted"}
                unread = [str(uid) for uid, flags in folder.flags.items() if not flags & seen]
                self._say(f"* SEARCH {' '.join(unread)}".rstrip().encode())
            case "FETCH":
                self._fetch(folder, *rest.split(" ", 1))
            case "STORE":
                uid, _, flags = rest.split(" ", 2)
                folder.flags[int(uid)] |= set(flags.strip("()").split())
            case "CLOSE":
                for gone in [uid for uid, flags in folder.flags.items() if r"\Deleted" in flags]:
                    del folder.messages[gone], folder.flags[gone]
            case "LOGOUT":
                self._say(b"* BYE")
        return b"OK done"

    def _fetch(self, folder: Folder, uid: str, what: str) -> None:
        most = int(what.partition("<0.")[2].partition(">")[0])
        content = folder.messages[int(uid)][:most]
        self.wfile.write(f"* {uid} FETCH (UID {uid} BODY[]<0> {{{len(content)}}}\r\n".encode())
        self._say(content + b")")

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        super().__init__(("127.0.0.1", 0), _Session)


@contextmanager
def serving_imap(folder: Folder) -> Iterator[int]:
    """Serve a folder at the port that is yielded."""
    with _Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
