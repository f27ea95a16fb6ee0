"""What `recover` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from services.recovery.applying import Applied
from services.recovery.status import ReaderShown, Status
from services.terminal import minute, new_table, out, print_json, show
from shared.eventstore.lost_events import Fate, Judged

LISTED = 200
"""Lost events that a table shows; --json has all."""


def show_status(status: Status) -> None:
    """Print what is to be recovered."""
    if not status.confirmed:
        _say(
            f"The log of {status.service} has not been compared with the bus since its server was "
            "started: its worker does that when it starts."
        )
    for epoch in status.unsearched:
        found = next((one.recovery for one in status.epochs if one.epoch == epoch), None)
        why = f": {found.failure}, see log_search_failed in its log" if found else " yet"
        _say(f"The worker has not found what was lost before {epoch}{why}.")
    _show_epochs(status)
    if status.lost:
        _show_lost(status.lost)
    for reader in status.readers:
        _show_reader(status.service, reader)
    for upstream, count in status.quarantined.items():
        _say(f"Messages of {upstream} in quarantine: {count}. None of them has taken effect.")
    _show_advice(status.lost)
    if any(one.found_at is not None and one.lost is None for one in status.left):
        _say(
            "The bus does not reach back to the end of the log: what was lost is unknown. Compare "
            "with the bank (saldo payments reconcile), and repeat what staff have imported or "
            "corrected since."
        )
    if status.is_clean:
        _say(f"Nothing is left to recover of {status.service}.")


def show_applied(service: str, applied: Applied) -> None:
    """Print what was done."""
    for fate, count in applied.events.items():
        _say(f"Lost events {_SAID[Fate(fate)]}: {count}.")
    for upstream, fork in applied.readers.items():
        _say(f"{service} has been set back to position {fork} of {upstream}, and reads on there.")
    if applied.quarantined:
        _say(f"Parked messages moved to the quarantine: {applied.quarantined}.")
    for sentence in applied.waiting:
        _say(f"Not set back: {sentence}.")


def print_as_json(status: Status, applied: Applied | None) -> None:
    """Print all of it as one object."""
    counts = Counter(one.event.type for one in status.lost)
    built: dict[str, Any] = msgspec.to_builtins(status)
    built["lost"] = [
        {
            "epoch": one.event.epoch,
            "position": one.event.position,
            "type": one.event.type,
            "subject": one.event.subject,
            "time": one.event.occurred_at,
            "fate": one.fate,
            "advice": one.advice,
        }
        for one in status.lost
    ]
    print_json(
        {
            **built,
            "counts": dict(sorted(counts.items())),
            "clean": status.is_clean,
            "applied": None if applied is None else msgspec.to_builtins(applied),
        }
    )


_SAID = {
    Fate.BROUGHT_BACK: "brought back",
    Fate.BY_ITSELF: "repeated automatically",
    Fate.STAFF: "left to staff",
    Fate.NOTHING: "known already, or not needed",
}


def _show_epochs(status: Status) -> None:
    table = new_table(f"Epochs of the log of {status.service}", *("epoch", "after", "since", "why"))
    table.add_column("lost")
    table.add_column("recovered")
    for one in status.epochs:
        found = one.recovery
        lost = ""
        if found is not None and found.found_at is not None:
            lost = "unknown" if found.lost is None else str(found.lost)
        done = "" if found is None else minute(found.done_at) if found.done_at else "no"
        table.add_row(one.epoch, str(one.after), minute(one.began_at), one.reason, lost, done)
    show(table)


def _show_lost(lost: Sequence[Judged]) -> None:
    counts = Counter((one.event.type, one.fate) for one in lost)
    table = new_table("Lost events", "type", "what becomes of it", amounts=("events",))
    for (type_, fate), count in sorted(counts.items()):
        table.add_row(type_, _SAID[fate], str(count))
    show(table, keys=2)
    names = ("position", "epoch", "type", "subject", "time", "what becomes of it")
    table = new_table("Lost events, one by one", *names)
    for one in lost[:LISTED]:
        event = one.event
        table.add_row(
            str(event.position), event.epoch, event.type, event.subject, minute(event.occurred_at),
            _SAID[one.fate],
        )  # fmt: skip
    show(table, keys=2)
    if len(lost) > LISTED:
        _say(f"{len(lost) - LISTED} more: --json has all of them.")


def _show_reader(service: str, reader: ReaderShown) -> None:
    if reader.fork is None:
        _say(f"{service} has stopped reading {reader.upstream}: {reader.unknown}.")
        return
    _say(
        f"{service} has read {reader.upstream} up to position {reader.position} of epoch "
        f"{reader.epoch or '1'}; what it has read is sure to be in the log up to position "
        f"{reader.fork}: it goes {'back there' if reader.ghosts else 'on from there'}."
    )
    for topic, events in sorted(reader.effects.items()):
        _say(f"  For what lies beyond it has appended {events} {topic}.")


def _show_advice(lost: Sequence[Judged]) -> None:
    advice = Counter(one.advice for one in lost if one.advice)
    if advice:
        _say("For staff to do:")
    for sentence, count in advice.items():
        _say(f"- {sentence}" + (f" ({count} events)" if count > 1 else ""))


def _say(sentence: str) -> None:
    out.print(sentence, soft_wrap=True)
