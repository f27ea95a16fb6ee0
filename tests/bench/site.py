"""A whole installation for the HTTP benchmarks: a person with ten accounts, and the echo beside."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg import sql
from rich.console import Console

from deploy.demo.client import PaymentLine
from deploy.demo.company import demo_accounts
from deploy.demo.journey import CabinetClient, register, set_up_cabinet, wait_until_completed
from deploy.demo.letters import Mailbox
from deploy.demo.loading import load
from deploy.demo.person import Journey
from deploy.demo.report import Report
from deploy.embedded import process
from deploy.embedded.environment import keys_url
from deploy.embedded.installation import Installation
from deploy.embedded.surroundings import REPOSITORY
from gateway.cabinet.cookies import SESSION
from tests.bench.company import Bench
from tests.nodes import ANY_PORTS, broker_environment
from tests.ports import free_port

PROCESSES = ("serve", "work", "gateway", "acquirer", "mailcatcher")
ACCOUNTS = 10
READY_SECONDS = 30.0


@dataclass(frozen=True)
class Target:
    """A request of a benchmark, and what it is called."""

    name: str
    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Site:
    """An installation whose person has ten accounts, a payment, and a session."""

    url: str
    token: str
    account: str
    payment_id: str
    echo_url: str

    def page(self, name: str, path: str) -> Target:
        """Return a page of the cabinet, as the person's browser asks for it."""
        headers = {"Cookie": f"{SESSION}={self.token}", "Accept-Encoding": "gzip"}
        return Target(name, self.url + path, headers)

    def stranger(self, name: str, path: str) -> Target:
        """Return what is asked for without a session."""
        return Target(name, self.url + path, {"Accept-Encoding": "gzip"})

    def read(self, name: str, path: str) -> Target:
        """Return a read of the API."""
        return Target(name, f"{self.url}/api/v1{path}", {"Authorization": f"Bearer {self.token}"})

    @property
    def echo(self) -> Target:
        """The reference of what asks services."""
        return Target("bare nameko, one RPC", f"{self.echo_url}/echo", {})

    @property
    def bare(self) -> Target:
        """The reference of what asks none."""
        return Target("bare nameko, no RPC", f"{self.echo_url}/bare", {})


@contextmanager
def installed(
    bench: Bench, folder: Path, processes: Sequence[str]
) -> Iterator[tuple[Installation, str]]:
    """Run processes of an installation on the benchmark's nodes; yield it and its owner's URL.

    Our own environment is that of the installation meanwhile.
    """
    with ExitStack() as stack:
        owner_url = stack.enter_context(fresh_database(bench.settings.database_url))
        given = {
            "SALDO_DATABASE_URL": owner_url,
            # The operator of a machine of its own would be made by `make up`.
            "SALDO_STAFF_DATABASE_URL": owner_url,
            "SALDO_STAFF_KEYS_DATABASE_URL": keys_url(owner_url),
            "SALDO_STAFF_AMQP_URL": bench.settings.amqp_url,
            **broker_environment(bench.settings),
        }
        installation = Installation(
            folder / "saldo", given, owner=process.myself(), ports=ANY_PORTS
        )
        stack.callback(installation.down)
        installation.up(processes)
        stack.enter_context(patch.dict(os.environ, installation.environment))
        yield installation, owner_url


@contextmanager
def running_site(bench: Bench) -> Iterator[Site]:
    """Run an installation on the benchmark's nodes, with the demo company and a person."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        installation, owner_url = stack.enter_context(installed(bench, folder, PROCESSES))
        environment = installation.environment
        load(owner_url, Console(quiet=True))
        journey, payment_id = _resident(environment)
        echo_url = stack.enter_context(_echo(environment))
        yield Site(
            url=environment["SALDO_URL"],
            token=journey.client.token or "",
            account=demo_accounts()[0].number,
            payment_id=payment_id,
            echo_url=echo_url,
        )


def _resident(environment: Mapping[str, str]) -> tuple[Journey, str]:
    """Register a person with ten accounts, one of which is paid for; return the payment's id."""
    mailbox = Mailbox(Path(environment["SALDO_MAIL_DIR"]))
    client = CabinetClient(environment["SALDO_URL"])
    journey = Journey(client, Report(), mailbox, [])
    register(journey)
    set_up_cabinet(journey)
    accounts = demo_accounts()[:ACCOUNTS]
    for account in accounts:
        client.link(account.number, account.proof)
    started = client.start_payment([PaymentLine(accounts[0].number, 10_00)], str(uuid4()))
    journey.payer.pay(started["redirect_url"])
    wait_until_completed(client, started["payment_id"])
    return journey, str(started["payment_id"])


@contextmanager
def fresh_database(owner_url: str) -> Iterator[str]:
    """Make a database for the length of a block; yield its URL."""
    name = f"saldo_bench_site_{secrets.token_hex(4)}"
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(owner_url)._replace(path=f"/{name}"))
        finally:
            owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def _echo(environment: Mapping[str, str]) -> Iterator[str]:
    address = f"127.0.0.1:{free_port()}"
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.bench.echo", *arguments],
            cwd=REPOSITORY,
            env={**os.environ, "SALDO_AMQP_URL": environment["SALDO_AMQP_URL"]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for arguments in (["service"], ["gateway", address])
    ]
    try:
        _wait_for(address, started)
        yield f"http://{address}"
    finally:
        for one in started:
            one.kill()
            one.wait()


def _wait_for(address: str, started: list[subprocess.Popen[bytes]]) -> None:
    host, port = address.split(":")
    ends = time.monotonic() + READY_SECONDS
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            if time.monotonic() > ends or any(one.poll() is not None for one in started):
                raise
            time.sleep(0.1)
        else:
            return
