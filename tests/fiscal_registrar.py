"""The simulated registrar in a thread of the test, and settings of payments that lead to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from werkzeug.serving import WSGIRequestHandler, make_server

from deploy.doubles.ofd.drive import Drive
from deploy.doubles.ofd.faults import FaultSwitch
from deploy.doubles.ofd.settings import RegistrarSettings
from deploy.doubles.ofd.web import RegistrarApp
from shared.fiscal_settings import FiscalSettings
from shared.logs import get_logger
from tests.ports import free_port

INN, GROUP, USER, PASSWORD = "6200098765", "demo", "saldo", "registrar-password"


class Registrar:
    """The registrar as a test sees it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.settings = FiscalSettings(
            protocol="atol",
            url=url,
            user=USER,
            password=PASSWORD,
            group=GROUP,
            inn=INN,
            seller="ООО «Примерский расчётный центр»",
            place="https://saldo.example",
            email="receipts@saldo.example",
            vat="vat22",
        )

    def faults(self, **faults: Any) -> None:
        requests.put(f"{self.url}/admin/faults", json=faults, timeout=5).raise_for_status()

    def clear(self) -> None:
        requests.delete(f"{self.url}/admin/faults", timeout=5).raise_for_status()
        self.faults(delay_seconds=0)

    def receipts(self) -> list[dict[str, Any]]:
        listed = requests.get(f"{self.url}/admin/receipts", timeout=5)
        return list(listed.json()["receipts"])


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing."""


@contextmanager
def running_registrar(folder: Path) -> Iterator[Registrar]:
    """Run the registrar for the length of a block; its receipts are ready at once."""
    drive, port = Drive(folder / "ofd.sqlite"), free_port()
    url = f"http://127.0.0.1:{port}"
    settings = RegistrarSettings(url, USER, PASSWORD, GROUP, INN, folder)
    app = RegistrarApp(drive, FaultSwitch(), settings, get_logger("ofd"))
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        registrar = Registrar(url)
        registrar.clear()
        yield registrar
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        drive.close()
