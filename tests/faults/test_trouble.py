"""Faults that cannot be made or healed do not keep a run from its end: it needs no installation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, cast

import psycopg
import pytest

from tests.faults import trouble
from tests.faults.checker.evidence import Evidence
from tests.faults.faults import FAULTS, House
from tests.faults.house import RunningHouse
from tests.faults.injectors.errors import TroubleError
from tests.faults.load.beliefs import Notebook, read_beliefs
from tests.faults.schedule import Step
from tests.faults.trouble import Trouble


class Scripted:
    """A fault that fails as often as it is told to, and says what it did when it is healed."""

    lasts = (0.0, 0.0)
    alone = False

    def __init__(self, name: str, *, failures: int = 0, healing: str = "") -> None:
        self.name = name
        self.failures = failures
        self.healing = healing

    def is_possible(self, house: House) -> bool:
        return True

    def inject(self, house: House, random: Random) -> str:
        if self.failures:
            self.failures -= 1
            raise TroubleError("not now")
        return f"make {self.name}"

    def heal(self, house: House) -> str:
        return self.healing


Plays = Callable[..., Trouble]


@pytest.fixture
def plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plays]:
    """Play a step of each of some faults, at once, and return what has made them."""
    monkeypatch.setattr(trouble, "AGAIN_S", 0.0)
    notebook = Notebook(tmp_path / "beliefs.jsonl")

    def play(*faults: Scripted) -> Trouble:
        for one in faults:
            monkeypatch.setitem(FAULTS, one.name, one)
        steps = [Step(at=0.0, fault=one.name, lasts=0.0, seed=1) for one in faults]
        house = cast("RunningHouse", None)  # these faults do not look at it
        log = tmp_path / "steps.jsonl"
        playing = Trouble(house, log, lambda _: None, notebook, lambda: None)
        playing.play(steps)
        return playing

    yield play
    notebook.close()


def test_fault_that_fails_for_too_long_is_given_up_and_the_next_one_is_made(
    plays: Plays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "TRIED_S", 0.2)
    played = plays(Scripted("stubborn", failures=10**6), Scripted("next"))
    assert played.failed == ["stubborn failed: TroubleError: not now"]
    assert played.made == {"next": 1}


def test_fault_that_another_one_kept_from_being_made_is_made_afterwards(plays: Plays) -> None:
    played = plays(Scripted("kept", failures=2))
    assert played.failed == []
    assert played.made == {"kept": 1}


def test_healing_notes_what_it_took_and_ends_the_fault(plays: Plays, tmp_path: Path) -> None:
    plays(Scripted("silent", healing="kill -9 postgres"))
    beliefs = read_beliefs(tmp_path / "beliefs.jsonl")
    assert [one.data["did"] for one in beliefs] == [
        "make silent", "kill -9 postgres, silent healed",
    ]  # fmt: skip
    evidence = Evidence({}, cast("psycopg.Connection[dict[str, Any]]", None), beliefs)
    [(_, ended)] = evidence.troubles
    assert ended == beliefs[-1].at
