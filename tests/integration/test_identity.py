"""Identity on a real PostgreSQL: concurrency, SQL, and what the tables reveal."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.identity.attempts import Attempts
from services.identity.domain import Person, PersonErased
from services.identity.limits import (
    DEVICE_LIFE,
    DEVICES_PER_PERSON,
    SIGN_IN_OF_EMAIL,
    SIGN_IN_OF_PAIR,
    SUBSCRIBER_TOKENS,
)
from services.identity.passwords import Passwords
from services.identity.registrations import person_id_of
from services.identity.service import IdentityService
from services.identity.sweeping import Sweep, sweep
from shared.context import bind
from shared.errors import ServiceError
from tests.fixed_clock import FixedClock

IP = "203.0.113.7"
OWN = "длинная фраза 1"
OTHER = "совсем другая фраза"
TICKS = {"accept_rules": True, "consent_personal_data": True, "ip": IP}
FAST = Passwords(time_cost=1, memory_cost=8)


class Identity:
    """The service on the store of a fresh database, called as the RPC server calls it."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.clock = FixedClock(datetime(2026, 11, 23, 9, 0, tzinfo=UTC))
        self.store = database.store("identity", clock=self.clock)
        self.service: Any = IdentityService()
        self.service.store = self.store
        self.service.settings = database.settings
        self.service.passwords = FAST

    def call(self, method: str, **arguments: Any) -> Any:
        bound = getattr(self.service, method)
        (entrypoint,) = bound.nameko_entrypoints
        return json.loads(json.dumps(bound(**entrypoint.load(arguments))))

    def outcome(self, method: str, **arguments: Any) -> str:
        """Call; return "done" or the code of the refusal."""
        try:
            self.call(method, **arguments)
        except ServiceError as error:
            return error.code
        return "done"

    def start(self, email: str = "anna@example.org", **more: Any) -> dict[str, Any]:
        """Start a registration; return the arguments that confirm it."""
        arguments = {"person_type": "individual", "email": email, "ip": IP, **more}
        registration_id = self.call("start_registration", **arguments)["registration_id"]
        issued = self.call("issue_registration_code", registration_id=registration_id)
        return {"registration_id": registration_id, "code": issued["code"], **TICKS}

    def member(self, email: str = "anna@example.org", password: str = OWN) -> Any:
        """Register a person with a chosen password; return the session."""
        self.call("confirm_registration", **self.start(email))
        with self.database.owner("identity") as owner:
            (person_id,) = owner.execute(
                "SELECT person_id FROM persons ORDER BY registered_at DESC LIMIT 1"
            ).fetchone()
        self.clock.advance(timedelta(seconds=1))
        issued = self.call("issue_temporary_password", person_id=str(person_id))
        session = self.call(
            "sign_in", email=email, password=issued["password"], device="Firefox", ip=IP
        )
        changed = self.call(
            "change_password",
            person_id=str(person_id),
            session_id=session["session_id"],
            current_password=issued["password"],
            new_password=password,
        )
        return {**session, **changed, "temporary": issued["password"]}

    def needs(self, secret: str, about: object) -> bool:
        """Return whether a secret is needed, of which a letter would be sent once more."""
        return bool(self.call("secret_needed", secret=secret, about=str(about))["needed"])

    def reset_token(self, **asked: Any) -> str:
        """Ask for a recovery; return the token of the letter's link."""
        self.call("request_password_reset", **asked)
        with self.database.owner("identity") as owner:
            (reset_id,) = owner.execute(
                "SELECT reset_id FROM password_resets WHERE token_digest IS NULL"
            ).fetchone()
        return str(self.call("issue_reset_link", reset_id=str(reset_id))["token"])

    def all_text(self) -> str:
        """Return everything in every table of the schema as text, bytes included."""
        with self.database.owner("identity") as owner:
            tables = [
                name
                for (name,) in owner.execute(
                    "SELECT table_name FROM information_schema.tables"
                    " WHERE table_schema = 'identity'"
                )
            ]
            rows = [
                row
                for table in tables
                for row in owner.execute(f"SELECT * FROM {table}").fetchall()
            ]
        return "\n".join(
            value.decode("latin-1") + value.decode("utf-8", "replace")
            if isinstance(value, bytes)
            else str(value)
            for row in rows
            for value in row
        )


@pytest.fixture
def identity(database: Any) -> Identity:
    return Identity(database)


def at_once(count: int, work: Callable[[int], str]) -> list[str]:
    barrier = Barrier(count)

    def run(number: int) -> str:
        barrier.wait(timeout=10)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return sorted(pool.map(run, range(count)))


def count(identity: Identity, topic: str) -> int:
    with identity.database.owner("identity") as owner:
        row = owner.execute("SELECT count(*) FROM events WHERE topic = %s", (topic,)).fetchone()
    return int(row[0])


def test_one_code_confirmed_at_once_makes_one_person(identity: Identity) -> None:
    proof = identity.start()
    outcomes = at_once(4, lambda _: identity.outcome("confirm_registration", **proof))
    assert outcomes == ["done"] + ["registration_confirmed"] * 3
    assert count(identity, "identity.person_registered.v1") == 1


def test_concurrent_repeats_of_a_command_have_one_result(identity: Identity) -> None:
    proof, command_id = identity.start(), uuid4()

    def confirm(_: int) -> str:
        with bind(command_id=command_id):
            return identity.outcome("confirm_registration", **proof)

    assert at_once(4, confirm) == ["done"] * 4
    assert count(identity, "identity.person_registered.v1") == 1


def test_one_address_confirmed_twice_at_once_makes_one_person(identity: Identity) -> None:
    proofs = [identity.start(email) for email in ("anna@example.org", "ANNA@example.org")]
    outcomes = at_once(2, lambda n: identity.outcome("confirm_registration", **proofs[n]))
    assert outcomes == ["already_registered", "done"]
    assert count(identity, "identity.person_registered.v1") == 1


def test_guesses_made_at_once_are_all_counted(identity: Identity) -> None:
    proof = identity.start()
    wrong = {**proof, "code": f"{(int(proof['code']) + 1) % 1_000_000:06d}"}
    outcomes = at_once(8, lambda _: identity.outcome("confirm_registration", **wrong))
    assert outcomes == ["code_attempts_used_up"] * 3 + ["wrong_code"] * 5
    assert identity.outcome("confirm_registration", **proof) == "code_attempts_used_up"


def test_guesses_of_one_place_made_at_once_are_all_counted(identity: Identity) -> None:
    identity.member()
    cafe = {"email": "anna@example.org", "device": None, "ip": "198.51.100.1"}
    outcomes = at_once(14, lambda _: identity.outcome("sign_in", **cafe, password="guess"))
    assert outcomes == ["too_many_attempts"] * 9 + ["wrong_credentials"] * 5
    assert identity.outcome("sign_in", **cafe, password=OWN) == "too_many_attempts"
    identity.clock.advance(timedelta(seconds=1))
    assert identity.outcome("sign_in", **cafe, password=OWN) == "done"


def test_right_passwords_at_once_are_all_let_in(identity: Identity) -> None:
    session = identity.member()
    known = {"email": "anna@example.org", "device": None, "password": OWN}

    def sign_in(number: int) -> str:
        return identity.outcome(
            "sign_in", **known, device_token=session["device_token"], ip=f"198.51.100.{number}"
        )

    assert at_once(4, sign_in) == ["done"] * 4


def test_a_free_attempt_that_began_before_another_is_not_delayed(identity: Identity) -> None:
    def attempts(session: Any, _: None) -> list[int]:
        slow, now = session.read.attempts.slow, session.now
        began = (now, now - timedelta(milliseconds=50))
        return [slow(SIGN_IN_OF_PAIR, b"somebody", b"anna", moment) for moment in began]

    assert identity.store.transact(attempts, None) == [0, 0]


def test_a_link_is_used_by_one_of_many_at_once(identity: Identity) -> None:
    identity.member()
    asked = {"email": "anna@example.org", "device": None}
    with identity.database.owner("identity") as owner:
        (index,) = owner.execute("SELECT email_index FROM credentials").fetchone()

    def guessed(session: Any, _: None) -> None:
        for _ in range(SIGN_IN_OF_EMAIL.most):
            session.read.attempts.take(SIGN_IN_OF_EMAIL, index, session.now, owner=index)

    identity.store.transact(guessed, None)
    cafe = {**asked, "ip": "198.51.100.1"}
    assert identity.outcome("sign_in", **cafe, password=OWN) == "sign_in_by_letter"
    with identity.database.owner("identity") as owner:
        (link_id,) = owner.execute("SELECT link_id FROM sign_in_links").fetchone()
    token = identity.call("issue_sign_in_link", link_id=str(link_id))["token"]
    assert identity.needs("sign-in-link", link_id)
    link = {"token": token, "device": None, "ip": "198.51.100.1"}
    outcomes = at_once(6, lambda _: identity.outcome("sign_in_by_link", **link))
    assert outcomes == ["done"] + ["sign_in_link_expired"] * 5
    assert not identity.needs("sign-in-link", link_id)
    assert token not in identity.all_text()


def test_the_old_token_is_refused_once_the_password_is_changed(identity: Identity) -> None:
    session = identity.member()
    token = changed(identity, session, OWN, OTHER)
    outcomes = [identity.outcome("authenticate", token=one) for one in (session["token"], token)]
    assert outcomes == ["session_expired", "done"]


def test_change_of_a_password_that_arrives_twice_leaves_the_token_of_its_first_answer(
    identity: Identity,
) -> None:
    """A node of the broker that goes down delivers a call once more, which has been answered."""
    session, command_id = identity.member(), uuid4()
    tokens = [changed(identity, session, OWN, OTHER, command_id) for _ in range(2)]
    assert tokens[0] == tokens[1]
    assert identity.outcome("authenticate", token=tokens[0]) == "done"
    later = changed(identity, session, OTHER, "третья новая фраза")
    assert later != tokens[0]
    changed(identity, session, OWN, OTHER, command_id)
    assert identity.outcome("authenticate", token=later) == "done"


def changed(
    identity: Identity,
    session: dict[str, Any],
    current: str,
    new: str,
    command_id: UUID | None = None,
) -> str:
    """Change the password within a session; return the token that this has then."""
    with bind(command_id=command_id or uuid4()):
        answer = identity.call(
            "change_password",
            person_id=session["person_id"],
            session_id=session["session_id"],
            current_password=current,
            new_password=new,
        )
    return str(answer["token"])


def test_devices_above_the_limit_are_forgotten_oldest_first(identity: Identity) -> None:
    session = identity.member()
    asked = {"email": "anna@example.org", "password": OWN, "ip": IP}
    for number in range(DEVICES_PER_PERSON):
        identity.clock.advance(timedelta(minutes=1))
        identity.call("sign_in", **asked, device=f"device {number}")
    with identity.database.owner("identity") as owner:
        names = {name for (name,) in owner.execute("SELECT name FROM devices")}
    assert names == {f"device {number}" for number in range(DEVICES_PER_PERSON)}
    again = identity.call("sign_in", **asked, device_token=session["device_token"])
    assert again["device_token"] != session["device_token"]


def test_places_and_links_are_swept_unless_they_are_locked(identity: Identity) -> None:
    identity.member()
    identity.clock.advance(DEVICE_LIFE)
    with identity.database.owner("identity") as owner, owner.transaction():
        owner.execute("SELECT * FROM devices FOR UPDATE")
        identity.store.transact(sweep, Sweep())
        left = "SELECT (SELECT count(*) FROM devices), (SELECT count(*) FROM networks)"
        assert owner.execute(left).fetchone() == (1, 0)
    identity.store.transact(sweep, Sweep())
    with identity.database.owner("identity") as owner:
        assert owner.execute(left).fetchone() == (0, 0)


def test_two_changes_of_a_password_at_once_leave_one(identity: Identity) -> None:
    session = identity.member()
    change = {
        "person_id": session["person_id"],
        "session_id": session["session_id"],
        "current_password": OWN,
    }
    phrases = ["первая новая фраза", "вторая новая фраза"]
    outcomes = at_once(
        2, lambda n: identity.outcome("change_password", **change, new_password=phrases[n])
    )
    assert outcomes == ["done", "wrong_current_password"]
    signed_in = [
        identity.outcome("sign_in", email="anna@example.org", password=phrase, ip=IP)
        for phrase in phrases
    ]
    assert sorted(signed_in) == ["done", "wrong_credentials"]


def test_recovery_and_sessions_on_real_tables(identity: Identity) -> None:
    session = identity.member()
    assert identity.call("authenticate", token=session["token"])["must_change_password"] is False
    identity.clock.advance(timedelta(minutes=2))
    identity.call("authenticate", token=session["token"])
    (listed,) = identity.call("sessions", person_id=session["person_id"], ip=IP)["sessions"]
    assert listed["last_seen_at"] == identity.clock.now().isoformat()
    asked = {"email": "anna@example.org", "ip": IP}
    tokens = [identity.reset_token(**asked) for _ in range(2)]
    with identity.database.owner("identity") as owner:
        resets = [row[0] for row in owner.execute("SELECT reset_id FROM password_resets")]
    assert [identity.needs("reset", reset_id) for reset_id in resets] == [True, True]
    new = {"new_password": "совсем другая фраза", "ip": IP}
    outcomes = at_once(
        4, lambda n: identity.outcome("confirm_password_reset", token=tokens[n % 2], **new)
    )
    assert outcomes == ["done"] + ["password_reset_not_found"] * 3
    assert [identity.needs("reset", reset_id) for reset_id in resets] == [False, False]
    assert identity.outcome("authenticate", token=session["token"]) == "session_expired"
    entered = identity.call("sign_in", **asked, password="совсем другая фраза", device="phone")
    ended = {
        "person_id": session["person_id"],
        "session_id": entered["session_id"],
        "by_session_id": entered["session_id"],
    }
    assert identity.outcome("end_session", **ended) == "done"
    assert identity.outcome("end_session", **ended) == "session_not_found"


def test_the_profile_follows_the_events(identity: Identity) -> None:
    person_id = identity.member()["person_id"]
    identity.call("update_profile", person_id=person_id, full_name="Иванова Анна")
    saved = identity.call("update_profile", person_id=person_id, phone="8 916 123-45-67")
    assert (saved["full_name"], saved["phone"]) == ("Иванова Анна", "+79161234567")
    assert identity.call("update_profile", person_id=person_id, phone="")["phone"] is None

    def erase(session: Any, _: None) -> None:
        session.load(Person, UUID(person_id)).trigger(PersonErased())
        session.vault.destroy(UUID(person_id))

    identity.store.transact(erase, None)
    assert identity.outcome("contact", person_id=person_id) == "person_not_found"


def test_new_rules_are_accepted_once_and_their_proof_is_sealed(
    identity: Identity, tmp_path: Path
) -> None:
    session = identity.member()
    identity.service.settings = replace(identity.service.settings, documents=str(tmp_path))
    (tmp_path / "rules-2026-11-20.md").write_text("# Правила\n", "utf-8")
    (due,) = identity.call("authenticate", token=session["token"])["must_accept"]
    assert due == {"kind": "rules", "accepted": "2026-11-01", "version": "2026-11-20"}
    accept = {"person_id": session["person_id"], "ip": "198.51.100.23"}
    outcomes = at_once(
        4,
        lambda n: identity.outcome(
            "accept_documents", **accept, rules_version=("2026-11-20", "2026-11-01")[n % 2]
        ),
    )
    assert outcomes == ["documents_changed", "documents_changed", "done", "done"]
    assert count(identity, "identity.documents_accepted.v1") == 1
    assert identity.call("authenticate", token=session["token"])["must_accept"] == []
    with identity.database.owner("identity") as owner:
        kept = owner.execute("SELECT rules_version, consent_version FROM persons").fetchone()
    assert kept == ("2026-11-20", "2026-11-01")
    assert "198.51.100.23" not in identity.all_text()


def test_nothing_in_the_database_is_readable(identity: Identity) -> None:
    session = identity.member()
    person_id = session["person_id"]
    identity.call(
        "update_profile", person_id=person_id, full_name="Иванова Анна", phone="+79161234567"
    )
    shop = {"name": "ИП Смирнов", "inn": "500100732259", "kpp": None}
    proof = identity.start("boris@example.org", person_type="organisation", organisation=shop)
    identity.outcome("confirm_registration", **{**proof, "code": "none"})
    asked = {"email": "anna@example.org", "ip": IP}
    token = identity.reset_token(**asked)
    identity.outcome("sign_in", **asked, password="неверный пароль", device="Firefox")
    text = identity.all_text()
    with identity.database.owner("identity") as owner:
        log = "\n".join(
            bytes(state).decode() for (state,) in owner.execute("SELECT state FROM events")
        )
    # Six digits may stand inside a sealed text or a microsecond: codes are looked for as values.
    secrets = [
        "anna", "boris", "example.org", OWN, session["temporary"], session["token"],
        "неверный пароль", "Иванова", "79161234567", "Смирнов", "500100732259", IP,
        token, f'"{proof["code"]}"', f"\n{proof['code']}\n",
    ]  # fmt: skip
    assert [secret for secret in secrets if secret in text] == []
    assert "argon2" not in log
    assert "registration_started" in text


def test_sweep_skips_locked_rows(identity: Identity) -> None:
    session = identity.member()
    identity.start("vera@example.org")
    identity.clock.advance(timedelta(days=31))
    with identity.database.owner("identity") as owner, owner.transaction():
        owner.execute("SELECT * FROM sessions FOR UPDATE")
        assert identity.store.transact(sweep, Sweep()) > 0
        (left,) = owner.execute("SELECT count(*) FROM sessions").fetchone() or (None,)
        assert left == 1
    assert identity.store.transact(sweep, Sweep()) == 1
    assert identity.outcome("authenticate", token=session["token"]) == "session_expired"
    assert count(identity, "identity.registration_abandoned.v1") == 1
    with identity.database.owner("identity") as owner:
        kept = owner.execute(
            "SELECT (SELECT count(*) FROM codes), (SELECT count(*) FROM attempts),"
            " (SELECT count(*) FROM destroyed_keys WHERE done_at IS NULL)"
        ).fetchone()
    assert kept == (0, 0, 1)


def test_window_of_attempts_reopens_when_it_is_over(identity: Identity) -> None:
    def take(session: Any, _: None) -> int:
        attempts: Attempts = session.read.attempts
        return attempts.take(SUBSCRIBER_TOKENS, b"somebody", session.now)

    waits = [identity.store.transact(take, None) for _ in range(SUBSCRIBER_TOKENS.most + 2)]
    assert waits == [0] * SUBSCRIBER_TOKENS.most + [300, 300]
    identity.clock.advance(timedelta(minutes=5))
    assert identity.store.transact(take, None) == 0


def test_the_language_of_letters_is_kept_chosen_and_forgotten(identity: Identity) -> None:
    started = identity.start(language="en")
    identity.call("confirm_registration", **started)
    person_id = str(person_id_of(UUID(started["registration_id"])))
    assert contact(identity, person_id)["language"] == "en"
    identity.call("choose_language", person_id=person_id, language="ru")
    assert contact(identity, person_id)["language"] == "ru"
    identity.call("choose_language", person_id=person_id, language="en")
    identity.call("erase", person_id=person_id, reason="asked in writing")
    assert identity.call("contacts", person_ids=[person_id]) == {"contacts": {}}
    assert identity.call("farewell", person_id=person_id) == {
        "email": "anna@example.org",
        "language": "en",
    }
    with identity.database.owner("identity") as owner:
        (kept,) = owner.execute("SELECT language FROM persons").fetchone()
    assert kept == "ru", "as of whoever has chosen nothing"


def contact(identity: Identity, person_id: str) -> dict[str, str]:
    found: dict[str, str] = identity.call("contacts", person_ids=[person_id])["contacts"][person_id]
    return found
