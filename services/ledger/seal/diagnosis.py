"""What has been done to rows that differ from what was sealed: moved, edited, put in, taken out.

The seal holds only hashes, but a row can be tried at another position: when its bytes with that
position have the hash that was sealed there, it is the event that was sealed there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from services.ledger.seal import leaf
from services.ledger.seal.checkpoint_checks import Finding
from services.ledger.seal.leaf import EventRow
from services.ledger.seal.merkle import leaf_hash
from services.ledger.seal.tiles import SealBrokenError, TileReader
from services.ledger.seal.verification_pass import REMEMBERED, Walk


def explain(cursor: Any, walk: Walk) -> Iterator[Finding]:
    """Say what has happened to the rows that differ, and to the positions without a row."""
    origins = _origins(cursor, walk)
    sealed_elsewhere = set(origins.values())
    differing = [row.notification_id for row in walk.differing]
    edited, inserted, deleted = [], [], []
    for position in differing[: _certain(walk, origins)]:
        if position in origins:
            if position not in sealed_elsewhere:
                deleted.append(position)
        elif position in sealed_elsewhere:
            inserted.append(position)
        else:
            edited.append(position)
    yield from _ranges("edited", edited, "is not the event that was sealed")
    yield from _ranges(
        "inserted", inserted, "was not sealed there: the one that was stands elsewhere"
    )
    yield from _ranges("deleted", deleted, "was taken out, and others were moved up")
    yield from _moves(origins)
    yield from _gaps(walk, sealed_elsewhere)
    if walk.gaps > len(walk.missing):
        text = f"{walk.gaps - len(walk.missing)} more gaps follow, up to position {walk.last_gap}"
        yield Finding("deleted", walk.missing[-1][1] + 1, walk.last_gap, text)
    if walk.differing_count > len(walk.differing):
        yield Finding(
            "edited",
            walk.differing[-1].notification_id + 1 if walk.differing else None,
            walk.last_differing,
            f"{walk.differing_count - len(walk.differing)} more events, up to position "
            f"{walk.last_differing}, are not those that were sealed there",
        )


def _certain(walk: Walk, origins: dict[int, int]) -> int:
    """Return how many of the remembered rows can be judged.

    When there are more than were remembered, the event that belongs to one of the last may
    stand among those that were not.
    """
    if walk.differing_count <= len(walk.differing):
        return len(walk.differing)
    reach = max((abs(origin - position) for position, origin in origins.items()), default=0)
    return max(0, len(walk.differing) - reach)


def _origins(cursor: Any, walk: Walk) -> dict[int, int]:
    """Return position -> the other position at which the row there was sealed."""
    holes = [p for first, last in walk.missing for p in range(first, min(last, first + 15) + 1)]
    places = [row.notification_id for row in walk.differing]
    places += [p for p in holes if p <= walk.sealed][:REMEMBERED]
    sealed = _sealed_hash(TileReader(cursor), walk.sealed)
    origins: dict[int, int] = {}
    shift = 1
    for row in (*walk.differing, *walk.after_the_seal):
        position = row.notification_id
        # Rows are mostly moved together: by as much as the one before, or by one.
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
            except SealBrokenError:  # the stored hashes have a gap, which is found elsewhere
                known[position] = None
        return known[position]

    return stored


def _find(
    row: EventRow, places: Sequence[int], sealed: Callable[[int], bytes | None]
) -> int | None:
    for place in places:
        if place == row.notification_id:
            continue
        wanted = sealed(place)
        if wanted is not None and wanted == leaf_hash(
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
            f"position {first + shift} now stands at {first}"
            if first == position
            else f"positions {first + shift} to {position + shift} now stand at {first} to "
            f"{position}"
        )
        yield Finding("moved", first, position, f"what was sealed at {was}")


def _gaps(walk: Walk, sealed_elsewhere: set[int]) -> Iterator[Finding]:
    for first, last in walk.missing:
        if last > walk.last:
            yield Finding(
                "truncated",
                first,
                last,
                f"the log ends at position {first - 1}, but it was sealed up to {last}",
            )
        elif first in sealed_elsewhere and first == last:
            yield Finding(
                "moved", first, last, f"position {first} is empty: its event stands elsewhere"
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
