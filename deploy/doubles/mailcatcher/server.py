"""The process: SMTP on an event loop, and the page of the mailbox, each in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from deploy.doubles.mailcatcher.faults import FaultSwitch
from deploy.doubles.mailcatcher.letters import Letters
from deploy.doubles.mailcatcher.mailbox_page import MailboxServer
from deploy.doubles.mailcatcher.smtp import Catcher, Listener
from deploy.doubles.running import DoubleError, Threads

_FOLLOW_SECONDS = 10.0
Address = tuple[str, int]


class MailCatcher:
    """The mail catcher. `start` returns when it listens; `wait` blocks until `stopping` is set."""

    def __init__(
        self,
        letters: Letters,
        bounces: Letters | None,
        smtp: Address,
        mailbox: Address,
        stopping: threading.Event,
    ) -> None:
        self._stopping = stopping
        self._letters = letters
        self._smtp = smtp
        faults = FaultSwitch()
        self._listener = Listener(Catcher(letters, faults, bounces), faults, *smtp)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listens = threading.Event()
        self._page = MailboxServer(mailbox, letters, faults, on_faults=self._follow)
        self._threads = Threads(stopping)
        self._threads.add("smtp", self._serve)
        self._pages = threading.Thread(target=self._page.serve_forever, name="mailbox", daemon=True)

    def start(self) -> None:
        self._threads.start()
        self._listens.wait()
        if not self._stopping.is_set():
            self._pages.start()

    def wait(self) -> None:
        """Block until it is to end. Raises the exception that ended the listener."""
        self._stopping.wait()
        try:
            self._threads.join()
        finally:
            if self._pages.is_alive():
                self._page.shutdown()
            self._page.server_close()

    def _serve(self) -> None:
        try:
            asyncio.run(self._catch())
        finally:
            self._listens.set()

    async def _catch(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._listener.follow()
        # Port 0 is any free one; a test reads here which.
        print(
            f"catching letters at smtp://{self._smtp[0]}:{self._listener.port}"
            f" into {self._letters.folder}",
            flush=True,
        )
        host, port = self._page.server_address[:2]
        print(f"showing them at http://{host!s}:{port}", flush=True)
        self._listens.set()
        await asyncio.to_thread(self._stopping.wait)
        self._listener.close()

    def _follow(self) -> None:
        if self._loop is not None:
            followed = asyncio.run_coroutine_threadsafe(self._listener.follow(), self._loop)
            followed.result(_FOLLOW_SECONDS)


def open_double(environ: Mapping[str, str], stopping: threading.Event) -> MailCatcher:
    """Make it by `SALDO_*`. Raises DoubleError."""
    bounces = environ.get("SALDO_BOUNCES_DIR")
    return MailCatcher(
        Letters(Path(environ.get("SALDO_MAIL_DIR") or ".saldo/mail")),
        Letters(Path(bounces)) if bounces else None,
        _address(environ, "SALDO_SMTP_URL", "smtp://127.0.0.1:18025"),
        _address(environ, "SALDO_MAILBOX_URL", "http://127.0.0.1:18026"),
        stopping,
    )


def _address(environ: Mapping[str, str], name: str, default: str) -> Address:
    url = urlsplit(environ.get(name) or default)
    if url.hostname is None or url.port is None:
        raise DoubleError(f"{name} must look like {default}")
    return url.hostname, url.port
