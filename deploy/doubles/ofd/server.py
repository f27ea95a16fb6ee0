"""The process: a threaded HTTP server."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from deploy.doubles.ofd.drive import Drive
from deploy.doubles.ofd.faults import FaultSwitch
from deploy.doubles.ofd.settings import RegistrarSettings, load_registrar_settings
from deploy.doubles.ofd.web import RegistrarApp
from deploy.doubles.running import Threads
from shared.logs import get_logger


class _Handler(WSGIRequestHandler):
    # Close an idle connection, which would keep a thread.
    timeout = 30

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: there is nothing in a request line to learn from."""


class Registrar:
    """The simulated registrar. `start` returns at once; `wait` blocks until `stopping` is set."""

    def __init__(self, settings: RegistrarSettings, log: Any, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._drive = Drive(settings.state_dir / "ofd.sqlite")
        app = RegistrarApp(self._drive, FaultSwitch(), settings, log)
        self._server: BaseWSGIServer = make_server(
            settings.host, settings.port, app, threaded=True, request_handler=_Handler
        )
        self._threads = Threads(stopping)
        self._threads.add("http", self._server.serve_forever)

    def start(self) -> None:
        self._threads.start()

    def wait(self) -> None:
        """Block until it is to end. Raises the exception that ended the server."""
        self._stopping.wait()
        self._server.shutdown()
        try:
            self._threads.join()
        finally:
            self._server.server_close()
            self._drive.close()


def open_double(environ: Mapping[str, str], stopping: threading.Event) -> Registrar:
    """Make it by `SALDO_*`. Raises SettingsError."""
    settings = load_registrar_settings(environ)
    log = get_logger("ofd")
    log.info("ofd_opens", url=settings.url)
    return Registrar(settings, log, stopping)
