"""Secrets and names that are planted into an installation on paths that fail, and where they lie.

What is refused, what breaks off in the middle, and what a reader cannot decode leaves traces that
the ordinary way does not: errors with values in them, parked messages, logs of the nodes.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pika
import psycopg
import requests

from deploy.demo.client import CabinetClient
from deploy.embedded import process
from deploy.embedded.installation import Installation
from deploy.embedded.process_settings import SETTINGS, settings_of
from tests.waiting import eventually

ONE_LINE = "Канарейкина Нина Клетковна"
SECRET_FILES = re.compile(
    r"env|secrets\.json|plan\.json|keys/.*|seal/.*|staff/.*\.env|subscribers/.*\.env|"
    r"rabbitmq/.*|postgres/.*|run/.*"
)
"""Files below the state folder that may hold secrets of the house: settings, rings, the nodes."""
NAMED = re.compile(r"SECRET|PASSWORD|TOKEN|_KEY$")


@dataclass
class Planted:
    """Values that must stand in clear nowhere, by what they are."""

    values: dict[str, str] = field(default_factory=dict)

    def new(self, what: str, text: str = "canary-{}") -> str:
        """Return a fresh value of a kind."""
        self.values[what] = text.format(uuid4().hex)
        return self.values[what]


def plant_in_refusals(client: CabinetClient, planted: Planted) -> set[int]:
    """Send canaries where they are refused: wrong places, wrong forms; return the statuses."""
    url, statuses = client.url, set()
    signed = {"Authorization": f"Bearer {client.token}"}
    password = planted.new("guessed password")
    wanted: list[tuple[str, str, Any, dict[str, str]]] = [
        ("POST", "/sessions", {"email": planted.new("unknown address", "{}@x.ru"),
                               "password": password}, {}),
        ("POST", "/sessions", {"email": password, "password": planted.new("cut password") * 9}, {}),
        ("POST", "/registrations", {"person_type": "individual",
                                    "email": planted.new("address without a sign")}, {}),
        ("POST", "/registrations", {"person_type": planted.new("unknown type"),
                                    "email": planted.new("refused address", "{}@y.ru")}, {}),
        ("PATCH", "/me", {"full_name": planted.new("long name") * 20}, signed),
        ("PATCH", "/me", {"phone": planted.new("wrong phone")}, signed),
        ("PATCH", "/me", {planted.new("unknown field"): "x"}, signed),
        ("PUT", "/me/password", {"current_password": planted.new("wrong current password"),
                                 "new_password": planted.new("new password")}, signed),
        ("POST", "/questions", {"topic": planted.new("unknown topic"),
                                "text": planted.new("refused question")}, signed),
        ("POST", "/questions", {"topic": "charges", "text": planted.new("long") * 200}, signed),
        ("POST", "/accounts", {"number": "0100000001", "proof": planted.new("proof")}, signed),
        ("POST", "/password-resets/confirm", {"token": planted.new("unknown token"),
                                              "new_password": planted.new("reset password")}, {}),
        ("GET", f"/payments?card={planted.new('card in a query')}", None, signed),
        ("GET", f"/{planted.new('name in a path')}", None, {}),
        ("GET", "/me", None, {"Authorization": f"Bearer {planted.new('forged token')}"}),
        ("GET", "/me", None, {"Cookie": f"__Host-saldo={planted.new('forged cookie')}"}),
        ("POST", "/payments", {"lines": []},
         {**signed, "Idempotency-Key": planted.new("key with blanks", "a {} b")}),
        ("POST", "/acquirer/callback", {"orderNumber": planted.new("forged callback")}, {}),
    ]  # fmt: skip
    with requests.Session() as session:
        session.trust_env = False
        for method, path, body, headers in wanted:
            answer = session.request(
                method, f"{url}/api/v1{path}", json=body, headers=headers, timeout=30
            )
            statuses.add(answer.status_code)
        broken = f'{{"email": "{planted.new("broken JSON")}'.encode()
        kind = {"Content-Type": "application/json"}
        answer = session.post(f"{url}/api/v1/sessions", data=broken, headers=kind, timeout=30)
        statuses.add(answer.status_code)
        # A page with a button: what the link is worth shows when it is pressed.
        session.get(f"{url}/log-in/{planted.new('token of a letter', 'A' * 11 + '{}')}", timeout=30)
    return statuses


def plant_in_an_outage(
    installation: Installation, client: CabinetClient, planted: Planted
) -> set[int]:
    """Kill PostgreSQL while requests with canaries are under way; return the statuses."""
    record = process.read_record(installation.state.record("postgres"))
    assert record is not None
    signed = {"Authorization": f"Bearer {client.token}"}
    name, phone = planted.new("name in an outage", ONE_LINE + " {}"), "+79990009876"
    planted.values["phone in an outage"] = phone
    question = planted.new("question in an outage")
    email = planted.new("address in an outage", "{}@outage.ru")
    password = planted.new("password in an outage")

    def send(turn: int) -> int:
        method, path, body, headers = [
            ("PATCH", "/me", {"full_name": name, "phone": phone}, signed),
            ("POST", "/questions", {"topic": "charges", "text": f"{question} {turn}"}, signed),
            ("POST", "/registrations", {"person_type": "individual", "email": email}, {}),
            ("POST", "/sessions", {"email": email, "password": password}, {}),
        ][turn % 4]
        with requests.Session() as session:
            session.trust_env = False
            sent = session.request(
                method, f"{client.url}/api/v1{path}", json=body, headers=headers, timeout=60
            )
            return sent.status_code

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(send, turn) for turn in range(8)]
        os.kill(record.identity.pid, signal.SIGKILL)
        answers += [pool.submit(send, turn) for turn in range(16)]
        statuses = {answer.result() for answer in answers}
    url = installation.environment["SALDO_DATABASE_URL"]
    eventually(lambda: _is_up(url), "PostgreSQL is there again", 60.0)
    eventually(lambda: client_is_served(client), "the cabinet answers again", 60.0)
    return statuses


def client_is_served(client: CabinetClient) -> bool:
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {client.token}"}
        answer = session.get(f"{client.url}/api/v1/me", headers=headers, timeout=30)
    return answer.status_code == 200


def _is_up(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def plant_in_a_broken_message(environment: Mapping[str, str], planted: Planted) -> None:
    """Publish, as payments, a message that no reader can decode."""
    url = environment["SALDO_AMQP_URL_PAYMENTS"]
    body = f'{{"person": "{planted.new("broken message")}", "name": "{ONE_LINE}'.encode()
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        properties = pika.BasicProperties(
            content_type="application/json",
            user_id="payments",
            headers={"cloudEvents_type": "payment_captured", "cloudEvents_id": "payments-x"},
        )
        channel.basic_publish("payments.log", "payment_captured", body, properties)


def seen_from_outside(installation: Installation) -> Iterator[tuple[str, str]]:
    """Yield the metrics of each process, what it says of its readiness, and its arguments."""
    environment = installation.environment
    for name, url in environment.items():
        if name.startswith("SALDO_MONITORING_URL_"):
            for path in ("/metrics", "/readyz"):
                with requests.Session() as session:
                    session.trust_env = False
                    yield f"{name}{path}", session.get(url + path, timeout=30).text
    for name, pid in processes(installation).items():
        yield f"arguments of {name}", Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")


def processes(installation: Installation) -> dict[str, int]:
    """Return the processes that run, by name."""
    found = {}
    for name in installation.status():
        record = process.read_record(installation.state.record(name))
        if record is not None and process.is_alive(record.identity):
            found[name] = record.identity.pid
    return found


def secrets_of_the_house(installation: Installation) -> dict[str, str]:
    """Return every password, key and token of the installation, by the variable that has it."""
    found = dict(_secrets_in(installation.environment))
    for folder in (installation.state.staff, installation.state.subscribers):
        for path in folder.glob("*.env"):
            words = shlex.split(path.read_text(encoding="utf-8"))
            own = dict(word.split("=", 1) for word in words if "=" in word)
            found |= {f"{path.stem}: {name}": text for name, text in _secrets_in(own)}
    for path in (installation.state.root / "keys").rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            for number, key in enumerate(re.findall(r"[0-9a-f]{64}", text)):
                found[f"key {number} in {path.name}"] = key
    return found


def _secrets_in(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        password = unquote(urlsplit(value).password or "") if "://" in value else ""
        if len(password) >= 12:
            yield name, password
        elif NAMED.search(name) and len(value) >= 12 and not value.startswith("/"):
            yield name, value


def strangers_secrets(installation: Installation) -> set[str]:
    """Return which process has a secret in its environment or arguments that is not its own."""
    environment, wrong = installation.environment, set()
    house = secrets_of_the_house(installation)
    for name, pid in processes(installation).items():
        own = settings_of(name, environment) if name in SETTINGS else {}
        allowed = " ".join(own.values())
        shown = Path(f"/proc/{pid}/environ").read_text("utf-8", "replace")
        shown += Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
        for what, secret in house.items():
            if secret in shown and secret not in unquote(allowed):
                wrong.add(f"{name} has {what}")
    return wrong


def core_limits(installation: Installation) -> dict[str, str]:
    """Return the limit of core files of each process."""
    return {
        name: next(
            line.split()[4]
            for line in Path(f"/proc/{pid}/limits").read_text(encoding="utf-8").splitlines()
            if line.startswith("Max core file size")
        )
        for name, pid in processes(installation).items()
    }
