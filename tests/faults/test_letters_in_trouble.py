"""Letters arrive whatever the mail server does, and whoever is killed while he delivers them.

The mail server is a process of its own, whose faults are switched by HTTP; the runners are, too.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from deploy.embedded.surroundings import REPOSITORY
from services.notifications.claims import Claims
from services.notifications.delivery import Delivery
from services.notifications.requests import LetterRequest
from services.notifications.slow_domains import SlowDomains
from shared.contracts.notifications import LetterKind
from shared.eventstore.postgres import PostgresStore
from shared.smtp import ServerUnavailableError
from tests.conftest import Database
from tests.fixed_clock import FixedClock
from tests.integration.test_letter_claims import Worker
from tests.mail_catcher import MailCatcher, running_mail_catcher
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

CONNECTIONS = 4
BETWEEN_ATTEMPTS = timedelta(seconds=31)
"""Longer than a code is deferred, and far from half of its life."""


@dataclass
class Post:
    """The letters of a service, a mail server, and runners that deliver."""

    store: PostgresStore
    catcher: MailCatcher
    worker: Worker
    codes: Path
    environment: dict[str, str]

    def queue(self, many: int) -> list[LetterRequest]:
        """Queue as many letters, every other one with a code."""
        requests = [self._request(LetterKind.PASSWORD_CHANGED if number % 2
                                  else LetterKind.REGISTRATION_CODE)
                    for number in range(many)]  # fmt: skip
        self.worker.queue(*requests)
        return requests

    def _request(self, kind: LetterKind) -> LetterRequest:
        refs = {"at": "2026-03-31T18:00:00+00:00", "registration_id": str(uuid4())}
        return LetterRequest(letter_id=uuid4(), kind=kind, person_id=uuid4(), refs=refs)

    def deliver(self, attempts: int = 40, until: Callable[[], bool] | None = None) -> None:
        """Deliver until nothing waits; the clock is set on where nothing is due."""
        done = until or (lambda: self.worker.waiting() == 0)
        claims, domains = Claims(), SlowDomains()
        for _ in range(attempts):
            tried = 0
            with suppress(ServerUnavailableError):
                tried = Delivery(self.worker, claims, domains).deliver()
            if done():
                return
            if not tried:
                self.worker.clock.advance(BETWEEN_ATTEMPTS)

    def arrived(self) -> dict[UUID, list[EmailMessage]]:
        """Return the copies of each letter, the newest first."""
        found: dict[UUID, list[EmailMessage]] = defaultdict(list)
        for message in self.catcher.arrived():
            found[UUID(str(message["Message-ID"])[1:37])].append(message)
        return found

    def states(self, requests: list[LetterRequest]) -> Counter[str]:
        with self.store.transaction() as cursor:
            rows = cursor.execute(
                "SELECT concat_ws(' ', state, reason) AS state FROM letters"
                " WHERE letter_id = ANY(%s)",
                ([request.letter_id for request in requests],),
            ).fetchall()
        return Counter(row["state"] for row in rows)

    @contextmanager
    def runner(self) -> Iterator[subprocess.Popen[str]]:
        """Run a worker process that delivers."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.letter_runner", str(self.codes)],
            cwd=REPOSITORY,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert int(process.stdout.readline()) == process.pid
            yield process
        finally:
            process.kill()
            process.communicate(timeout=30)

    def newest_codes(self) -> dict[str, str]:
        """Return the code that was drawn last for each registration."""
        return dict(line.split() for line in self.codes.read_text("ascii").splitlines())


@pytest.fixture(scope="module")
def catcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailCatcher]:
    with running_mail_catcher(tmp_path_factory.mktemp("mail-server")) as running:
        yield running


@pytest.fixture
def post(module_database: Database, catcher: MailCatcher, tmp_path: Path) -> Iterator[Post]:
    settings = replace(module_database.settings, smtp_url=catcher.url)
    clock = FixedClock(datetime.now(UTC).replace(microsecond=0))
    store = module_database.store("notifications", clock=clock)
    worker = Worker(settings, store, clock)
    environment = {
        **os.environ,
        "SALDO_SECRET": settings.secret.hex(),
        "SALDO_SMTP_URL": catcher.url,
        "SALDO_MAIL_CONNECTIONS": str(CONNECTIONS),
        "SALDO_DATABASE_URL_NOTIFICATIONS": settings.database_url_of("notifications"),
    }
    yield Post(store, catcher, worker, tmp_path / "codes", environment)
    catcher.clear()
    assert worker.waiting() == 0, "nothing is left for the next test"


@pytest.mark.parametrize(
    "faults",
    [
        {"greylist": True},
        {"slow_seconds": 0.02},
        {"defer": True},
        {"down": True},
        {"lose_letter": True},
    ],
    ids=str,
)
def test_letters_arrive_once_after_the_trouble(post: Post, faults: dict[str, Any]) -> None:
    requests = post.queue(8)
    post.catcher.faults(**faults)
    if {"greylist", "slow_seconds"} & faults.keys():
        post.deliver()
    else:
        post.deliver(attempts=4)
        assert not post.arrived().keys() & {request.letter_id for request in requests}
        post.catcher.clear()
        post.deliver()
    assert post.states(requests) == {"sent": len(requests)}
    check_once(post, requests)


@pytest.mark.parametrize("fault", ["refuse", "refuse_content"])
def test_refused_letters_fail_and_stop_no_other(post: Post, fault: str) -> None:
    refused, accepted = post.queue(4), post.queue(4)
    [unwanted] = {str(one.refs["registration_id"])[:8] for one in refused[:1]}
    post.catcher.faults(**{fault: True}, only_to=f"{unwanted}@example.org")
    post.deliver()
    assert post.states(refused[:1]) == {"failed refused_by_server": 1}
    assert post.states([*refused[1:], *accepted]) == {"sent": 7}
    check_once(post, [*refused[1:], *accepted])


def test_letter_of_an_unknown_outcome_is_sent_again_unchanged(post: Post) -> None:
    requests = post.queue(6)
    post.catcher.faults(lose_answer=True)
    post.deliver(attempts=40, until=lambda: len(own(post, requests)) == len(requests))
    post.catcher.clear()
    post.deliver()
    assert post.states(requests) == {"sent": len(requests)}
    for copies in own(post, requests).values():
        assert len(copies) > 1
        assert len({str(copy["Message-ID"]) for copy in copies}) == 1
        assert len({text_of(copy) for copy in copies}) == 1
    check_codes(post, requests, post.worker.newest)


@pytest.mark.parametrize("seed", [1, 2])
def test_letters_arrive_through_trouble_of_every_kind(post: Post, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    requests = post.queue(20)
    post.catcher.faults(chaos=0.5, chaos_seed=seed, greylist=True)
    for _ in range(5):
        post.catcher.faults(down=chance.random() < 0.5)
        post.deliver(attempts=4)
    post.catcher.clear()
    post.deliver()
    assert post.states(requests) == {"sent": len(requests)}
    assert own(post, requests).keys() == {request.letter_id for request in requests}
    check_codes(post, requests, post.worker.newest)


def test_two_runners_send_each_letter_once(post: Post) -> None:
    requests = post.queue(40)
    post.catcher.faults(slow_seconds=0.01)
    with post.runner(), post.runner():
        eventually(lambda: post.worker.waiting() == 0, "every letter is sent", 60)
    assert post.states(requests) == {"sent": len(requests)}
    check_once(post, requests)
    check_codes(post, requests, post.newest_codes())


def test_killed_runner_leaves_no_letter_and_no_code_behind(post: Post) -> None:
    requests = post.queue(40)
    before = post.catcher.count()
    post.catcher.faults(slow_seconds=0.1)
    with post.runner() as victim:
        eventually(lambda: post.catcher.count() >= before + 8, "letters go out", 60)
        victim.send_signal(signal.SIGKILL)
    assert post.worker.waiting() > 0, "it was killed on its way"
    post.catcher.clear()
    with post.runner():
        eventually(lambda: post.worker.waiting() == 0, "the rest is sent", 60)
    assert post.states(requests) == {"sent": len(requests)}
    copies = own(post, requests)
    assert copies.keys() == {request.letter_id for request in requests}
    twice = [found for found in copies.values() if len(found) > 1]
    assert len(twice) <= CONNECTIONS, "only what was being handed over"
    for found in twice:
        assert len({(str(copy["Message-ID"]), text_of(copy)) for copy in found}) == 1
    check_codes(post, requests, post.newest_codes())


def own(post: Post, requests: list[LetterRequest]) -> dict[UUID, list[EmailMessage]]:
    """Return the copies of some letters that have arrived."""
    wanted = {request.letter_id for request in requests}
    return {letter: copies for letter, copies in post.arrived().items() if letter in wanted}


def check_once(post: Post, requests: list[LetterRequest]) -> None:
    copies = Counter({letter: len(found) for letter, found in own(post, requests).items()})
    assert copies == Counter(request.letter_id for request in requests)


def check_codes(post: Post, requests: list[LetterRequest], newest: dict[str, str]) -> None:
    """Check that the code in the newest copy of each letter is the one that works."""
    copies = own(post, requests)
    for request in requests:
        if request.kind is LetterKind.REGISTRATION_CODE:
            code = newest[str(request.refs["registration_id"])]
            assert code in text_of(copies[request.letter_id][0])


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())
