"""The process table of an installation: what runs on one machine, and in which order."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from deploy.embedded import postgres, rabbitmq
from deploy.embedded.account import account
from deploy.embedded.environment import PLAIN_ENVIRONMENT, REPOSITORY, SERVICES
from deploy.embedded.plan import Check, ProcessSpec
from deploy.embedded.state import StateDir

NODES = ("postgres", "epmd", "rabbitmq")

# Reactions of the first journey: a worker that reads these reads all.
_REACTIONS = ("ledger.from.payments", "payments.from.ledger", "notifications.from.identity")

_CODE_FOLDERS = ("services", "gateway", "shared", "deploy")
_CODE_SUFFIXES = {".py", ".sql", ".yaml", ".html", ".j2", ".css", ".js", ".csv", ".md"}


def table(
    state: StateDir,
    ports: dict[str, int],
    secrets: dict[str, str],
    settings: Mapping[str, str],
    given: Mapping[str, str],
) -> tuple[ProcessSpec, ...]:
    """Return all processes; a node whose URL is given is none of ours."""
    specs: list[ProcessSpec] = []
    user = account()
    if "SALDO_DATABASE_URL" not in given:
        url = settings["SALDO_DATABASE_URL"]
        specs.append(postgres.process(state, ports["postgres"], url, user))
    if "SALDO_AMQP_URL" not in given:
        url = settings["SALDO_AMQP_URL"]
        specs += rabbitmq.processes(state.root / "rabbitmq", ports, secrets, url, user)
    return (*specs, *_services(settings))


def _services(settings: Mapping[str, str]) -> list[ProcessSpec]:
    broker = settings["SALDO_AMQP_URL"]
    gateway = settings["SALDO_GATEWAY_LISTEN"].replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    acquirer = urlsplit(settings["SALDO_ACQUIRER_URL"]).netloc
    smtp = urlsplit(settings["SALDO_SMTP_URL"]).netloc
    queues = tuple(f"rpc-{service}" for service in SERVICES)
    nodes = ("postgres", "rabbitmq")
    services = ("migrate", "rabbitmq")
    # name, what python -m runs, what must be ready before, when it is ready itself
    rows: list[tuple[str, tuple[str, ...], tuple[str, ...], Check | None]] = [
        ("migrate", ("services", "migrate"), ("postgres",), None),
        ("serve", ("services", "serve", *SERVICES), services, Check("amqp", broker, queues)),
        ("work", ("services", "work", *SERVICES), services, Check("amqp", broker, _REACTIONS)),
        ("gateway", ("gateway",), nodes, Check("http", f"http://{gateway}/readyz")),
        ("acquirer", ("deploy.doubles.acquirer",), (), Check("tcp", acquirer)),
        ("mailcatcher", ("deploy.doubles.mailcatcher",), (), Check("tcp", smtp)),
    ]
    environ = PLAIN_ENVIRONMENT | dict(settings)
    version = code_version()
    return [
        ProcessSpec(
            name=name,
            argv=(sys.executable, "-m", *module),
            environ=environ,
            cwd=str(REPOSITORY),
            after=after,
            ready=ready,
            once=ready is None,
            version=version,
        )
        for name, module, after, ready in rows
    ]


def code_version(root: Path = REPOSITORY) -> str:
    """Return a digest of all that the services are made of."""
    digest = sha256()
    for folder in _CODE_FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in _CODE_SUFFIXES and path.is_file():
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    lock = root / "requirements.lock"
    digest.update(lock.read_bytes() if lock.exists() else b"")
    return digest.hexdigest()
