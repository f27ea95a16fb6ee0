"""The verbs of whoever helps persons, over real databases, and what the security logs keep."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from services.cli import app
from services.helpdesk.application import AskQuestion, QuestionUseCases
from services.helpdesk.departments import load_directory
from services.identity.domain import Person, PersonErased
from shared.staff import ROLES
from shared.working_days import load_working_days
from tests.conftest import Database, role_of
from tests.integration.test_identity import Identity
from tests.staff_logins import SignedIn, signed_in
from tests.staff_terminal import grant, services_here, staff_amqp_url

pytestmark = pytest.mark.nodes

CODE = "K7MNPQ23"
WHY = ("--reason", "call 17")
SERVICES = ("identity", "helpdesk", "payments")
Run = Callable[..., Result]


@pytest.fixture
def identity(database: Database) -> Identity:
    return Identity(database)


@pytest.fixture
def run(database: Database, identity: Identity) -> Run:
    stores = {service: database.store(service) for service in SERVICES}
    stores["identity"] = identity.store
    for service in SERVICES:
        for permission in ROLES["clerk"][service]:
            grant(database.settings, service, "olga", permission, None)

    def run(*words: object, by: str = "olga") -> Result:
        env = {"SALDO_AMQP_URL": staff_amqp_url(by), "LC_ALL": "C"}
        with services_here(stores):
            return CliRunner().invoke(app, ["identity", *map(str, words)], env=env)

    return run


@pytest.fixture
def auditor(database: Database) -> Iterator[SignedIn]:
    with signed_in(database, "auditor", "auditor") as made:
        yield made


def member(identity: Identity, email: str = "anna@example.org") -> UUID:
    """Register somebody who has chosen a password; return the id."""
    person_id = identity.member(email)["person_id"]
    return UUID(str(person_id))


def found(run: Run, *by: object) -> list[dict[str, Any]]:
    result = run("find", *by, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    persons: list[dict[str, Any]] = json.loads(result.stdout)["persons"]
    return persons


def test_a_person_is_found_by_each_thing_that_leads_there(
    database: Database, identity: Identity, run: Run
) -> None:
    person_id = member(identity)
    asked = AskQuestion(person_id=person_id, topic="charges", account=None, text="Почему?")
    use_cases = QuestionUseCases(load_directory({}), load_working_days({}))
    number = database.store("helpdesk").execute(use_cases.ask, asked)["number"]
    identity.call("note_support_code", code=CODE, person_id=str(person_id))
    ways = (("--email", "Anna@Example.org"), ("--question", number), ("--support-code", "k7mnpq23"))
    for way in ways:
        [one] = found(run, *way)
        assert (one["person_id"], one["email"]) == (str(person_id), "a***@example.org")
    assert "a***@example.org" in run("find", "--email", "anna@example.org").stdout


def test_nobody_and_two_ways_at_once_have_exit_codes_of_their_own(run: Run) -> None:
    nobody = run("find", "--email", "nobody@example.org")
    assert (nobody.exit_code, nobody.stdout) == (1, "Nobody is found by that.\n")
    both = run("find", "--email", "a@example.org", "--account", "01")
    assert (both.exit_code, "exactly one of" in both.stderr) == (2, True)
    assert run("find", "--payment", uuid4()).exit_code == 2
    assert run("find", "--question", 7).exit_code == 2


def test_what_a_clerk_sees_and_does_is_read_by_an_auditor(
    database: Database, identity: Identity, run: Run, auditor: SignedIn
) -> None:
    person_id = member(identity)
    found(run, "--email", "anna@example.org")
    for verb in ("show", "unblock", "resend", "end-sessions"):
        assert run(verb, person_id, *WHY, "--dry-run").exit_code == 0
        done = run(verb, person_id, *WHY)
        assert done.exit_code == 0, (verb, done.output, done.exception)
        assert ("anna@example.org" in done.stdout) == (verb == "show")
    prefix = role_of("identity").removesuffix("identity")
    env = {
        "SALDO_DATABASE_URL": auditor.url,
        "SALDO_AMQP_URL": None,
        "SALDO_ROLE_PREFIX": prefix,
    }
    words = ["identity", "log", "--person", str(person_id), "--by", "olga", "--json"]
    result = CliRunner().invoke(app, words, env=env)
    assert result.exit_code == 0, (result.output, result.exception)
    entries = json.loads(result.stdout)["entries"]
    assert [(entry["action"], entry["reason"]) for entry in reversed(entries)] == [
        ("person_found", ""),
        ("person_shown", "call 17"),
        ("unblocked", "call 17"),
        ("letter_resent", "call 17"),
        ("sessions_ended", "call 17"),
    ]
    assert {(entry["service"], entry["actor"]) for entry in entries} == {("identity", "staff:olga")}
    assert "anna@" not in result.stdout


@pytest.mark.parametrize("verb", ["show", "unblock", "resend", "end-sessions"])
def test_each_verb_takes_its_permission_a_reason_and_somebody(run: Run, verb: str) -> None:
    person_id = uuid4()
    assert run(verb, person_id, *WHY, by="stranger").exit_code == 2
    assert "permission" in run(verb, person_id, *WHY, by="stranger").stderr
    assert "--reason" in run(verb, person_id, "--reason", " ").stderr
    assert "no such person" in run(verb, person_id, *WHY).stderr


def test_a_clerk_reads_no_security_log(run: Run) -> None:
    result = run("log")
    assert result.exit_code == 2
    assert "nobody has signed in to the database" in result.stderr


def test_support_codes_are_kept_within_bounds(identity: Identity) -> None:
    for person in (one := str(uuid4())), (other := str(uuid4())):
        for number in range(52):
            identity.call("note_support_code", code=f"code-{number:04}", person_id=person)
            identity.call("note_support_code", code=f"code-{number:04}", person_id=person)
    store = identity.store
    codes = store.query(lambda session: session.read.support_codes.persons_of("code-0051"))
    assert set(map(str, codes)) == {one, other}
    assert store.query(lambda session: session.read.support_codes.persons_of("code-0000")) == []


def test_erased_persons_are_found_by_id_alone(identity: Identity, run: Run) -> None:
    person_id = member(identity)
    identity.call("note_support_code", code=CODE, person_id=str(person_id))
    assert identity.call("names", person_ids=[str(person_id)])["names"]
    with identity.store.session() as session:
        session.vault.destroy(person_id)
        session.load(Person, person_id).trigger(PersonErased())
    [one] = found(run, "--support-code", CODE)
    assert (one["password"], one["email"], one["name"]) == ("erased", None, None)
    assert identity.call("names", person_ids=[str(person_id)]) == {"names": {}}
