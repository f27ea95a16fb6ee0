"""Attempts of a reader, counted before each: a message that ends its process is found by them."""

from __future__ import annotations

from shared.eventstore.postgres import PostgresStore


def begin(store: PostgresStore, upstream: str, place: tuple[str, int]) -> int:
    """Note that an event is about to be handled alone; return how often that was begun."""
    with store.transaction() as cursor:
        # It is to outlive this process, not the server.
        cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute(
            "INSERT INTO reading_attempts AS known (upstream, epoch, position, attempts) "
            "VALUES (%s, %s, %s, 1) ON CONFLICT (upstream) DO UPDATE SET "
            "attempts = CASE WHEN known.epoch = excluded.epoch "
            "AND known.position = excluded.position THEN known.attempts + 1 ELSE 1 END, "
            "epoch = excluded.epoch, position = excluded.position, "
            "begun_at = excluded.begun_at RETURNING attempts",
            (upstream, *place),
        )
        return int(cursor.fetchone()["attempts"])


def end(store: PostgresStore, upstream: str) -> None:
    """Note that this process has outlived the attempt, whatever became of it."""
    with store.transaction() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute("UPDATE reading_attempts SET attempts = 0 WHERE upstream = %s", (upstream,))
