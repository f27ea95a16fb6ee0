"""``python -m deploy.doubles.mailcatcher``: catch letters until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from deploy.doubles.mailcatcher.letters import Letters
from deploy.doubles.mailcatcher.mailbox_page import MailboxServer
from deploy.doubles.mailcatcher.smtp import listen


def _address(environ: Mapping[str, str], name: str, default: str) -> tuple[str, int]:
    url = urlsplit(environ.get(name) or default)
    if url.hostname is None or url.port is None:
        sys.exit(f"{name} must look like {default}")
    return url.hostname, url.port


async def run(environ: Mapping[str, str]) -> None:
    """Serve SMTP on the event loop and the page in a thread, until SIGTERM or SIGINT."""
    letters = Letters(Path(environ.get("SALDO_MAIL_DIR") or ".saldo/mail"))
    smtp_host, smtp_port = _address(environ, "SALDO_SMTP_URL", "smtp://127.0.0.1:18025")
    page = MailboxServer(_address(environ, "SALDO_MAILBOX_URL", "http://127.0.0.1:18026"), letters)
    threading.Thread(target=page.serve_forever, name="mailbox", daemon=True).start()
    server = await listen(smtp_host, smtp_port, letters)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(f"catching letters at {smtp_host}:{smtp_port} into {letters.folder}", flush=True)
    await stop.wait()
    server.close()
    await asyncio.to_thread(page.shutdown)


if __name__ == "__main__":
    asyncio.run(run(os.environ))
