"""The verification pass over a log of several windows, without a database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from services.ledger.seal import leaf, verification_pass
from services.ledger.seal.leaf import EventRow
from services.ledger.seal.merkle import HASH_SIZE, TILE_WIDTH, CompactRange, leaf_hash
from services.ledger.seal.verification_pass import VerificationPass

WINDOW = 4 * TILE_WIDTH
EVENTS = TILE_WIDTH**2 + 5 * TILE_WIDTH + 7
"""With one hash of the second level, and some of the first beyond it."""


def row_of(position: int) -> EventRow:
    id_ = UUID(int=0).bytes
    return EventRow(position, id_, position, "ledger.made_up.v1", b"{}", 0, id_, "staff", "unit")


def rows_between(_: Any, after: int, last: int) -> Iterator[EventRow]:
    return map(row_of, range(after + 1, last + 1))


class Tiles:
    """A cursor on the stored hashes; ``loaded`` are the most that one statement has returned."""

    def __init__(self, hashes: dict[int, list[bytes]], run: int) -> None:
        self.loaded = dict.fromkeys(hashes, 0)
        # As checkpoints leave them: runs within a tile.
        self._runs = {
            level: [
                (start, b"".join(of_level[start : min(start + run, tile + TILE_WIDTH)]))
                for tile in range(0, len(of_level), TILE_WIDTH)
                for start in range(tile, min(tile + TILE_WIDTH, len(of_level)), run)
            ]
            for level, of_level in hashes.items()
        }
        self._found: list[dict[str, Any]] = []

    def execute(self, _: str, asked: tuple[int, int, int]) -> Tiles:
        level, first, end = asked
        runs = [run for run in self._runs.get(level, []) if first <= run[0] < end]
        size = sum(len(hashes) for _, hashes in runs) // HASH_SIZE
        self.loaded[level] = max(self.loaded.get(level, 0), size)
        self._found = [{"start": start, "hashes": hashes} for start, hashes in runs]
        return self

    def fetchall(self) -> list[dict[str, Any]]:
        return self._found


class NoCheckpoints:
    def load(self, first: int, end: int) -> set[int]:
        return set()

    def compare_rest(self, last: int, end: int) -> None:
        pass


@pytest.fixture(scope="module")
def sealed() -> dict[int, list[bytes]]:
    """The hashes of the log, level by level."""
    hashes: dict[int, list[bytes]] = {0: []}
    tree = CompactRange()
    for row in rows_between(None, 0, EVENTS):
        hashes[0].append(hash_ := leaf_hash(leaf.encode(row)))
        tree.append(hash_, lambda level, inner: hashes.setdefault(level, []).append(inner))
    assert [len(of_level) for of_level in hashes.values()] == [EVENTS, TILE_WIDTH + 5, 1]
    return hashes


def verified(
    monkeypatch: pytest.MonkeyPatch, hashes: dict[int, list[bytes]], run: int = TILE_WIDTH
) -> tuple[VerificationPass, Tiles]:
    monkeypatch.setattr(verification_pass, "WINDOW", WINDOW)
    monkeypatch.setattr(verification_pass, "rows_between", rows_between)
    tiles, checks = Tiles(hashes, run), NoCheckpoints()
    log = VerificationPass(tiles, EVENTS, EVENTS, checks)  # type: ignore[arg-type]
    log.run(lambda _: None)
    assert (log.events, log.missing, log.differing_count, log.unstored) == (EVENTS, [], 0, 0)
    return log, tiles


@pytest.mark.parametrize("run", [TILE_WIDTH, 100])
def test_intact_log_agrees_with_all_stored_hashes(
    monkeypatch: pytest.MonkeyPatch, sealed: dict[int, list[bytes]], run: int
) -> None:
    log, _ = verified(monkeypatch, sealed, run)
    assert log.upper_differing == {}


def test_no_more_hashes_are_held_than_those_of_a_window(
    monkeypatch: pytest.MonkeyPatch, sealed: dict[int, list[bytes]]
) -> None:
    _, tiles = verified(monkeypatch, sealed)
    assert tiles.loaded == {0: WINDOW, 1: TILE_WIDTH, 2: 1}


@pytest.mark.parametrize(
    ("level", "index"), [(1, 0), (1, 3), (1, 4), (1, TILE_WIDTH - 1), (1, TILE_WIDTH + 4), (2, 0)]
)
def test_changed_inner_hash_is_named(
    monkeypatch: pytest.MonkeyPatch, sealed: dict[int, list[bytes]], level: int, index: int
) -> None:
    changed = {number: list(of_level) for number, of_level in sealed.items()}
    changed[level][index] = bytes(HASH_SIZE)
    log, _ = verified(monkeypatch, changed, run=3)
    assert log.upper_differing == {level: index}


def test_of_each_level_the_first_changed_inner_hash_is_named(
    monkeypatch: pytest.MonkeyPatch, sealed: dict[int, list[bytes]]
) -> None:
    changed = {**sealed, 1: [bytes(HASH_SIZE)] * len(sealed[1]), 2: []}
    log, _ = verified(monkeypatch, changed)
    assert log.upper_differing == {1: 0, 2: 0}
