"""The gateway's process: it runs nameko's runner and shuts down gracefully."""

from __future__ import annotations

import eventlet
from nameko.runners import ServiceRunner

from gateway.documents.payees import load_payees
from gateway.readiness import states_of
from gateway.service import Gateway
from gateway.together import Together
from gateway.web import CLIENT_KEY, CLOCKS_KEY, SETTINGS_KEY
from shared import tracing
from shared.config import GATEWAY, Settings
from shared.distant_clock import ServiceClocks
from shared.logs import get_logger
from shared.monitoring import Monitoring, stopping
from shared.rpc.book_methods import routed
from shared.rpc.client import RpcClient
from shared.signals import on_stop_signal

log = get_logger("gateway.server")

MAX_WORKERS = 256
"""Requests handled at the same time; slow uploads do not count."""

GRACE_SECONDS = 25.0
"""How long requests in progress may take after a signal to stop."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests in progress.

    Raises ConfigurationError when the payees of bills or the address for monitoring cannot be used.
    """
    load_payees(settings.payees)
    monitoring = Monitoring(settings.monitoring_listen)
    tracing.start(settings.otlp_endpoint)
    amqp_url = settings.amqp_url_of(GATEWAY)
    clocks = ServiceClocks(settings.timezone)
    client = RpcClient(amqp_url, name="gateway", clocks=clocks)
    runner = ServiceRunner(
        {
            "AMQP_URI": amqp_url,
            "WEB_SERVER_ADDRESS": settings.gateway_listen,
            "max_workers": MAX_WORKERS,
            SETTINGS_KEY: settings,
            CLOCKS_KEY: clocks,
            CLIENT_KEY: routed(Together(client, settings.books), settings.books),
        }
    )
    runner.add_service(Gateway)

    def stop() -> None:
        log.info("stopping")
        monitoring.report(stopping)
        with eventlet.Timeout(GRACE_SECONDS, False):
            runner.stop()
            return
        log.warning("stopped_with_requests_in_progress")
        runner.kill()

    on_stop_signal(stop)
    runner.start()
    monitoring.report(lambda: states_of(client, settings.books))
    runner.wait()
    client.close()
    tracing.stop()
    monitoring.close()
