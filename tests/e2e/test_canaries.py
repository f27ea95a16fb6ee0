"""A person's data in an installation: nowhere in clear, and once he is erased nobody opens it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from cryptography.exceptions import InvalidTag
from rich.console import Console
from typer.testing import CliRunner

from deploy.demo.client import CabinetClient
from deploy.demo.company import demo_accounts
from deploy.demo.journey import run_journey
from deploy.demo.letters import Mailbox
from deploy.demo.loading import load
from deploy.demo.person import Person
from deploy.demo.report import Report
from deploy.embedded import process
from deploy.embedded.installation import Installation
from deploy.embedded.postgres_binaries import binaries
from deploy.embedded.rabbitmq import package_server
from services.cli import app
from shared.config import Settings, load_settings
from shared.keys import UnknownKeyError
from shared.privacy import key_id, open_field, unwrap
from tests.e2e.canaries import (
    SECRET_FILES,
    Planted,
    core_limits,
    plant_in_a_broken_message,
    plant_in_an_outage,
    plant_in_refusals,
    secrets_of_the_house,
    seen_from_outside,
    strangers_secrets,
)
from tests.e2e.clear_text import found_in, texts_of_database
from tests.nodes import ANY_PORTS
from tests.otlp_collector import Collector, collecting
from tests.waiting import eventually

pytestmark = [
    pytest.mark.nodes,
    pytest.mark.slow,
    pytest.mark.skipif(package_server() is None, reason="needs the package rabbitmq-server"),
]

OUTSIDE = ("mail", "acquirer", "yookassa", "ofd")
"""The folders of whom we write to: mailboxes, banks, the registrar of fiscal receipts."""
PERSONS = ("identity", "helpdesk")
"""The services with keys of persons, and of what they wrote."""
FIELDS = ("email", "organisation", "address", "full_name", "phone", "text", "reason")
SEALED = re.compile(r"v2\.([A-Za-z0-9_-]{8})\.([A-Za-z0-9_=-]+)")

Dumped = Mapping[str, list[tuple[UUID, bytes]]]
"""Whose keys a dump of the database of keys has, wrapped, by service."""


@dataclass
class House:
    """An installation with its own nodes, and what a burglar would carry away."""

    installation: Installation
    collector: Collector
    planted: Planted = field(default_factory=Planted)
    sealed: set[str] = field(default_factory=set)
    """Every sealed text that the database has ever had, as in all dumps."""

    @property
    def data_url(self) -> str:
        return self.installation.environment["SALDO_DATABASE_URL"]

    @property
    def keys_url(self) -> str:
        return self.installation.environment["SALDO_KEYS_DATABASE_URL"]

    @property
    def settings(self) -> Settings:
        return load_settings(self.installation.environment)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield all that is stored: both databases, their dumps, and every file."""
        for url in (self.data_url, self.keys_url):
            yield from texts_of_database(url)
            yield "a dump", dump(url)
        root = self.installation.state.root
        for path in root.rglob("*"):
            if path.is_file() and path.relative_to(root).parts[0] not in OUTSIDE:
                yield str(path.relative_to(root)), path.read_bytes().decode("utf-8", "replace")
        yield from seen_from_outside(self.installation)
        for span in self.collector.spans:
            yield f"span {span.name}", str((span.name, span.attributes))

    def told(self) -> Iterator[tuple[str, str]]:
        """Yield what processes tell of their work: logs, metrics, spans."""
        for path in self.installation.state.log.glob("*"):
            yield path.name, path.read_bytes().decode("utf-8", "replace")
        yield from seen_from_outside(self.installation)
        yield from ((f"span {span.name}", str(span.attributes)) for span in self.collector.spans)

    def remember_dump(self) -> None:
        """Keep the sealed texts of the database as it is now."""
        for _, text in texts_of_database(self.data_url):
            self.sealed |= {found[0] for found in SEALED.finditer(text)}

    def dump_of_keys(self) -> Dumped:
        with psycopg.connect(self.keys_url) as connection:
            return {
                service: connection.execute(
                    f"SELECT subject, wrapped FROM {service}_keys.data_keys"
                ).fetchall()
                for service in PERSONS
            }

    def opened(self, dumped: Dumped) -> set[str]:
        """Return every text that opens by these keys, with the rings as they are now."""
        return {
            text
            for service, rows in dumped.items()
            for subject, key in self._unwrapped(service, rows)
            for text in opened_by(key, subject, self.sealed)
        }

    def _unwrapped(
        self, service: str, rows: Iterable[tuple[UUID, bytes]]
    ) -> Iterator[tuple[UUID, bytes]]:
        ring = self.settings.keys_of(service, "data-keys")
        for subject, wrapped in rows:
            try:
                yield subject, unwrap(ring, bytes(wrapped), subject.bytes)
            except UnknownKeyError:
                continue


def opened_by(key: bytes, subject: UUID, sealed: Iterable[str]) -> Iterator[str]:
    """Yield what a key of a subject opens, whatever field it was."""
    mine = [text for text in sealed if text.split(".")[1] == key_id(key)]
    for text, name in product(mine, FIELDS):
        try:
            opened = open_field(key, text, subject, name)
        except InvalidTag:
            continue
        if opened is not None:
            yield opened


def dump(url: str) -> str:
    """Return what pg_dump writes of a database."""
    done = subprocess.run(
        [binaries() / "pg_dump", "--inserts", url], check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patched, collecting() as collector:
        installation = Installation(
            tmp_path_factory.mktemp("canaries") / "saldo",
            {"SALDO_OTLP_ENDPOINT": collector.url},
            owner=process.myself(),
            ports=ANY_PORTS,
        )
        try:
            installation.up(seconds=300)
            for name, value in installation.environment.items():
                patched.setenv(name, value)
            assert load(installation.environment["SALDO_DATABASE_URL"], Console(quiet=True))
            yield House(installation, collector)
        finally:
            installation.reset()


def canaries_of(person: Person) -> dict[str, str]:
    """Return what is looked for: a short code may stand in any file by chance."""
    return {what: text for what, text in person.secrets().items() if what != "check code"}


def keys(*arguments: str) -> None:
    """Run ``saldo keys`` as the operator."""
    result = CliRunner().invoke(app, ["keys", *arguments], env=dict(os.environ))
    assert result.exit_code == 0, result.output


def test_processes_hold_no_secret_of_others(house: House) -> None:
    assert len(secrets_of_the_house(house.installation)) > 20
    assert strangers_secrets(house.installation) == set()
    assert set(core_limits(house.installation).values()) == {"0"}


def test_secrets_of_the_house_lie_in_their_files_alone(house: House) -> None:
    """Not in a log, a table, a dump, a metric or a span; and their files are the owner's."""
    secrets = secrets_of_the_house(house.installation)
    root = house.installation.state.root
    assert found_in(house.told(), secrets) == set()
    stored = (
        (where, text)
        for url in (house.data_url, house.keys_url)
        for where, text in texts_of_database(url)
    )
    assert found_in(stored, secrets) == set()
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if not path.is_file() or name.startswith(OUTSIDE):
            continue
        if found_in([(name, path.read_bytes().decode("utf-8", "replace"))], secrets):
            assert SECRET_FILES.fullmatch(name), name
            assert path.stat().st_mode & 0o077 == 0, name


def test_canaries_are_nowhere_in_clear_and_nothing_opens_after_erasure(house: House) -> None:
    environment = house.installation.environment
    client = CabinetClient(environment["SALDO_URL"], patience=30)
    mailbox = Mailbox(Path(environment["SALDO_MAIL_DIR"]))
    person = run_journey(client, Report(), mailbox, demo_accounts()).person
    house.planted.values |= canaries_of(person)
    canaries = house.planted.values
    assert plant_in_refusals(client, house.planted) <= {400, 401, 403, 404, 405, 409, 422, 429}
    content = f"%PDF-1.7\n{house.planted.new('attachment')}\n%%EOF\n"
    sent = client.send_file(content.encode())["attachment_id"]
    client.ask("charges", house.planted.new("question with a file"), files=[sent])
    plant_in_a_broken_message(environment, house.planted)
    assert 500 not in plant_in_an_outage(house.installation, client, house.planted)
    # What is read and broken is kept where staff look at it, and is told by nothing else.
    broken = {"broken message": canaries.pop("broken message")}
    _wait_for_letters(house)

    # Whoever is asked finds it, so that finding nothing means something.
    assert client.call("GET", "/me/data")["held"]["identity"]["profile"]["email"] == person.email
    assert found_in([("x", f"a {person.email} b")], canaries) == {"e-mail address in x"}
    assert found_in(house.texts(), canaries) == set()
    assert found_in(house.told(), broken) == set()

    house.remember_dump()
    before = house.dump_of_keys()
    hidden = {person.email, person.full_name, person.phone, canaries["question"]}
    assert hidden <= house.opened(before)

    client.call("POST", "/me/erasure", {"current_password": person.own_password})
    assert mailbox.wait(person.email, "удалён")
    _wait_for_letters(house)
    house.remember_dump()
    _let_a_minute_pass_for_the_last_letter(house)
    eventually(
        lambda: not hidden & house.opened(house.dump_of_keys()), "his keys are destroyed", 120.0
    )
    assert found_in(house.texts(), canaries) == set()

    # A dump of the keys from before still has them, until the ring's key of that time is dropped.
    assert hidden <= house.opened(before)
    for service in PERSONS:
        [old] = [key.id for key in house.settings.key_rings[service].current()]
        for arguments in (("rotate", service), ("rewrap", service), ("drop", service, old)):
            keys(*arguments, "--reason", "the month's rotation")
    assert house.opened(before) == set()


def _wait_for_letters(house: House) -> None:
    def none_waits() -> bool:
        with psycopg.connect(house.data_url) as connection:
            waiting = connection.execute("SELECT count(*) FROM notifications.outbox").fetchone()
        return waiting == (0,)

    eventually(none_waits, "every letter is sent")


def _let_a_minute_pass_for_the_last_letter(house: House) -> None:
    """Its address has a key of its own, which is kept for a minute: nobody waits for it here."""
    with psycopg.connect(house.data_url) as connection:
        found = connection.execute(
            "UPDATE identity.farewells SET until = until - interval '1 minute'"
            " WHERE until < clock_timestamp() + interval '1 minute' RETURNING person_id"
        ).fetchall()
    assert len(found) == 1
