"""The process: a threaded HTTP server, and the thread that sends callbacks."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from deploy.doubles.acquirer.callbacks import CallbackSender
from deploy.doubles.acquirer.database import Database
from deploy.doubles.acquirer.faults import FaultSwitch
from deploy.doubles.acquirer.order_list import OrderList
from deploy.doubles.acquirer.orders import Orders
from deploy.doubles.acquirer.settings import BankSettings, load_bank_settings
from deploy.doubles.acquirer.signature import by_own_key, by_secret
from deploy.doubles.acquirer.web import BankApp
from deploy.doubles.running import Threads
from shared.logs import get_logger


class _Handler(WSGIRequestHandler):
    # Close an idle connection, which would keep a thread.
    timeout = 30

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: the request line may hold credentials."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - as the base class
        """Log nothing, for the same reason."""


class Bank:
    """The simulated acquirer. `start` returns at once; `wait` blocks until `stopping` is set."""

    def __init__(self, settings: BankSettings, log: Any, stopping: threading.Event) -> None:
        self._database = Database(settings.state_dir / "acquirer.sqlite")
        self._stopping = stopping
        self._faults = FaultSwitch()
        sign = (
            by_own_key(settings.state_dir)
            if settings.signs_by_own_key
            else by_secret(settings.secret)
        )
        self._sender = CallbackSender(self._database, settings.callback_url, sign, log)
        self._orders = Orders(self._database, self._faults, on_callback=self._sender.wake)
        app = BankApp(self._orders, OrderList(self._database), self._faults, settings, log)
        self._server: BaseWSGIServer = make_server(
            settings.host, settings.port, app, threaded=True, request_handler=_Handler
        )
        self._threads = Threads(stopping)
        self._threads.add("http", self._server.serve_forever)
        self._threads.add("callbacks", self._send_callbacks)

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

    def _send_callbacks(self) -> None:
        self._sender.run(self._stopping, self._orders.expire)


def open_double(environ: Mapping[str, str], stopping: threading.Event) -> Bank:
    """Make it by `SALDO_*`. Raises SettingsError."""
    settings = load_bank_settings(environ)
    log = get_logger("acquirer")
    log.info("acquirer_opens", url=settings.url, callback_url=settings.callback_url)
    return Bank(settings, log, stopping)
