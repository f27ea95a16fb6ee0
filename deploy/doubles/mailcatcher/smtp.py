"""The SMTP side: accepts letters for anybody, and stores each before it confirms.

The faults that are switched on come first; see `faults.Faults`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.doubles.mailcatcher.bounces import delivery_report
from deploy.doubles.mailcatcher.faults import CONTENT, RECIPIENT, Faults, FaultSwitch
from deploy.doubles.mailcatcher.letters import Letters

MAX_LETTER_BYTES = 20 * 1024 * 1024
_NOBODY = "<>"
"""The sender of a report, to which no report is sent in turn."""


class Catcher:
    """The handler that aiosmtpd calls for each recipient and each complete letter."""

    def __init__(self, letters: Letters, faults: FaultSwitch, bounces: Letters | None) -> None:
        self._letters = letters
        self._faults = faults
        self._bounces = bounces

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, unless a fault is meant for it."""
        faults = self._faults.drawn(RECIPIENT)
        if faults.concern(address):
            if faults.refuse:
                return "550 5.1.1 No such mailbox"
            if faults.defer:
                return "451 4.3.0 Try again later"
            sender = envelope.mail_from or ""
            if faults.greylist and self._faults.is_first_attempt(sender, address):
                return "450 4.7.1 Greylisted, try again later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Store the letter; confirm with 250 once it is on disk (RFC 5321, 4.2.5)."""
        faults = self._faults.drawn(CONTENT)
        if not any(map(faults.concern, envelope.rcpt_tos)):
            faults = Faults()
        if faults.refuse_content:
            return "554 5.6.0 The content is refused"
        if faults.lose_letter:
            _cut(server)
        try:
            await asyncio.to_thread(self._keep, envelope, faults)
        except OSError as failure:
            print(f"cannot store a letter: {failure}", flush=True)
            return "452 4.3.1 The mail catcher cannot write to its folder; try again later"
        if faults.lose_answer:
            _cut(server)
        return "250 2.0.0 Caught"

    def _keep(self, envelope: Envelope, faults: Faults) -> None:
        content = envelope.content or b""
        if isinstance(content, str):
            content = content.encode("utf-8", errors="surrogateescape")
        sender = "" if envelope.mail_from in (None, _NOBODY) else str(envelope.mail_from)
        if not faults.bounce:
            self._letters.add(sender, envelope.rcpt_tos, content)
        if self._bounces is not None and sender and (faults.bounce or faults.delay_report):
            for recipient in envelope.rcpt_tos:
                report = delivery_report(content, sender, recipient, failed=faults.bounce)
                self._bounces.add("", [sender], report)


class Listener:
    """The port of the server, which a fault closes."""

    def __init__(self, catcher: Catcher, faults: FaultSwitch, host: str, port: int) -> None:
        self._catcher = catcher
        self._faults = faults
        self._host = host
        self.port = port
        self._server: asyncio.Server | None = None
        self._connections: WeakSet[_Connection] = WeakSet()
        self._changed = asyncio.Event()

    async def follow(self) -> None:
        """Listen, or stop listening, as the faults say; end delays that are over."""
        self._changed.set()
        self._changed = asyncio.Event()
        if self._faults.now.down:
            self.close()
        elif self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._connection, self._host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening, and cut all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.cut()

    async def delay_reply(self) -> None:
        """Wait as long as replies are slow."""
        began = time.monotonic()
        while (left := began + self._faults.now.slow_seconds - time.monotonic()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

    def _connection(self) -> _Connection:
        connection = _Connection(self._catcher, self.delay_reply)
        self._connections.add(connection)
        return connection


class _Connection(SMTP):
    """One client, whose replies a fault delays."""

    def __init__(self, catcher: Catcher, delay_reply: Callable[[], Awaitable[None]]) -> None:
        super().__init__(
            catcher, data_size_limit=MAX_LETTER_BYTES, enable_SMTPUTF8=True, ident="Saldo"
        )
        self._delay_reply = delay_reply

    async def push(self, status: Any) -> None:
        await self._delay_reply()
        await super().push(status)

    def cut(self) -> None:
        """End the connection without a word."""
        if self.transport is not None:
            self.transport.abort()


def _cut(server: SMTP) -> None:
    if isinstance(server, _Connection):
        server.cut()
    raise ConnectionResetError("a fault is switched on")
