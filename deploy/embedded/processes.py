"""The process table of an installation: its processes and their requirements."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from deploy.embedded import books, postgres, rabbitmq
from deploy.embedded.keys import sealer_settings
from deploy.embedded.plan import Check, ProcessSpec
from deploy.embedded.process_settings import settings_of
from deploy.embedded.state import StateDir
from deploy.embedded.surroundings import PLAIN_ENVIRONMENT, REPOSITORY
from deploy.embedded.system_user import system_user
from services.discovery import reactions_of
from shared.books import with_books
from shared.bus.topology import reaction_queue
from shared.config import SERVICES

NODES = ("postgres", "epmd", "rabbitmq")
DOUBLES = ("acquirer", "yookassa", "ofd", "mailcatcher")
"""Those of others. Whoever listens last is last."""
TOGETHER = "doubles"
"""The one process that is all of them."""

_CODE_FOLDERS = ("services", "gateway", "shared", "deploy")
_CODE_SUFFIXES = {".py", ".sql", ".yaml", ".html", ".j2", ".css", ".js", ".csv", ".md"}


def process_specs(
    state: StateDir,
    ports: dict[str, int],
    secrets: dict[str, str],
    settings: Mapping[str, str],
    overrides: Mapping[str, str],
) -> tuple[ProcessSpec, ...]:
    """Return all processes; a node or an acquirer whose URL is overridden is left out."""
    specs: list[ProcessSpec] = []
    user = system_user()
    if "SALDO_DATABASE_URL" not in overrides:
        url = settings["SALDO_DATABASE_URL"]
        specs.append(postgres.process(state, ports["postgres"], url, user))
    if "SALDO_AMQP_URL" not in overrides:
        url = settings["SALDO_AMQP_URL"]
        specs += rabbitmq.processes(state.root / "rabbitmq", ports, secrets, url, user)
    left_out = acquirers_elsewhere(settings, overrides)
    services = service_specs(state, settings)
    return (*specs, *(spec for spec in services if spec.name not in left_out))


def acquirers_elsewhere(settings: Mapping[str, str], overrides: Mapping[str, str]) -> set[str]:
    """Return the simulated acquirers that nobody is sent to."""
    simulated = {
        "acquirer": "SALDO_ACQUIRER_URL" not in overrides,
        "yookassa": "SALDO_ACQUIRER_KASSA_URL" not in overrides
        and "kassa=yookassa" in settings["SALDO_ACQUIRERS"],
    }
    return {name for name, is_here in simulated.items() if not is_here}


def service_specs(state: StateDir, settings: Mapping[str, str]) -> list[ProcessSpec]:
    """Return the processes of Saldo, and what belongs to others: banks, cash register, mail."""
    keys = sealer_settings(state) | books.sealer_settings(state, settings)
    settings = {**keys, **settings}
    broker = settings["SALDO_AMQP_URL"]
    gateway = settings["SALDO_MONITORING_URL_GATEWAY"]
    seal = settings["SALDO_MONITORING_URL_SEAL"]
    acquirer = urlsplit(settings["SALDO_ACQUIRER_URL"]).netloc
    yookassa = urlsplit(settings["SALDO_ACQUIRER_KASSA_URL"]).netloc
    ofd = urlsplit(settings["SALDO_FISCAL_URL"]).netloc
    smtp = urlsplit(settings["SALDO_SMTP_URL"]).netloc
    further = books.books_in(settings)
    names = with_books(SERVICES, further)
    rpc = tuple(f"rpc-{name}" for name in names)
    reactions = tuple(
        reaction_queue(name, upstream).name
        for name in names
        for upstream in reactions_of(name, further)
    )
    services = ("migrate", "broker")
    # name, arguments of python -m, requirements, readiness check (None: it runs once)
    rows: list[tuple[str, tuple[str, ...], tuple[str, ...], Check | None]] = [
        # No process of an older version runs here by then: see Installation.
        ("migrate", ("services", "migrate", "--contract"), ("postgres",), None),
        ("broker", ("services", "broker"), ("rabbitmq",), None),
        ("staff", ("deploy.embedded.staff",), services, None),
        ("subscribers", ("deploy.embedded.subscribers",), services, None),
        ("serve", ("services", "serve", *names), services, Check("amqp", broker, rpc)),
        ("work", ("services", "work", *names), services, Check("amqp", broker, reactions)),
        ("seal", ("services", "seal"), ("migrate",), Check("http", f"{seal}/readyz")),
        ("gateway", ("gateway",), ("postgres", "broker"), Check("http", f"{gateway}/readyz")),
        ("acquirer", ("deploy.doubles.acquirer",), (), Check("tcp", acquirer)),
        ("yookassa", ("deploy.doubles.yookassa",), (), Check("tcp", yookassa)),
        ("ofd", ("deploy.doubles.ofd",), (), Check("tcp", ofd)),
        ("mailcatcher", ("deploy.doubles.mailcatcher",), (), Check("tcp", smtp)),
    ]
    # Without a listener of its own: nobody waits for it.
    rows += [
        (books.seal_process(log), ("services", "seal", log), ("migrate",), None) for log in further
    ]
    lasting = {books.seal_process(log) for log in further}
    version = code_version()
    return [
        ProcessSpec(
            name=name,
            argv=(sys.executable, "-m", *module),
            environ=PLAIN_ENVIRONMENT | settings_of(name, settings),
            cwd=str(REPOSITORY),
            requires=requires,
            ready=ready,
            once=ready is None and name not in lasting,
            version=version,
        )
        for name, module, requires, ready in rows
    ]


def doubles_together(specs: Sequence[ProcessSpec]) -> tuple[ProcessSpec, ...]:
    """Return the processes with the doubles in one: apart they take two thirds more memory."""
    apart = sorted(
        (spec for spec in specs if spec.name in DOUBLES), key=lambda spec: DOUBLES.index(spec.name)
    )
    if not apart:
        return tuple(specs)
    names = [spec.name for spec in apart]
    python, dash_m, *_ = apart[-1].argv
    one = msgspec.structs.replace(
        apart[-1],
        name=TOGETHER,
        argv=(python, dash_m, "deploy.doubles", *names),
        environ={name: value for spec in apart for name, value in spec.environ.items()},
    )
    return (*(spec for spec in specs if spec.name not in names), one)


def code_version(root: Path = REPOSITORY) -> str:
    """Return a digest of the code of the product."""
    digest = sha256()
    for folder in _CODE_FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in _CODE_SUFFIXES and path.is_file():
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    lock = root / "requirements.lock"
    digest.update(lock.read_bytes() if lock.exists() else b"")
    return digest.hexdigest()
