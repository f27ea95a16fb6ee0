"""The gateway's process: it runs nameko's runner and shuts down gracefully."""

from __future__ import annotations

import eventlet
from nameko.runners import ServiceRunner

from gateway.documents.payees import load_payees
from gateway.operations import SERVICE_TIMEOUT, ServiceCalls
from gateway.readiness import states_of
from gateway.service import Gateway
from gateway.together import Together
from gateway.web import CLIENT_KEY, CLOCKS_KEY, SETTINGS_KEY
from shared import tracing
from shared.config import GATEWAY, Settings
from shared.distant_clock import SHARED_BY_GATEWAYS, ServiceClocks
from shared.errors import ServiceError
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

ASK_AGAIN_SECONDS = 1.0
"""The pause between questions for the time, until one is answered."""


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
    eventlet.spawn(learn_time, client)
    monitoring.report(lambda: states_of(client, settings.books))
    runner.wait()
    client.close()
    tracing.stop()
    monitoring.close()


def learn_time(services: ServiceCalls) -> None:
    """Ask for the time that gateways have in common until there is a reply, which tells it.

    Otherwise the first request would go by the machine's clock: what another gateway has sealed
    for its browser might be too old.
    """
    while True:
        try:
            services.call(SHARED_BY_GATEWAYS, "health", deadline=SERVICE_TIMEOUT)
        except ServiceError as error:
            log.info("time_unknown", code=error.code)
            eventlet.sleep(ASK_AGAIN_SECONDS)
        else:
            return
