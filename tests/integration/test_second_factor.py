"""Second factors on a real PostgreSQL: races, SQL, what the tables reveal, what erasure leaves."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from pyotp import TOTP

from services.identity import erasure, factors, jobs
from services.identity.limits import SECOND_FACTOR_CODES, SESSION_CODES
from services.identity.sweeping import Sweep, sweep
from shared.errors import ServiceError
from tests.integration.test_identity import IP, OWN, Identity, at_once
from tests.soft_authenticator import SoftAuthenticator

pytestmark = pytest.mark.nodes

STEP = timedelta(seconds=30)
TABLES = ("passkeys", "totp_secrets", "recovery_codes", "challenges")


class Anna:
    """A person with an app and a passkey."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.session = identity.member()
        started = self.confirmed("start_totp")
        self.secret = started["secret"]
        enabled = self.own(
            "enable_totp", challenge_id=started["challenge_id"], code=self.app_code()
        )
        self.codes: list[str] = enabled["recovery_codes"]
        self.key = SoftAuthenticator(f"http://localhost:{port_of(identity)}", counts=1)
        started = self.confirmed("start_passkey", name="Мамин телефон")
        self.added = self.own(
            "add_passkey",
            challenge_id=started["challenge_id"],
            credential=self.key.create(started["passkey"]),
        )
        identity.clock.advance(2 * STEP)

    def own(self, method: str, **arguments: Any) -> Any:
        ids = {name: self.session[name] for name in ("person_id", "session_id")}
        return self.identity.call(method, **ids, **arguments)

    def confirmed(self, method: str, **arguments: Any) -> Any:
        return self.own(method, current_password=OWN, **arguments)

    def app_code(self) -> str:
        return TOTP(self.secret).at(self.identity.clock.now())

    def wrong_code(self) -> str:
        return f"{(int(self.app_code()) + 7) % 1_000_000:06d}"

    def challenge(self) -> str:
        answer = self.identity.call(
            "sign_in", email="anna@example.org", password=OWN, device="Firefox", ip=IP
        )
        return str(answer["second_factor"]["challenge_id"])

    def at_once(self, number: int, method: str, *arguments: dict[str, Any]) -> list[str]:
        """Call an RPC from many threads at the same moment; return the outcomes."""

        def call(place: int) -> str:
            given = arguments[place % len(arguments)]
            return self.identity.outcome(method, device="Firefox", ip=IP, **given)

        return at_once(number, call)


def port_of(identity: Identity) -> str:
    return str(identity.service.settings.url).rpartition(":")[2]


@pytest.fixture
def anna(database: Any) -> Anna:
    return Anna(Identity(database))


def test_the_life_of_second_factors(anna: Anna) -> None:
    identity = anna.identity
    shown = identity.call("second_factors", person_id=anna.session["person_id"])
    assert [passkey["name"] for passkey in shown["passkeys"]] == ["Мамин телефон"]
    assert shown["recovery_codes"]["left"] == 10
    for code in (anna.app_code(), anna.codes[0]):
        step = {"challenge_id": anna.challenge(), "code": code}
        assert identity.outcome("take_second_step", device="", ip=IP, **step) == "done"
    options = identity.call("second_step", challenge_id=anna.challenge())
    signed = {"challenge_id": options["challenge_id"], "passkey": anna.key.use(options["passkey"])}
    assert identity.outcome("take_second_step", device="", ip=IP, **signed) == "done"
    request = anna.key.use(identity.call("passkey_request")["passkey"])
    assert identity.outcome("sign_in_by_passkey", passkey=request, device="", ip=IP) == "done"
    shown = identity.call("second_factors", person_id=anna.session["person_id"])
    assert shown["recovery_codes"]["left"] == 9
    assert shown["totp"]["last_used_at"] == shown["passkeys"][0]["last_used_at"]
    anna.confirmed("remove_passkey", passkey_id=anna.added["passkey_id"])
    anna.confirmed("disable_totp")
    assert not any(rows(anna, table) for table in TABLES)
    log = identity.call("security_log", person_id=anna.session["person_id"], limit=50)
    found = [entry["about"] for entry in log["entries"] if entry["action"] == "factor_removed"]
    assert sorted(found) == ["passkey", "totp"]


def test_a_code_used_at_once_opens_one_session(anna: Anna) -> None:
    for code in (anna.app_code(), anna.codes[0]):
        steps = [{"challenge_id": anna.challenge(), "code": code} for _ in range(6)]
        outcomes = anna.at_once(6, "take_second_step", *steps)
        assert outcomes == ["done", *["wrong_second_factor"] * 5]


def test_a_challenge_taken_at_once_opens_one_session(anna: Anna) -> None:
    step = {"challenge_id": anna.challenge()}
    steps = [{**step, "code": code} for code in anna.codes[:6]]
    outcomes = anna.at_once(6, "take_second_step", *steps)
    assert outcomes == [*["challenge_expired"] * 5, "done"]
    assert (
        anna.identity.call("second_factors", person_id=anna.session["person_id"])["recovery_codes"][
            "left"
        ]
        == 9
    )


def test_what_a_passkey_signed_opens_one_session(anna: Anna) -> None:
    anna.key.counts = 0
    signed = {"passkey": anna.key.use(anna.identity.call("passkey_request")["passkey"])}
    outcomes = anna.at_once(6, "sign_in_by_passkey", signed)
    assert outcomes.count("done") == 1
    assert set(outcomes) <= {"done", "challenge_expired", "passkey_refused"}


def test_guesses_made_at_once_are_all_counted(anna: Anna) -> None:
    steps = [{"challenge_id": anna.challenge(), "code": anna.wrong_code()} for _ in range(16)]
    outcomes = anna.at_once(16, "take_second_step", *steps)
    assert outcomes.count("wrong_second_factor") == SECOND_FACTOR_CODES.most
    assert outcomes.count("second_factor_guessed") == 16 - SECOND_FACTOR_CODES.most


def test_the_tables_and_the_log_hold_no_secret(anna: Anna) -> None:
    anna.challenge()
    everything = anna.identity.all_text()
    plain = [code.replace(" ", "") for code in anna.codes]
    found = [one for one in (anna.secret, "Мамин", *anna.codes, *plain) if one in everything]
    assert found == []


def test_staff_and_erasure_leave_nothing(anna: Anna) -> None:
    person_id = UUID(anna.session["person_id"])
    anna.challenge()
    assert all(rows(anna, table) for table in TABLES)
    reset = factors.ResetSecondFactor(person_id=person_id, reason="Пришла с паспортом")
    anna.identity.store.execute(factors.reset_second_factor, reset)
    assert not any(rows(anna, table) for table in TABLES)
    boris = Anna.__new__(Anna)
    boris.identity, boris.session = anna.identity, anna.identity.member("boris@example.org")
    boris.confirmed("start_totp")
    erase = erasure.ErasePerson(person_id=UUID(boris.session["person_id"]), reason="По просьбе")
    anna.identity.store.execute(erasure.erase_person, erase)
    assert not any(rows(anna, table) for table in TABLES)


def test_expired_rows_are_swept(anna: Anna) -> None:
    identity = anna.identity
    signed = anna.key.use(identity.call("passkey_request")["passkey"])
    assert identity.outcome("sign_in_by_passkey", passkey=signed, device="", ip=IP) == "done"
    anna.challenge()
    assert rows(anna, "challenges") == rows(anna, "spent_nonces") == 1
    identity.clock.advance(timedelta(minutes=11))
    identity.store.transact(sweep, Sweep())
    assert rows(anna, "challenges") == rows(anna, "spent_nonces") == 0


def rows(anna: Anna, table: str) -> int:
    with anna.identity.database.owner("identity") as owner:
        (found,) = owner.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(found)


def test_plain_recovery_codes_serve_and_are_stretched_by_a_job(anna: Anna) -> None:
    identity = anna.identity
    codes = anna.codes[:3]
    digests = [identity.service._fingerprints.recovery_code(code) for code in codes]
    person_id = UUID(anna.session["person_id"])

    def issue_as_before(session: Any, _: None) -> None:
        session.read.second_factors.recovery_codes.remove(person_id)
        session.read._cursor.executemany(
            "INSERT INTO recovery_codes (person_id, digest, issued_at) VALUES (%s, %s, %s)",
            [(person_id, digest, session.now) for digest in digests],
        )

    identity.store.transact(issue_as_before, None)
    taken = {"challenge_id": anna.challenge(), "code": codes[0]}
    assert identity.outcome("take_second_step", device="", ip=IP, **taken) == "done"
    services = SimpleNamespace(store=identity.store)
    assert jobs.stretch_recovery_codes(services) == 2
    assert jobs.stretch_recovery_codes(services) == 0
    with identity.database.owner("identity") as owner:
        stored = owner.execute("SELECT digest, recipe FROM recovery_codes").fetchall()
    assert {recipe is not None for _, recipe in stored} == {True}
    assert not {bytes(digest) for digest, _ in stored} & set(digests)
    assert anna.own("reauthenticate", code=codes[1])["until"]
    assert rows(anna, "recovery_codes") == 1


def test_the_second_step_again_is_stored_with_the_session(anna: Anna) -> None:
    anna.identity.clock.advance(timedelta(minutes=10))
    assert anna.own("reauthentication")["required"]
    with pytest.raises(ServiceError) as refused:
        anna.confirmed("disable_totp")
    assert refused.value.code == "reauthentication_required"
    signed = anna.key.use(anna.own("reauthentication")["passkey"])
    assert anna.own("reauthenticate", passkey=signed)["until"]
    assert not anna.own("reauthentication")["required"]
    anna.confirmed("disable_totp")


def test_guesses_of_the_step_made_at_once_are_all_counted(anna: Anna) -> None:
    anna.identity.clock.advance(timedelta(minutes=10))
    wrong = anna.wrong_code()
    ids = {name: anna.session[name] for name in ("person_id", "session_id")}
    outcomes = at_once(8, lambda _: anna.identity.outcome("reauthenticate", **ids, code=wrong))
    assert outcomes.count("wrong_second_factor") == SESSION_CODES.most
    assert outcomes.count("too_many_attempts") == 8 - SESSION_CODES.most
