"""Payments in a loop, through any outage: for fault tests.

Each worker is a person with linked accounts. Each turn is one payment with its own idempotency
key, requested until there is a response, then paid by card on the acquirer's page. What the person
believes afterwards is written as a line of JSON; `reconcile` compares it with the records.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TextIO
from uuid import uuid4

import msgspec

from deploy.demo.acquirer_page import ASKS_FOR_CODE, DECLINED, PAYS, PageError, Payer
from deploy.demo.client import CabinetClient, OutageError, PaymentLine, Problem
from deploy.demo.company import DemoAccount
from deploy.demo.journey import link_an_account, register, set_up_cabinet, try_to_link
from deploy.demo.letters import Mailbox
from deploy.demo.person import Journey
from deploy.demo.report import Report

PATIENCE = 90.0
"""Seconds for which a request is repeated during an outage."""
LOOK_SECONDS = 5.0
LARGEST = 200_00
"""The largest line in kopecks, so that debts last for many turns."""
CARDS = (*[PAYS] * 7, ASKS_FOR_CODE, ASKS_FOR_CODE, DECLINED)


class Belief(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a payer knows of one payment. Amounts are kopecks.

    `charged`: "yes" or "no" as the acquirer's page said; "unknown" when there was no response after
    the card was entered.
    """

    worker: int
    key: str
    started_at: str
    lines: list[tuple[str, int, int]]
    total: int
    payment_id: str = ""
    charged: str = "no"
    state: str = ""
    repeats: int = 0
    seconds: float = 0.0
    remark: str = ""


@dataclass
class Record:
    """The file of beliefs; each is flushed before the next turn."""

    file: TextIO
    beliefs: list[Belief] = field(default_factory=list)
    on_belief: Callable[[], None] = lambda: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, belief: Belief) -> None:
        with self._lock:
            self.beliefs.append(belief)
            self.file.write(msgspec.json.encode(belief).decode() + "\n")
            self.file.flush()
            self.on_belief()


@dataclass(frozen=True)
class Place:
    """The installation that the loop pays at."""

    url: str
    mail_dir: Path
    candidates: Sequence[DemoAccount]


def run_loop(
    place: Place, record: Record, seconds: float, parallel: int, stop: threading.Event
) -> None:
    """Pay with `parallel` people at once for `seconds`, or until `stop` is set.

    Payments under way are finished. Raises what stopped a worker: a refusal that should not be, or
    an outage beyond all patience before it had an account to pay.
    """
    with ThreadPoolExecutor(parallel, thread_name_prefix="payer") as pool:
        people = list(pool.map(lambda _: _make_payer(place), range(parallel)))
        ends = time.monotonic() + seconds
        turns = [
            pool.submit(_pay_until, ends, stop, person, worker, record)
            for worker, person in enumerate(people)
        ]
        for turn in turns:
            turn.result()


def read_beliefs(path: Path) -> list[Belief]:
    """Return the beliefs of an earlier loop, without a line that a kill has cut off."""
    lines = path.read_bytes().splitlines(keepends=True)
    return [msgspec.json.decode(line, type=Belief) for line in lines if line.endswith(b"\n")]


def _make_payer(place: Place) -> Journey:
    """Return the journey of a person with a cabinet and, as a rule, two accounts."""
    client = CabinetClient(place.url, patience=PATIENCE)
    candidates = random.sample(list(place.candidates), len(place.candidates))
    journey = Journey(
        client, Report(), Mailbox(place.mail_dir), candidates, payer=Payer(patience=PATIENCE)
    )
    register(journey)
    set_up_cabinet(journey)
    link_an_account(journey)
    linked = {account["number"] for account in client.accounts()}
    others = (account for account in candidates if account.number not in linked)
    next(filter(partial(try_to_link, client), others), None)
    return journey


def _pay_until(
    ends: float, stop: threading.Event, journey: Journey, worker: int, record: Record
) -> None:
    chance = random.Random()  # noqa: S311 - no secret
    numbers = [account["number"] for account in journey.client.accounts()]
    while time.monotonic() < ends and not stop.is_set():
        chosen = chance.sample(numbers, chance.randint(1, len(numbers)))
        lines = [
            PaymentLine(number, chance.randint(1, LARGEST), chance.choice((0, 0, 1, 57)))
            for number in chosen
        ]
        belief = Belief(
            worker=worker,
            key=str(uuid4()),
            started_at=datetime.now(UTC).isoformat(),
            lines=[(line.account, line.amount, line.penalty) for line in lines],
            total=sum(line.total for line in lines),
        )
        started, repeats = time.monotonic(), journey.client.repeats + journey.payer.repeats
        _pay_once(journey, lines, belief, chance)
        belief.seconds = round(time.monotonic() - started, 3)
        belief.repeats = journey.client.repeats + journey.payer.repeats - repeats
        record.add(belief)


def _pay_once(
    journey: Journey, lines: Sequence[PaymentLine], belief: Belief, chance: random.Random
) -> None:
    try:
        started = journey.client.start_payment(lines, belief.key)
    except (Problem, OutageError) as refusal:
        # Nobody has entered a card without the page.
        belief.remark = str(refusal)
        return
    belief.payment_id = started["payment_id"]
    card = chance.choice(CARDS)
    try:
        back = journey.payer.pay(started["redirect_url"], card)
    except (PageError, OutageError) as silence:
        belief.charged, belief.remark = "unknown", str(silence)
        return
    belief.charged = "no" if card == DECLINED else "yes"
    if chance.random() < 0.7:  # the others close the window: the callback must suffice
        _follow_up(journey, back, belief)


def _follow_up(journey: Journey, back: str, belief: Belief) -> None:
    ends = time.monotonic() + LOOK_SECONDS
    try:
        journey.payer.come_back(back)
        while time.monotonic() < ends and belief.state not in {"completed", "failed"}:
            belief.state = journey.client.payment(belief.payment_id, refresh=True)["state"]
            time.sleep(0.05)
    except (Problem, OutageError) as silence:
        belief.remark = str(silence)
