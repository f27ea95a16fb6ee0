"""The versions of the rules and the consent: which one is in force, and who has accepted it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from shutil import copy
from typing import Any
from uuid import uuid4

import pytest
from identity_steps import another, refusal_of

from services.identity import documents
from services.identity.documents import KINDS, Documents
from services.identity.domain import DocumentsAccepted, PersonRegistered
from shared.config import ConfigurationError
from shared.context import bind
from shared.errors import Conflict, NotFound

FIRST, NEXT = "2026-11-01", "2026-12-01"
OWN = "длинная фраза 1"
IP = "198.51.100.23"


@pytest.fixture(autouse=True)
def _ours_alone(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave of our own versions the first ones: a newer one would hold in these tests too."""
    ours = tmp_path_factory.mktemp("ours")
    for kind in KINDS:
        copy(documents._OURS / f"{kind}-{FIRST}.md", ours)
    monkeypatch.setattr(documents, "_OURS", ours)


@pytest.fixture
def folder(identity: Any, tmp_path: Path) -> Path:
    """Return the operator's folder, empty at first."""
    identity.service.settings = replace(identity.service.settings, documents=str(tmp_path))
    return tmp_path


def publish(folder: Path, kind: str, version: str = NEXT) -> None:
    (folder / f"{kind}-{version}.md").write_text(f"# Новая редакция\n\nС {version}.\n", "utf-8")


def in_december(identity: Any) -> None:
    identity.clock.advance(timedelta(days=8))


def test_a_version_is_in_force_from_its_date(identity: Any, folder: Path) -> None:
    publish(folder, "rules")
    shown = identity.call("document", kind="rules")
    assert (shown["version"], shown["in_force"]) == (FIRST, FIRST)
    assert shown["versions"] == [NEXT, FIRST], "it can be read before"
    announced = identity.call("document", kind="rules", version=NEXT)
    assert (announced["title"], announced["in_force"]) == ("Новая редакция", FIRST)
    in_december(identity)
    assert identity.call("document", kind="rules")["version"] == NEXT
    assert identity.call("document", kind="rules", version=FIRST)["in_force"] == NEXT
    assert identity.call("document", kind="consent")["versions"] == [FIRST]


def test_a_version_holds_from_midnight_of_the_business_zone(identity: Any, folder: Path) -> None:
    publish(folder, "rules")
    identity.clock.advance(timedelta(days=7, hours=11, minutes=59))
    assert identity.call("document", kind="rules")["version"] == FIRST
    identity.clock.advance(timedelta(minutes=1))
    assert identity.call("document", kind="rules")["version"] == NEXT


def test_other_files_of_the_folder_are_no_versions(identity: Any, folder: Path) -> None:
    for name in ("rules.md", "rules-draft.md", "rules-2026-12-01.md.tmp", "secret-2026-12-01.md"):
        (folder / name).write_text("# Нет\n", "utf-8")
    assert identity.call("document", kind="rules")["versions"] == [FIRST]


def test_a_version_is_never_replaced(folder: Path) -> None:
    publish(folder, "rules", FIRST)
    with pytest.raises(ConfigurationError, match="rules-2026-11-01"):
        Documents(str(folder))
    with pytest.raises(ConfigurationError, match="SALDO_DOCUMENTS"):
        Documents(str(folder / "missing"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_version_holds_where_none_has_begun(kind: str) -> None:
    assert Documents().find(kind, None, date(2020, 1, 1)).version == FIRST


def test_the_version_that_was_seen_is_the_one_that_is_stored(identity: Any, folder: Path) -> None:
    publish(folder, "rules")
    in_december(identity)
    registration_id = identity.start()
    code = identity.call("issue_registration_code", registration_id=registration_id)["code"]
    identity.confirm(registration_id, code, rules_version=NEXT, consent_version=FIRST)
    registered = identity.events()[-1]
    assert isinstance(registered, PersonRegistered)
    assert (registered.rules_version, registered.consent_version) == (NEXT, FIRST)


def test_a_version_that_came_between_page_and_post_is_shown_first(
    identity: Any, folder: Path
) -> None:
    registration_id = identity.start()
    code = identity.call("issue_registration_code", registration_id=registration_id)["code"]
    seen = {"rules_version": FIRST, "consent_version": FIRST}
    publish(folder, "rules")
    in_december(identity)
    code = identity.call("issue_registration_code", registration_id=registration_id)["code"]
    for entered in (another(code), another(code), code):
        refused = refusal_of(identity.confirm, registration_id, entered, **seen)
        assert (type(refused), refused.code) == (Conflict, "documents_changed")
        assert refused.params == {"documents": [{"kind": "rules", "seen": FIRST, "version": NEXT}]}
    wrong = refusal_of(identity.confirm, registration_id, another(code), rules_version=NEXT)
    assert wrong.params == {"attempts_left": 4}, "a version that changed costs no attempt"
    again = {**seen, "rules_version": NEXT}
    assert identity.confirm(registration_id, code, **again) == {"status": "confirmed"}


def test_a_version_that_does_not_exist_is_not_accepted(identity: Any) -> None:
    registration_id = identity.start()
    code = identity.call("issue_registration_code", registration_id=registration_id)["code"]
    refused = refusal_of(identity.confirm, registration_id, code, consent_version="2099-01-01")
    assert refused.code == "documents_changed"


def test_new_versions_are_asked_for_until_they_are_accepted(identity: Any, folder: Path) -> None:
    session = identity.member(OWN)
    assert identity.sign_in(OWN)["must_accept"] == []
    publish(folder, "rules")
    publish(folder, "instruction")
    assert identity.call("authenticate", token=session["token"])["must_accept"] == []
    in_december(identity)
    session = identity.sign_in(OWN)
    due = [{"kind": "rules", "accepted": FIRST, "version": NEXT}]
    assert session["must_accept"] == due, "the instruction is not accepted"
    assert identity.call("authenticate", token=session["token"])["must_accept"] == due
    accept(identity, session, rules_version=NEXT)
    accepted = identity.events()[-1]
    assert isinstance(accepted, DocumentsAccepted)
    assert (accepted.rules_version, accepted.consent_version) == (NEXT, None)
    assert accepted.accepted_at == identity.clock.now()
    person_id = identity.store.log[-1].originator_id
    assert identity.store.vault.reveal(person_id, accepted.accepted_from, "address") == IP
    assert IP not in accepted.accepted_from
    assert identity.call("authenticate", token=session["token"])["must_accept"] == []
    assert identity.sign_in(OWN)["must_accept"] == []


def test_one_of_two_new_versions_leaves_the_other_due(identity: Any, folder: Path) -> None:
    session = identity.member(OWN)
    publish(folder, "rules")
    publish(folder, "consent")
    in_december(identity)
    session = identity.sign_in(OWN)
    assert [each["kind"] for each in session["must_accept"]] == ["rules", "consent"]
    accept(identity, session, consent_version=NEXT)
    due = identity.call("authenticate", token=session["token"])["must_accept"]
    assert [each["kind"] for each in due] == ["rules"]


def test_a_version_that_is_not_in_force_cannot_be_accepted(identity: Any, folder: Path) -> None:
    session = identity.member(OWN)
    publish(folder, "rules")
    before = len(identity.events())
    for version in (NEXT, "2020-01-01"):
        refused = refusal_of(accept, identity, session, rules_version=version)
        assert (type(refused), refused.code) == (Conflict, "documents_changed")
    assert len(identity.events()) == before


def test_accepting_twice_makes_one_event(identity: Any, folder: Path) -> None:
    session = identity.member(OWN)
    publish(folder, "rules")
    in_december(identity)
    with bind(command_id=uuid4()):
        accept(identity, session, rules_version=NEXT)
        accept(identity, session, rules_version=NEXT)
    accept(identity, session, rules_version=NEXT, consent_version=FIRST)
    assert sum(isinstance(event, DocumentsAccepted) for event in identity.events()) == 1


def test_a_version_that_is_withdrawn_is_not_asked_for(identity: Any, folder: Path) -> None:
    session = identity.member(OWN)
    publish(folder, "rules")
    in_december(identity)
    session = identity.sign_in(OWN)
    (folder / f"rules-{NEXT}.md").unlink()
    assert identity.call("authenticate", token=session["token"])["must_accept"] == []


def test_nobody_accepts_for_a_person_who_does_not_exist(identity: Any) -> None:
    with pytest.raises(NotFound):
        identity.call("accept_documents", person_id=str(uuid4()), rules_version=FIRST, ip=IP)


def accept(identity: Any, session: dict[str, Any], **versions: str) -> Any:
    return identity.call("accept_documents", person_id=session["person_id"], ip=IP, **versions)
