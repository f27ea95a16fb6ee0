"""Beliefs: what each client was told of each of its commands, in a file of JSON lines.

A command has an id, sent with each of its attempts as `X-Request-Id`: it becomes the correlation
id of the events that the command causes, so that a checker finds them. The file has a line before
the command and one after it. Without the second, or with the outcome `unknown`, the command was
done once or not at all; `refused`: not at all; `acknowledged`: once.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from uuid import uuid4

import msgspec

from deploy.demo.acquirer_page import PageError
from deploy.demo.client import CabinetClient, OutageError, Problem

Outcome = Literal["asked", "acknowledged", "refused", "unknown", "note"]

SERVER_FAULTS = 500
UNAUTHORIZED = 401
EXPECTED = (Problem, OutageError, PageError)
"""What a client meets in an outage; anything else is a defect of the load."""


class Belief(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a client knows of one command; `at` is Unix time, `data` depends on `what`.

    `what` is one of `tests.faults.checker.promises.EFFECTS`; others are judged by no rule of their
    own. A `note` is nothing that was commanded: which faults there were, what was seen. `asked_at`
    is when the command was begun, where its first line has been read.
    """

    id: str
    at: float
    who: str
    what: str
    outcome: Outcome
    code: str = ""
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    asked_at: float = 0.0


class Notebook:
    """The file of beliefs; safe for many threads. Each line is flushed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self.signed_out: set[str] = set()
        """Who was told that his session is not valid any more."""
        self._file = path.open("ab")
        self._lock = threading.Lock()

    def write(self, belief: Belief) -> None:
        line = msgspec.json.encode(belief) + b"\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
            self.counts[f"{belief.what} {belief.outcome}"] += 1
            self.counts[belief.outcome] += 1

    def note(self, who: str, what: str, *, at: float | None = None, **data: Any) -> None:
        """Write down something that was not commanded, and of when it is: by default, of now."""
        when = time.time() if at is None else at
        self.write(Belief(id=str(uuid4()), at=when, who=who, what=what, outcome="note", data=data))

    def about(self, who: str, what: str, **data: Any) -> Command:
        """Begin a command: a context that writes the line before, and the one after."""
        return Command(self, who, what, data)

    def close(self) -> None:
        self._file.close()


class Command:
    """One command of a client. What ends the block decides the outcome, and goes no further
    where it is a refusal or an outage."""

    def __init__(self, notebook: Notebook, who: str, what: str, data: dict[str, Any]) -> None:
        self.id = str(uuid4())
        self.is_acknowledged = False
        self.code = ""
        self._notebook = notebook
        self._who = who
        self._what = what
        self._data = data
        self._doubtful = False

    def __enter__(self) -> Command:
        self._write("asked")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        outcome, self.code = _outcome_of(raised, doubtful=self._doubtful)
        self.is_acknowledged = outcome == "acknowledged"
        if isinstance(raised, Problem) and raised.status == UNAUTHORIZED:
            self._notebook.signed_out.add(self._who)
        self._write(outcome)
        return raised is None or isinstance(raised, EXPECTED)

    def learn(self, **data: Any) -> None:
        """Keep what the answer said."""
        self._data |= data

    def doubt(self) -> None:
        """Let a refusal leave the outcome unknown: an attempt before it was not answered."""
        self._doubtful = True

    def call(
        self, client: CabinetClient, request: Callable[[], dict[str, Any] | None], *, keyed: bool
    ) -> Any:
        """Send a request of this command; `keyed`: its repetition is recognised by its key."""
        before, client.request_id = client.repeats, self.id
        try:
            return request()
        except Problem as problem:
            if client.repeats > before and problem.status == UNAUTHORIZED:
                # The session is gone: whether an attempt before it had an effect is not known.
                self.doubt()
            raise
        finally:
            client.request_id = None
            if client.repeats > before and not keyed:
                self.doubt()

    def _write(self, outcome: Outcome) -> None:
        self._notebook.write(
            Belief(
                id=self.id,
                at=time.time(),
                who=self._who,
                what=self._what,
                outcome=outcome,
                code=self.code,
                data=self._data,
            )
        )


def _outcome_of(raised: BaseException | None, *, doubtful: bool) -> tuple[Outcome, str]:
    if raised is None:
        return "acknowledged", ""
    if isinstance(raised, Problem):
        unsure = doubtful or raised.status >= SERVER_FAULTS
        return ("unknown" if unsure else "refused"), raised.code
    return "unknown", type(raised).__name__


def read_lines(path: Path) -> Iterator[Belief]:
    """Yield the lines of a file, without one that a kill has cut off."""
    decoder = msgspec.json.Decoder(Belief)
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield decoder.decode(line)


def read_beliefs(path: Path) -> list[Belief]:
    """Return the last line of each command, in the order in which they were begun."""
    last: dict[str, Belief] = {}
    for belief in read_lines(path):
        before = last.get(belief.id)
        if before is not None:
            belief.asked_at = before.asked_at or before.at
        last[belief.id] = belief
    return list(last.values())
