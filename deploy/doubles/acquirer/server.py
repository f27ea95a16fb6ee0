"""The process: a threaded HTTP server, and the thread that sends callbacks."""

from __future__ import annotations

import threading
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from deploy.doubles.acquirer.callbacks import Courier
from deploy.doubles.acquirer.database import Database
from deploy.doubles.acquirer.faults import FaultSwitch
from deploy.doubles.acquirer.orders import Orders
from deploy.doubles.acquirer.protocol import MerchantApi
from deploy.doubles.acquirer.settings import BankSettings
from deploy.doubles.acquirer.web import BankApp


class _Handler(WSGIRequestHandler):
    # A connection that sends nothing is closed, so that it does not keep a thread.
    timeout = 30

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the request line may carry credentials; the application logs what matters."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Nothing, for the same reason."""


class Bank:
    """The simulated acquirer, ready to serve. `start` returns; `stop` waits for the threads."""

    def __init__(self, settings: BankSettings, log: Any) -> None:
        self._database = Database(settings.state_dir / "acquirer.sqlite")
        self._stopping = threading.Event()
        faults = FaultSwitch()
        self._courier = Courier(self._database, settings.callback_url, settings.secret, log)
        self._orders = Orders(self._database, faults, on_callback=self._courier.notice)
        api = MerchantApi(self._orders, settings)
        app = BankApp(self._orders, api, faults, settings.prefix, log)
        self._server: BaseWSGIServer = make_server(
            settings.host, settings.port, app, threaded=True, request_handler=_Handler
        )
        self._failed: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._serve, name="http"),
            threading.Thread(target=self._send_callbacks, name="callbacks"),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        """Block until `stop_soon`; raises what ended a thread by itself."""
        self._stopping.wait()
        self._server.shutdown()
        self._courier.notice()
        for thread in self._threads:
            thread.join()
        self._server.server_close()
        self._database.close()
        if self._failed is not None:
            raise self._failed

    def stop_soon(self) -> None:
        """Ask both threads to end; callable from a signal handler."""
        self._stopping.set()

    def _serve(self) -> None:
        self._guard(self._server.serve_forever)

    def _send_callbacks(self) -> None:
        self._guard(lambda: self._courier.run(self._stopping, self._orders.expire))

    def _guard(self, work: Any) -> None:
        """A thread that dies takes the process with it: the supervisor starts a whole one."""
        try:
            work()
        except BaseException as error:
            self._failed = error
            self._stopping.set()
            raise
