"""What `recover` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from services.language import text, translated
from services.recovery.applying import Applied
from services.recovery.status import ReaderShown, Status
from services.terminal import minute, new_table, out, print_json, show
from shared.bus import epochs
from shared.eventstore.lost_events import Advice, Fate, Judged

LISTED = 200
"""Lost events that a table shows; --json has all."""


def show_status(status: Status) -> None:
    """Print what is to be recovered."""
    if not status.confirmed:
        _say(
            text(
                "The log of {service} has not been compared with the bus since its server was "
                "started: its worker does that when it starts.",
                service=status.service,
            )
        )
    for epoch in status.unsearched:
        found = next((one.recovery for one in status.epochs if one.epoch == epoch), None)
        _say(_unsearched(epoch, found.failure if found else ""))
        if found and found.to_search:
            _say(
                text(
                    "It has searched {searched} of {to_search} messages of the stream.",
                    searched=found.searched,
                    to_search=found.to_search,
                )
            )
    _show_epochs(status)
    if status.lost:
        _show_lost(status.lost)
    for reader in status.readers:
        _show_reader(status.service, reader)
    for upstream, count in status.quarantined.items():
        _say(
            text(
                "Messages of {upstream} in quarantine: {count}. None of them has taken effect.",
                upstream=upstream,
                count=count,
            )
        )
    _show_advice(status.lost)
    if any(one.found_at is not None and one.lost is None for one in status.left):
        _say(
            text(
                "The bus does not reach back to the end of the log: what was lost is unknown. "
                "Compare with the bank (saldo payments reconcile), and repeat what staff have "
                "imported or corrected since."
            )
        )
    _show_unpublished(status)
    if status.is_clean:
        _say(text("Nothing is left to recover of {service}.", service=status.service))


def show_applied(service: str, applied: Applied) -> None:
    """Print what was done."""
    for fate, count in applied.events.items():
        _say(text("Lost events, {fate}: {count}.", fate=_said(Fate(fate)), count=count))
    for upstream, fork in applied.readers.items():
        _say(
            text(
                "{service} has been set back to position {fork} of {upstream}, and reads on there.",
                service=service,
                fork=fork,
                upstream=upstream,
            )
        )
    if applied.quarantined:
        _say(text("Parked messages moved to the quarantine: {count}.", count=applied.quarantined))
    for sentence in applied.waiting:
        _say(text("Not set back: {why}.", why=sentence))


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
            "advice": str(one.advice) if one.advice else "",
        }
        for one in status.lost
    ]
    built["unpublished_advice"] = [str(one) for one in status.unpublished_advice]
    print_json(
        {
            **built,
            "counts": dict(sorted(counts.items())),
            "clean": status.is_clean,
            "applied": None if applied is None else msgspec.to_builtins(applied),
        }
    )


def _said(fate: Fate) -> str:
    return {
        Fate.BROUGHT_BACK: text("brought back"),
        Fate.BY_ITSELF: text("repeated automatically"),
        Fate.STAFF: text("left to staff"),
        Fate.NOTHING: text("known already, or not needed"),
    }[fate]


def _cause(reason: str) -> str:
    """Return why an epoch began."""
    causes = {
        epochs.FIRST: text("the first"),
        epochs.PROMOTED: text("another server took over"),
        epochs.RESTORED: text("restored from a copy"),
        epochs.TAIL_LOST: text("published events were lost"),
        epochs.STREAM_LOST: text("nothing to compare the log with"),
    }
    return causes.get(reason, reason)


def _unsearched(epoch: str, failure: str) -> str:
    if failure:
        return text(
            "The worker has not found what was lost before {epoch}: {failure}, see job_failed in "
            "its log.",
            epoch=epoch,
            failure=failure,
        )
    return text("The worker has not found what was lost before {epoch} yet.", epoch=epoch)


def _show_epochs(status: Status) -> None:
    table = new_table(
        text("Epochs of the log of {service}", service=status.service),
        text("epoch"),
        text("after"),
        text("since"),
        text("why"),
        text("lost"),
        text("recovered"),
    )
    for one in status.epochs:
        found = one.recovery
        lost = ""
        if found is not None and found.found_at is not None:
            lost = text("unknown") if found.lost is None else str(found.lost)
        done = "" if found is None else minute(found.done_at) if found.done_at else text("no")
        why = _cause(one.reason)
        table.add_row(one.epoch, str(one.after), minute(one.began_at), why, lost, done)
    show(table)


def _show_lost(lost: Sequence[Judged]) -> None:
    counts = Counter((one.event.type, one.fate) for one in lost)
    type_of, fate_of = text("type"), text("what becomes of it")
    table = new_table(text("Lost events"), type_of, fate_of, amounts=(text("events"),))
    for (type_, fate), count in sorted(counts.items()):
        table.add_row(type_, _said(fate), str(count))
    show(table, keys=2)
    names = (text("position"), text("epoch"), type_of, text("subject"), text("time"), fate_of)
    table = new_table(text("Lost events, one by one"), *names)
    for one in lost[:LISTED]:
        event = one.event
        table.add_row(
            str(event.position), event.epoch, event.type, event.subject, minute(event.occurred_at),
            _said(one.fate),
        )  # fmt: skip
    show(table, keys=2)
    if len(lost) > LISTED:
        _say(text("{count} more: --json has all of them.", count=len(lost) - LISTED))


def _show_reader(service: str, reader: ReaderShown) -> None:
    if reader.fork is None:
        _say(
            text(
                "{service} has stopped reading {upstream}: {why}.",
                service=service,
                upstream=reader.upstream,
                why=reader.unknown,
            )
        )
        return
    place = {
        "service": service,
        "upstream": reader.upstream,
        "position": reader.position,
        "epoch": reader.epoch or "1",
        "fork": reader.fork,
    }
    _say(
        text(
            "{service} has read {upstream} up to position {position} of epoch {epoch}; what it has "
            "read is sure to be in the log up to position {fork}: it goes back there.",
            **place,
        )
        if reader.ghosts
        else text(
            "{service} has read {upstream} up to position {position} of epoch {epoch}; what it has "
            "read is sure to be in the log up to position {fork}: it goes on from there.",
            **place,
        )
    )
    for topic, events in sorted(reader.effects.items()):
        _say(
            text(
                "  For what lies beyond it has appended: {topic}, {events}.",
                topic=topic,
                events=events,
            )
        )


def _show_advice(lost: Sequence[Judged]) -> None:
    sentences = Counter(_spoken(one.advice) for one in lost if one.advice)
    if sentences:
        _say(text("For staff to do:"))
    for sentence, count in sentences.items():
        times = text("(events: {count})", count=count)
        _say(f"- {sentence} {times}" if count > 1 else f"- {sentence}")


def _show_unpublished(status: Status) -> None:
    for one in status.unpublished:
        until = minute(one.until)
        _say(
            text(
                "Events that are never published may be lost before epoch {epoch} as well, "
                "recorded up to {until} (UTC): nobody has a copy of them.",
                epoch=one.epoch,
                until=until,
            )
            if one.since is None
            else text(
                "Events that are never published may be lost before epoch {epoch} as well, "
                "recorded from {since} to {until} (UTC): nobody has a copy of them.",
                epoch=one.epoch,
                since=minute(one.since),
                until=until,
            )
        )
        _say(
            text(
                "Positions that the stream jumps over there: {count}. What came after its last "
                "message has left no trace.",
                count=one.skipped,
            )
        )
    if status.unpublished_advice:
        _say(text("For staff to do about what was never published:"))
    for advice in status.unpublished_advice:
        _say(f"- {_spoken(advice)}")


def _spoken(advice: Advice) -> str:
    return translated(advice.sentence, advice.values)


def _say(sentence: str) -> None:
    out.print(sentence, soft_wrap=True)
