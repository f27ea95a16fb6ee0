"""The worker process of a set of services: their relays, reactions and jobs. Never patched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event as Signal
from typing import Any

from prometheus_client import REGISTRY

from services.discovery import batch_of, jobs_of, open_store, publisher_of, reactions_of, tasks_of
from services.readiness import states_of
from shared import gc_tuning, tracing
from shared.bus.epoch_metrics import EpochCollector
from shared.bus.jobs import JobRunner
from shared.bus.leadership import LockConnection
from shared.bus.listen import Listener
from shared.bus.live import Handoff, LiveFeed
from shared.bus.progress import ProgressCollector
from shared.bus.relay import Relay
from shared.bus.retries import Retrier
from shared.bus.worker import Worker
from shared.config import Settings
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.schema_level import check_levels
from shared.logs import get_logger
from shared.monitoring import Monitoring
from shared.rpc.book_methods import routed
from shared.rpc.client import RpcClient

log = get_logger(__name__)

POOL_SIZE = 6
"""How many connections of its service's pool a worker may open, beside one for each task."""
OWN_CONNECTIONS = 3
"""Those beside its pool: the locks of relay and live feed, and that of all others together."""


@dataclass(frozen=True)
class WorkerServices:
    """The dependencies of one service's reactions and jobs; see shared.bus.Services."""

    settings: Settings
    store: PostgresStore
    client: RpcClient
    stop: Signal
    """Set when the worker is to end: long work looks at it."""
    appended: Signal = field(default_factory=Signal)
    """Set when this process sees new events of the service; whoever waits for some clears it."""

    def call(self, service: str, method: str, *, deadline: float = 5.0, **kwargs: Any) -> Any:
        return self.client.call(service, method, deadline=deadline, **kwargs)


def work(names: Sequence[str], settings: Settings) -> None:
    """Run the worker until SIGTERM or SIGINT.

    Raises ConfigurationError when the address for monitoring cannot be used, or a newer version has
    taken away what this one uses.
    """
    check_levels(settings, names)
    monitoring = Monitoring(settings.monitoring_listen)
    tracing.start(settings.otlp_endpoint)
    clients = {name: RpcClient(settings.amqp_url_of(name), name=f"{name} worker") for name in names}
    worker = Worker()
    stores = {name: start_tasks(worker, name, settings, clients[name]) for name in names}
    for collector in (ProgressCollector(stores), EpochCollector(stores)):
        REGISTRY.register(collector)
    monitoring.report(lambda: states_of(settings, stores))
    gc_tuning.tune_gc()
    log.info("worker_ready", services=list(names))
    worker.wait()
    for client in clients.values():
        client.close()
    for store in stores.values():
        store.close()
    tracing.stop()
    monitoring.close()


def start_tasks(worker: Worker, name: str, settings: Settings, client: RpcClient) -> PostgresStore:
    """Start the relay, live feed, listeners, jobs and tasks of a service; return its store."""
    tasks = tasks_of(name, settings)
    store = open_store(name, settings, pool_size=POOL_SIZE + len(tasks))
    services = WorkerServices(settings, store, routed(client, settings.books), worker.stop)
    publish, handoff = publisher_of(name), Handoff()
    relay = Relay(settings, store, publish, worker.stop, handoff.put, noticed=services.appended.set)
    worker.start(f"{name} relay", relay.run)
    worker.start(f"{name} live", LiveFeed(settings, store, publish, worker.stop, handoff).run)
    locks = LockConnection(settings, name)
    reactions = reactions_of(name, settings.books)
    for upstream, handlers in reactions.items():
        listener = Listener(services, store, upstream, handlers, worker.stop, batch_of(name), locks)
        worker.start(f"{name} from {upstream}", listener.run)
    if reactions:
        worker.start(f"{name} retries", Retrier(services, store, reactions, worker.stop, locks).run)
    if jobs := jobs_of(name):
        worker.start(f"{name} jobs", JobRunner(name, services, jobs, worker.stop, locks).run)
    for task in tasks:
        worker.start(f"{name} {task.name}", partial(task.run, services))
    return store
