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

from deploy.doubles.mailcatcher.faults import FaultSwitch
from deploy.doubles.mailcatcher.letters import Letters
from deploy.doubles.mailcatcher.mailbox_page import MailboxServer
from deploy.doubles.mailcatcher.smtp import Catcher, Listener

_FOLLOW_SECONDS = 10.0


def _address(environ: Mapping[str, str], name: str, default: str) -> tuple[str, int]:
    url = urlsplit(environ.get(name) or default)
    if url.hostname is None or url.port is None:
        sys.exit(f"{name} must look like {default}")
    return url.hostname, url.port


def _bounces(environ: Mapping[str, str]) -> Letters | None:
    folder = environ.get("SALDO_BOUNCES_DIR")
    return Letters(Path(folder)) if folder else None


async def run(environ: Mapping[str, str]) -> None:
    """Serve SMTP on the event loop and the page in a thread, until SIGTERM or SIGINT."""
    letters = Letters(Path(environ.get("SALDO_MAIL_DIR") or ".saldo/mail"))
    faults = FaultSwitch()
    host, port = _address(environ, "SALDO_SMTP_URL", "smtp://127.0.0.1:18025")
    listener = Listener(Catcher(letters, faults, _bounces(environ)), faults, host, port)
    loop = asyncio.get_running_loop()

    def follow() -> None:
        asyncio.run_coroutine_threadsafe(listener.follow(), loop).result(_FOLLOW_SECONDS)

    mailbox = _address(environ, "SALDO_MAILBOX_URL", "http://127.0.0.1:18026")
    page = MailboxServer(mailbox, letters, faults, on_faults=follow)
    threading.Thread(target=page.serve_forever, name="mailbox", daemon=True).start()
    await listener.follow()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Port 0 is any free one; a test reads here which.
    print(f"catching letters at smtp://{host}:{listener.port} into {letters.folder}", flush=True)
    print(f"showing them at http://{mailbox[0]}:{page.server_address[1]}", flush=True)
    await stop.wait()
    listener.close()
    await asyncio.to_thread(page.shutdown)


if __name__ == "__main__":
    asyncio.run(run(os.environ))
