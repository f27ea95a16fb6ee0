"""The SMTP side: accepts every letter for anybody, and stores it before it confirms."""

from __future__ import annotations

import asyncio

from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.doubles.mailcatcher.letters import Letters

MAX_LETTER_BYTES = 20 * 1024 * 1024


class Catcher:
    """The handler that aiosmtpd calls for each complete letter."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Store the letter; confirm with 250 once it is on disk (RFC 5321, 4.2.5)."""
        content = envelope.content or b""
        if isinstance(content, str):
            content = content.encode("utf-8", errors="surrogateescape")
        try:
            await asyncio.to_thread(
                self._letters.add, envelope.mail_from or "", envelope.rcpt_tos, content
            )
        except OSError as failure:
            print(f"cannot store a letter: {failure}", flush=True)
            return "452 4.3.1 The mail catcher cannot write to its folder; try again later"
        return "250 2.0.0 Caught"


async def listen(host: str, port: int, letters: Letters) -> asyncio.Server:
    """Start accepting letters."""
    handler = Catcher(letters)

    def protocol() -> SMTP:
        return SMTP(handler, data_size_limit=MAX_LETTER_BYTES, enable_SMTPUTF8=True, ident="Saldo")

    return await asyncio.get_running_loop().create_server(protocol, host, port)
