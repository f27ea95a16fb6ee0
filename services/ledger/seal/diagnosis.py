"""Diagnosis of rows that differ from the sealed ones: moved, edited, inserted or deleted.

The seal stores only hashes, but a row can be tried at other positions: when its bytes with another
position have the hash sealed there, it is the event that was sealed there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from services.ledger.seal import leaf
from services.ledger.seal.checkpoint_checks import Finding
from services.ledger.seal.leaf import EventRow
from services.ledger.seal.merkle import leaf_hash
from services.ledger.seal.tiles import SealBrokenError, TileReader
from services.ledger.seal.verification_pass import MAX_RECORDED, VerificationPass


def diagnose(cursor: Any, log: VerificationPass) -> Iterator[Finding]:
    """Yield what happened to the rows that differ, and to the positions without a row."""
    origins = _origins(cursor, log)
    sealed_elsewhere = set(origins.values())
    differing = [row.notification_id for row in log.differing]
    edited, inserted, deleted = [], [], []
    for position in differing[: _decidable(log, origins)]:
        if position in origins:
            if position not in sealed_elsewhere:
                deleted.append(position)
        elif position in sealed_elsewhere:
            inserted.append(position)
        else:
            edited.append(position)
    yield from _ranges("edited", edited, "is not the event that was sealed")
    yield from _ranges("inserted", inserted, "was not sealed there: the sealed one is elsewhere")
    yield from _ranges("deleted", deleted, "was taken out, and others were moved up")
    yield from _moves(origins)
    yield from _gaps(log, sealed_elsewhere)
    if log.gaps > len(log.missing):
        text = f"{log.gaps - len(log.missing)} more gaps follow, up to position {log.last_gap}"
        yield Finding("deleted", log.missing[-1][1] + 1, log.last_gap, text)
    if log.differing_count > len(log.differing):
        yield Finding(
            "edited",
            log.differing[-1].notification_id + 1 if log.differing else None,
            log.last_differing,
            f"{log.differing_count - len(log.differing)} more events, up to position "
            f"{log.last_differing}, are not those that were sealed there",
        )


def _decidable(log: VerificationPass, origins: dict[int, int]) -> int:
    """Return how many of the recorded differing rows can be diagnosed.

    When more rows differ than were recorded, the event sealed at one of the last positions may be
    among the unrecorded ones.
    """
    if log.differing_count <= len(log.differing):
        return len(log.differing)
    reach = max((abs(origin - position) for position, origin in origins.items()), default=0)
    return max(0, len(log.differing) - reach)


def _origins(cursor: Any, log: VerificationPass) -> dict[int, int]:
    """Return position -> the other position at which the row there was sealed."""
    holes = [p for first, last in log.missing for p in range(first, min(last, first + 15) + 1)]
    places = [row.notification_id for row in log.differing]
    places += [p for p in holes if p <= log.sealed][:MAX_RECORDED]
    sealed = _sealed_hash(TileReader(cursor), log.sealed)
    origins: dict[int, int] = {}
    shift = 1
    for row in (*log.differing, *log.unsealed):
        position = row.notification_id
        # Rows are mostly moved in blocks: by the same distance as the previous one, or by one.
        nearest = [position + shift, position + 1, position - 1]
        origin = _find(row, nearest, sealed) or _find(row, places, sealed)
        if origin is not None:
            origins[position] = origin
            shift = origin - position
    return origins


def _sealed_hash(tiles: TileReader, sealed: int) -> Callable[[int], bytes | None]:
    known: dict[int, bytes | None] = {}

    def stored(position: int) -> bytes | None:
        if position not in known:
            try:
                known[position] = tiles.leaf(position - 1) if 0 < position <= sealed else None
            except SealBrokenError:  # a gap in the stored hashes is a finding of its own
                known[position] = None
        return known[position]

    return stored


def _find(
    row: EventRow, places: Sequence[int], sealed: Callable[[int], bytes | None]
) -> int | None:
    for place in places:
        if place == row.notification_id:
            continue
        expected = sealed(place)
        if expected is not None and expected == leaf_hash(
            leaf.encode(row._replace(notification_id=place))
        ):
            return place
    return None


def _moves(origins: dict[int, int]) -> Iterator[Finding]:
    positions = sorted(origins)
    start = 0
    for index, position in enumerate(positions):
        shift = origins[position] - position
        following = positions[index + 1] if index + 1 < len(positions) else None
        if following == position + 1 and origins[following] - following == shift:
            continue
        first, start = positions[start], index + 1
        was = (
            f"position {first + shift} is now at {first}"
            if first == position
            else f"positions {first + shift} to {position + shift} are now at {first} to {position}"
        )
        yield Finding("moved", first, position, f"what was sealed at {was}")


def _gaps(log: VerificationPass, sealed_elsewhere: set[int]) -> Iterator[Finding]:
    for first, last in log.missing:
        if last > log.last:
            yield Finding(
                "truncated",
                first,
                last,
                f"the log ends at position {first - 1}, but it was sealed up to {last}",
            )
        elif first in sealed_elsewhere and first == last:
            yield Finding(
                "moved", first, last, f"position {first} is empty: its event is elsewhere"
            )
        else:
            yield Finding("deleted", first, last, f"{_named(first, last)} missing from the log")


def _ranges(kind: str, positions: Sequence[int], text: str) -> Iterator[Finding]:
    start = 0
    for index, position in enumerate(positions):
        if index + 1 < len(positions) and positions[index + 1] == position + 1:
            continue
        first, start = positions[start], index + 1
        place = f"position {position}" if first == position else f"positions {first} to {position}"
        each = "" if first == position else "each "
        yield Finding(kind, first, position, f"the event at {place} {each}{text}")


def _named(first: int, last: int) -> str:
    return f"position {first} is" if first == last else f"positions {first} to {last} are"
