"""The process: a threaded HTTP server, and the thread that sends notifications."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from deploy.doubles.running import Threads
from deploy.doubles.yookassa.api import Api
from deploy.doubles.yookassa.database import Database
from deploy.doubles.yookassa.faults import FaultSwitch
from deploy.doubles.yookassa.lists import Lists
from deploy.doubles.yookassa.notifications import NotificationSender
from deploy.doubles.yookassa.payments import Payments
from deploy.doubles.yookassa.settings import ShopSettings, load_shop_settings
from deploy.doubles.yookassa.web import App
from shared.logs import get_logger


class _Handler(WSGIRequestHandler):
    # Close an idle connection, which would keep a thread.
    timeout = 30

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: each call is logged by its name."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - as the base class
        """Log nothing, for the same reason."""


class Process:
    """The simulated YooKassa. `start` returns at once; `wait` blocks until `stopping` is set."""

    def __init__(self, settings: ShopSettings, log: Any, stopping: threading.Event) -> None:
        self._database = Database(settings.state_dir / "yookassa.sqlite")
        self._stopping = stopping
        self._faults = faults = FaultSwitch()
        self._sender = NotificationSender(self._database, settings.callback_url, log)
        self._payments = Payments(
            self._database, faults, settings.url, on_notification=self._sender.wake
        )
        lists = Lists(self._database)
        api = Api(self._payments, lists, settings, faults, self._database)
        app = App(self._payments, lists, api, faults, settings.prefix, log)
        self._server: BaseWSGIServer = make_server(
            settings.host, settings.port, app, threaded=True, request_handler=_Handler
        )
        self._threads = Threads(stopping)
        self._threads.add("http", self._server.serve_forever)
        self._threads.add("notifications", self._send_notifications)

    def start(self) -> None:
        self._threads.start()

    def wait(self) -> None:
        """Block until it is to end. Raises the exception that ended a thread."""
        self._stopping.wait()
        self._faults.release()
        self._server.shutdown()
        self._sender.wake()
        try:
            self._threads.join()
        finally:
            self._server.server_close()
            self._database.close()

    def _send_notifications(self) -> None:
        self._sender.run(self._stopping, self._payments.tidy)


def open_double(environ: Mapping[str, str], stopping: threading.Event) -> Process:
    """Make it by `SALDO_*`. Raises SettingsError."""
    settings = load_shop_settings(environ)
    log = get_logger("yookassa")
    log.info("yookassa_opens", url=settings.url, callback_url=settings.callback_url)
    return Process(settings, log, stopping)
