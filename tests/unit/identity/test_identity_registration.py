"""Registration (S1-S8), which must not reveal known addresses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from identity_steps import another, refusal_of

from services.identity import verification_codes
from services.identity.application import ResendCode, resend_code
from services.identity.domain import Person, PersonErased, PersonRegistered
from services.identity.registrations import (
    RegistrationAbandoned,
    RegistrationCodeRequested,
    RegistrationStarted,
    person_id_of,
)
from services.identity.sweeping import Sweep, sweep
from shared.context import bind
from shared.errors import Conflict, Forbidden, NotFound, ValidationFailed
from shared.eventstore.session import command_content

IP = "203.0.113.7"
SHOP = {"name": " ООО  «Три кита» ", "inn": "7707083893", "kpp": "770701001"}


def code_of(identity: Any, registration_id: str) -> str:
    return str(identity.call("issue_registration_code", registration_id=registration_id)["code"])


def resend(identity: Any, registration_id: str, ip: str = IP) -> Any:
    return identity.call("resend_code", registration_id=registration_id, ip=ip)


def correct(identity: Any, registration_id: str, email: str, ip: str = IP) -> Any:
    return identity.call("correct_email", registration_id=registration_id, email=email, ip=ip)


def network(number: int) -> str:
    return f"198.51.{number // 250}.{number % 250 + 1}"


def test_code_and_both_consents_register_a_person(identity: Any) -> None:
    registration_id = identity.start(" Anna@Example.ORG ")
    issued = identity.call("issue_registration_code", registration_id=registration_id)
    assert issued["kind"] == "code"
    assert issued["email"] == "Anna@example.org"
    assert issued["valid_minutes"] == 15
    assert len(issued["code"]) == 6
    assert identity.confirm(registration_id, f" {issued['code']} ") == {"status": "confirmed"}
    registered = identity.events()[-1]
    assert isinstance(registered, PersonRegistered)
    person_id = identity.store.log[-1].originator_id
    assert registered.consented_at == identity.clock.now()
    assert registered.rules_version == identity.call("document", kind="rules")["version"]
    assert registered.consent_version == identity.call("document", kind="consent")["version"]
    assert (
        identity.store.vault.reveal(person_id, registered.consented_from, "address")
        == "203.0.113.7"
    )
    profile = identity.call("profile", person_id=str(person_id))
    assert profile == {
        "person_id": str(person_id),
        "person_type": "individual",
        "email": "Anna@example.org",
        "language": "ru",
        "organisation": None,
        "full_name": None,
        "phone": None,
    }


def test_an_organisation_registers_with_its_details(identity: Any) -> None:
    person_id = identity.person(person_type="organisation", organisation=SHOP)
    profile = identity.call("profile", person_id=person_id)
    assert profile["person_type"] == "organisation"
    assert profile["organisation"] == {
        "name": "ООО «Три кита»",
        "inn": "7707083893",
        "kpp": "770701001",
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"organisation": {**SHOP, "inn": "7707083894"}}, "inn_invalid"),
        ({"organisation": {**SHOP, "kpp": None}}, "kpp_missing"),
        ({"organisation": {**SHOP, "kpp": "77"}}, "kpp_invalid"),
        ({"organisation": {**SHOP, "inn": "500100732259"}}, "kpp_not_expected"),
        ({"organisation": {**SHOP, "name": " "}}, "organisation_name_invalid"),
        ({"organisation": None}, "organisation_missing"),
        ({"person_type": "individual", "organisation": SHOP}, "organisation_not_expected"),
        ({"email": "anna@example"}, "email_invalid"),
        ({"person_type": "robot"}, "invalid_request"),
        ({"ip": "here"}, "invalid_request"),
    ],
)
def test_every_invalid_value_has_its_code(
    identity: Any, changes: dict[str, Any], code: str
) -> None:
    arguments = {"person_type": "organisation", "organisation": SHOP, **changes}
    refused = refusal_of(identity.start, **arguments)
    assert isinstance(refused, ValidationFailed)
    assert refused.code == code
    assert identity.events() == []


def test_missing_consent_costs_no_attempt(identity: Any) -> None:
    registration_id = identity.start()
    code = code_of(identity, registration_id)
    refused = refusal_of(identity.confirm, registration_id, code, accept_rules=False)
    assert (refused.kind, refused.code) == ("validation", "rules_not_accepted")
    refused = refusal_of(identity.confirm, registration_id, code, consent_personal_data=False)
    assert (refused.kind, refused.code) == ("validation", "consent_not_given")
    assert identity.confirm(registration_id, code) == {"status": "confirmed"}


def test_refused_attempts_are_counted(identity: Any) -> None:
    registration_id = identity.start()
    code = code_of(identity, registration_id)
    left = []
    for _ in range(5):
        refused = refusal_of(identity.confirm, registration_id, another(code))
        assert (refused.kind, refused.code) == ("validation", "wrong_code")
        left.append(refused.params["attempts_left"])
    assert left == [4, 3, 2, 1, 0]
    refused = refusal_of(identity.confirm, registration_id, code)
    assert (refused.kind, refused.code) == ("forbidden", "code_attempts_used_up")
    resend(identity, registration_id)
    assert identity.confirm(registration_id, code_of(identity, registration_id))


def test_a_repeated_command_is_counted_once(identity: Any) -> None:
    registration_id = identity.start()
    wrong = another(code_of(identity, registration_id))
    with bind(command_id=uuid4()):
        first = refusal_of(identity.confirm, registration_id, wrong)
        second = refusal_of(identity.confirm, registration_id, wrong)
    assert first.params == second.params == {"attempts_left": 4}


def test_code_expires_after_fifteen_minutes(identity: Any) -> None:
    registration_id = identity.start()
    code = code_of(identity, registration_id)
    identity.clock.advance(timedelta(minutes=15))
    assert refusal_of(identity.confirm, registration_id, code).code == "code_expired"
    fresh = code_of(identity, registration_id)
    identity.clock.advance(timedelta(minutes=14, seconds=59))
    assert identity.confirm(registration_id, fresh) == {"status": "confirmed"}


def test_fresh_code_voids_the_earlier_one_and_is_bound_to_its_registration(identity: Any) -> None:
    registration_id, other_id = identity.start(), identity.start("boris@example.org")
    first, second = code_of(identity, registration_id), code_of(identity, registration_id)
    code_of(identity, other_id)
    if first != second:
        assert refusal_of(identity.confirm, registration_id, first).code == "wrong_code"
    if second != code_of(identity, other_id):
        assert refusal_of(identity.confirm, other_id, second).code == "wrong_code"
    assert identity.confirm(registration_id, second)


def test_a_confirmed_registration_is_confirmed_once(identity: Any) -> None:
    registration_id = identity.start()
    code = code_of(identity, registration_id)
    with bind(command_id=uuid4()):
        assert identity.confirm(registration_id, code) == identity.confirm(registration_id, code)
    refused = refusal_of(identity.confirm, registration_id, code)
    assert (type(refused), refused.code) == (Conflict, "registration_confirmed")
    refused = refusal_of(resend, identity, registration_id)
    assert refused.code == "registration_confirmed"
    assert sum(isinstance(event, PersonRegistered) for event in identity.events()) == 1


def test_an_unknown_registration_is_not_found(identity: Any) -> None:
    assert isinstance(refusal_of(identity.confirm, str(uuid4()), "123456"), NotFound)


def test_known_address_is_revealed_only_by_its_letter(identity: Any) -> None:
    identity.person("anna@example.org")
    known, unknown = identity.start("ANNA@example.org"), identity.start("boris@example.org")
    kinds = [type(event) for event in identity.events()[-4:]]
    assert kinds == [RegistrationStarted, RegistrationCodeRequested] * 2
    letter = identity.call("issue_registration_code", registration_id=known)
    assert (letter["kind"], letter["code"]) == ("already_registered", None)
    assert letter["email"] == "ANNA@example.org"
    wrong = another(code_of(identity, unknown))
    for _ in range(6):
        one = refusal_of(identity.confirm, known, "000000")
        other = refusal_of(identity.confirm, unknown, wrong)
        assert (one.kind, one.code, one.params) == (other.kind, other.code, other.params)


def test_two_registrations_of_one_address_make_one_person(identity: Any) -> None:
    first, second = identity.start(), identity.start()
    codes = code_of(identity, first), code_of(identity, second)
    identity.confirm(first, codes[0])
    refused = refusal_of(identity.confirm, second, codes[1])
    assert (type(refused), refused.code) == (Conflict, "already_registered")


def test_a_mailbox_is_not_flooded(identity: Any) -> None:
    registration_id = identity.start()
    for _ in range(4):
        resend(identity, registration_id)
    refused = refusal_of(resend, identity, registration_id)
    assert (type(refused), refused.code) == (Forbidden, "too_many_attempts")
    assert refused.params == {
        "policy": "registration_letters",
        "limit": 5,
        "window_seconds": 900,
        "retry_after_seconds": 900,
    }
    identity.clock.advance(timedelta(minutes=5))
    refused = refusal_of(identity.start, "Anna@Example.org")
    assert refused.params["retry_after_seconds"] == 600
    assert identity.start("Anna@Example.org", ip="198.51.100.4"), "another network has its own"
    identity.clock.advance(timedelta(minutes=10))
    assert resend(identity, registration_id) == {}


def test_letters_that_others_ask_for_cost_nobody_his_own(identity: Any) -> None:
    for number in range(30):
        identity.start(ip=network(number))
    registration_id = identity.start()
    issued = identity.call("issue_registration_code", registration_id=registration_id)
    assert len(issued["code"]) == 12, "after so many letters a code cannot be guessed"
    assert identity.confirm(registration_id, issued["code"]) == {"status": "confirmed"}


def test_a_registration_takes_fifteen_wrong_codes_in_total(identity: Any) -> None:
    registration_id = identity.start()
    for _ in range(3):
        code = code_of(identity, registration_id)
        for _ in range(5):
            assert refusal_of(identity.confirm, registration_id, another(code)).code == "wrong_code"
        resend(identity, registration_id)
    refused = refusal_of(identity.confirm, registration_id, code_of(identity, registration_id))
    assert (type(refused), refused.code) == (Forbidden, "registration_attempts_used_up")


@pytest.mark.parametrize(
    "name", ["WRONG_CODES_OF_NETWORK", "WRONG_CODES"], ids=["network", "in total"]
)
def test_wrong_codes_are_limited_and_a_long_code_gets_in(
    identity: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = getattr(verification_codes, name)
    monkeypatch.setattr(verification_codes, name, limit._replace(most=30))
    own = identity.start("zoya@example.org")
    sent = code_of(identity, own)
    for number in range(6):
        ip = network(number) if name == "WRONG_CODES" else IP
        stranger = identity.start(f"stranger{number}@example.org", ip=ip)
        code = code_of(identity, stranger)
        for _ in range(5):
            refusal_of(identity.confirm, stranger, another(code), ip=ip)
    assert refusal_of(identity.confirm, own, sent).code == "code_attempts_used_up"
    resend(identity, own)
    long = code_of(identity, own)
    assert len(long) == 12
    assert identity.confirm(own, long) == {"status": "confirmed"}
    identity.clock.advance(timedelta(hours=1))
    assert len(code_of(identity, identity.start("vera@example.org"))) == 6


@pytest.mark.parametrize("mistyped", ["ana@example.org", "known@example.org"])
def test_a_mistyped_address_is_corrected_before_the_code(identity: Any, mistyped: str) -> None:
    identity.person("known@example.org")
    registration_id = identity.start(mistyped)
    sent = identity.call("issue_registration_code", registration_id=registration_id)["code"]
    assert correct(identity, registration_id, "anna@example.org") == {}
    refused = refusal_of(identity.confirm, registration_id, sent or "123456")
    assert refused.code == "wrong_code", "it was sent to another mailbox"
    issued = identity.call("issue_registration_code", registration_id=registration_id)
    assert (issued["kind"], issued["email"]) == ("code", "anna@example.org")
    assert identity.confirm(registration_id, issued["code"]) == {"status": "confirmed"}
    person_id = str(identity.store.log[-1].originator_id)
    assert identity.call("contact", person_id=person_id)["email"] == "anna@example.org"


def test_a_correction_to_a_known_address_looks_the_same(identity: Any) -> None:
    identity.person("known@example.org")
    one, other = identity.start("ana@example.org"), identity.start("bris@example.org")
    assert correct(identity, one, "known@example.org") == correct(
        identity, other, "boris@example.org"
    )
    letter = identity.call("issue_registration_code", registration_id=one)
    assert (letter["kind"], letter["code"]) == ("already_registered", None)


def test_a_confirmed_registration_keeps_its_address(identity: Any) -> None:
    registration_id = identity.start()
    identity.confirm(registration_id, code_of(identity, registration_id))
    refused = refusal_of(correct, identity, registration_id, "boris@example.org")
    assert (type(refused), refused.code) == (Conflict, "registration_confirmed")


def test_sweep_erases_unconfirmed_registrations(identity: Any) -> None:
    registration_id = identity.start()
    kept = identity.person("boris@example.org")
    sealed = identity.events()[0].email
    identity.clock.advance(timedelta(days=3, seconds=1))
    fresh = identity.start("vera@example.org")
    assert identity.store.transact(sweep, Sweep()) > 0
    assert identity.store.transact(sweep, Sweep()) == 0
    assert sum(isinstance(event, RegistrationAbandoned) for event in identity.events()) == 1
    refused = refusal_of(identity.confirm, registration_id, "123456")
    assert refused.code == "registration_expired"
    assert identity.store.vault.reveal(person_id_of(UUID(registration_id)), sealed, "email") is None
    assert identity.call("contact", person_id=kept)["email"] == "boris@example.org"
    assert identity.confirm(fresh, code_of(identity, fresh))


def test_an_erased_person_is_not_found(identity: Any) -> None:
    person_id = UUID(identity.person())

    def erase(session: Any, _: None) -> None:
        session.load(Person, person_id).trigger(PersonErased())
        session.vault.destroy(person_id)

    identity.store.transact(erase, None)
    refused = refusal_of(identity.call, "contact", person_id=str(person_id))
    assert (type(refused), refused.code) == (NotFound, "person_not_found")


def test_a_request_repeated_from_another_network_is_the_same_command(identity: Any) -> None:
    with bind(command_id=uuid4()):
        first = identity.start(ip="203.0.113.7")
        assert identity.start(ip="198.51.100.7") == first
        with pytest.raises(Conflict) as other:
            identity.start("boris@example.org", ip="203.0.113.7")
    assert other.value.code == "command_reused"
    assert len(identity.tables.codes.rows) == 1


def test_what_is_stored_of_a_command_leaves_out_where_it_came_from() -> None:
    def content(index: bytes, registration_id: UUID) -> bytes:
        command = ResendCode(registration_id=registration_id, network_index=index)
        return command_content(resend_code, command)

    asked = uuid4()
    assert content(b"here", asked) == content(b"there", asked)
    assert content(b"here", asked) != content(b"here", uuid4())
