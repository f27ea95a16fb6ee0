"""The gateway's process: nameko's runner, started from our own code, and a graceful end."""

from __future__ import annotations

import eventlet
from nameko.runners import ServiceRunner

from gateway.documents.payees import load_payees
from gateway.service import CLIENT_KEY, Gateway
from gateway.web import SETTINGS_KEY
from shared.config import Settings
from shared.logs import get_logger
from shared.rpc.client import RpcClient
from shared.signals import on_stop_signal

log = get_logger("gateway.server")

MAX_WORKERS = 256
"""Requests that are being answered at the same time; slow uploads do not count."""

GRACE_SECONDS = 25.0
"""How long requests under way may take when the process is asked to end."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way.

    Raises ConfigurationError when the payees of bills cannot be used.
    """
    load_payees(settings.payees)
    client = RpcClient(settings.amqp_url, name="gateway")
    runner = ServiceRunner(
        {
            "AMQP_URI": settings.amqp_url,
            "WEB_SERVER_ADDRESS": settings.gateway_listen,
            "max_workers": MAX_WORKERS,
            SETTINGS_KEY: settings,
            CLIENT_KEY: client,
        }
    )
    runner.add_service(Gateway)

    def end() -> None:
        log.info("ending")
        with eventlet.Timeout(GRACE_SECONDS, False):
            runner.stop()
            return
        log.warning("ended_with_requests_under_way")
        runner.kill()

    on_stop_signal(end)
    runner.start()
    runner.wait()
    client.close()
