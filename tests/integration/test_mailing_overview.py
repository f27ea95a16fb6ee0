"""Staff see how far mailings have come, and what has become of their letters."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services import terminal
from services.notifications import application
from services.notifications.mailings import collecting, queueing
from services.notifications.mailings.overview import mailings
from services.notifications.requests import Lane
from shared.contracts.notifications import FailureReason
from shared.ids import new_id
from tests.conftest import Database
from tests.integration.mailing_world import MailingWorld, in_days, world_of

pytestmark = pytest.mark.nodes

PERSONS = {f"010000002{place}": UUID(int=place + 1) for place in range(4)}


def shown(world: MailingWorld) -> dict[str, Any]:
    listed = world.store.query(lambda session: mailings(session, 20))["mailings"]
    found = [one for one in listed if one["kind"] == "bill_ready"]
    return dict(found[0])


def test_a_mailing_shows_its_progress_and_the_fate_of_its_letters(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "load_settings", lambda: database.settings)
    monkeypatch.setattr(collecting, "PAGE", 2)
    monkeypatch.setattr(queueing, "BATCH", 1)
    world = world_of(database, tmp_path)
    world.billing.opens(*PERSONS)
    world.registers(*PERSONS)
    for number, person in PERSONS.items():
        world.links(person, number)
    world.bills("bills.csv", in_days(10), *PERSONS)
    progress = []
    while world.step():
        one = shown(world)
        progress.append((one["state"], one["progress"], one["queued"]))
    assert progress == [
        ("collecting", 0.0, 0),
        ("collecting", 0.5, 0),
        ("queueing", 0.0, 0),
        ("queueing", 0.25, 1),
        ("queueing", 0.5, 2),
        ("queueing", 0.75, 3),
        ("queueing", 1.0, 4),
        ("done", None, 4),
    ]
    settle(world)
    one = shown(world)
    counts = ("found", "queued", "sent", "failed", "bounced", "pointless")
    assert [one[name] for name in counts] == [4, 4, 1, 1, 0, 1]
    assert one["finished_at"] is not None


def settle(world: MailingWorld) -> None:
    """Let one letter be sent, one be refused and one be pointless; the last one waits."""
    claim = application.ClaimLetters(claim=new_id(), lowest=Lane.BULK, limit=10)
    sent, refused, stale, _ = world.store.transact(application.claim_letters, claim)
    command = application.MarkSent(letter_id=sent.letter_id, message_id="<1@x>", attempts=1)
    world.store.transact(application.mark_sent, command)
    for letter, reason in (
        (refused, FailureReason.REFUSED_BY_SERVER),
        (stale, FailureReason.STALE),
    ):
        given_up = application.GiveUp(letter_id=letter.letter_id, reason=reason, claim=claim.claim)
        world.store.transact(application.give_up, given_up)
