"""The server process: nameko services, under eventlet.

Imported only after ``services/__main__.py`` has patched the standard library.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import eventlet
from eventlet import tpool
from kombu import pools
from nameko.runners import ServiceRunner

from services.discovery import open_store, publisher_of
from services.readiness import states_of
from shared import cooperation, gc_tuning, tracing
from shared.books import service_of
from shared.bus.principals import tls_of
from shared.config import Settings
from shared.eventstore.schema_level import check_levels
from shared.logs import get_logger
from shared.monitoring import Monitoring, stopping
from shared.rpc.book_methods import routed
from shared.rpc.client import RpcClient
from shared.rpc.consumer import CONFIG_KEY, QUEUES_KEY
from shared.rpc.every_service import hosted
from shared.rpc.server import ServerContext
from shared.signals import on_stop_signal

log = get_logger(__name__)

MAX_WORKERS = 50
"""The maximum of concurrent calls of a service; more wait in its queue, and expire there."""

GRACE_S = 15.0
"""How long calls in progress may take after a stop signal."""


def serve(names: Sequence[str], settings: Settings) -> None:
    """Run services until SIGTERM or SIGINT; calls in progress are finished first.

    Raises ConfigurationError when the address for monitoring cannot be used, or a newer version has
    taken away what this one uses.
    """
    check_levels(settings, names)
    monitoring = Monitoring(settings.monitoring_listen)
    tracing.start(settings.otlp_endpoint)
    pools.set_limit(100)
    # Those that nobody calls keep no connection: PostgreSQL holds 2 to 5 MB for each.
    stores = {name: open_store(name, settings, kept=0) for name in names}
    clients = {name: RpcClient(settings.amqp_url_of(name), name=f"{name} server") for name in names}
    runner = ServiceRunner({})
    for name in names:
        client = routed(clients[name], settings.books)
        context = ServerContext(settings, client, stores[name], publisher_of(name))
        # Each with the broker's user of its own; add_service would give all the same.
        runner.service_map[name] = runner.container_cls(
            hosted(_service_class(service_of(name)), name),
            _config(settings.amqp_url_of(name), context),
        )
    on_stop_signal(lambda: _stop(runner, monitoring))
    runner.start()
    monitoring.report(lambda: states_of(settings, stores))
    gc_tuning.tune_gc()
    cooperation.set_switch(eventlet.sleep)
    cooperation.set_native_threads(tpool.execute)
    log.info("server_ready", services=list(names))
    runner.wait()
    for client in clients.values():
        client.close()
    for store in stores.values():
        store.close()
    tracing.stop()
    monitoring.close()


def _config(amqp_url: str, context: ServerContext) -> dict[str, Any]:
    return {
        "AMQP_URI": amqp_url,
        "AMQP_SSL": tls_of(amqp_url),
        "max_workers": MAX_WORKERS,
        "ACCEPT": ["json"],
        "HEARTBEAT": 20,
        "TRANSPORT_OPTIONS": {
            "max_retries": 3,
            "interval_start": 0.1,
            "interval_step": 0.2,
            "interval_max": 1.0,
        },
        QUEUES_KEY: context.settings.rpc_queues,
        CONFIG_KEY: context,
    }


def _stop(runner: ServiceRunner, monitoring: Monitoring) -> None:
    monitoring.report(stopping)
    with eventlet.Timeout(GRACE_S, False):
        runner.stop()
        return
    log.warning("stopped_with_calls_in_progress")
    runner.kill()


def _service_class(name: str) -> type[Any]:
    module = import_module(f"services.{name}.service")
    found: type[Any] = next(
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and getattr(value, "name", None) == name
        and value.__module__ == module.__name__
    )
    return found
