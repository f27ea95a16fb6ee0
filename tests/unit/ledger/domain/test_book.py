"""Events of the book: what decides for all accounts is recorded once, in the order it happened."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from services.ledger.domain.book import (
    ACCRUALS,
    BOOK_EVENTS,
    BOOK_STREAMS,
    CHECKPOINTS,
    CLOSINGS,
    COMMANDS,
    IMPORTS,
    RESTORES,
    AccrualBegun,
    AccrualFinished,
    Accruals,
    CheckpointsThinned,
    ClosedMonths,
    CommandsDigested,
    CommandsExpired,
    Imports,
    LogRestored,
)
from services.ledger.publishing import publish
from shared.contracts.ledger import CONTRACTS
from shared.errors import Conflict
from shared.eventstore import Event, Recorded

FILE = "ab" * 32
RUN = UUID(int=7)


def begun(imports: Imports, by: str = "staff:ivanova") -> None:
    imports.begin(FILE, "charges", "march.csv", 12, by, "order 17")


def test_a_month_is_closed_once_and_never_an_earlier_one() -> None:
    months = ClosedMonths()
    months.close("2026-03", "staff:ivanova", "reported")
    for period in ("2026-03", "2026-02"):
        with pytest.raises(Conflict) as refused:
            months.close(period, "staff:petrov", "reported")
        assert refused.value.code == "period_closed"
    months.close("2026-04", "staff:ivanova", "reported")
    assert (months.last, months.version) == ("2026-04", 2)


def test_an_import_that_is_resumed_or_repeated_records_nothing() -> None:
    imports = Imports()
    begun(imports)
    begun(imports, by="staff:petrov")
    imports.finish(FILE, 3, 0, (8, 9), (1, "cd" * 32))
    imports.finish(FILE, 3, 0, (8, 9), (1, "cd" * 32))
    begun(imports)
    assert [type(event).__name__ for event in imports.pending] == ["ImportBegun", "ImportFinished"]


def test_a_file_of_which_nothing_was_posted_is_tried_again() -> None:
    imports = Imports()
    begun(imports)
    imports.refuse(FILE, 5)
    begun(imports)
    imports.finish(FILE, 3, 0, (8, 9), (1, "cd" * 32))
    assert [event.attempt for event in imports.pending] == [1, 1, 2, 2]  # type: ignore[attr-defined]


def everything() -> list[tuple[UUID, Event]]:
    months, imports, accruals = ClosedMonths(), Imports(), Accruals()
    months.close("2026-03", "staff:ivanova", "an angry neighbour")
    begun(imports)
    imports.refuse(FILE, 5)
    begun(imports)
    imports.finish(FILE, 3, 1, (8, 9), (1, "cd" * 32))
    accruals.begin(
        AccrualBegun(
            run_id=RUN, on=date(2026, 7, 14), rules="ru-1", by="staff:ivanova", reason="act 7"
        )
    )
    accruals.finish(
        AccrualFinished(
            run_id=RUN,
            on=date(2026, 7, 14),
            rules="ru-1",
            accounts=9,
            changed=2,
            added=500,
            taken_back=0,
            refused=0,
        )
    )
    made = [(one.id, event) for one in (months, imports, accruals) for event in one.pending]
    digested = CommandsDigested(
        after=0,
        through=5,
        count=2,
        digest="ef" * 32,
        idle_after=datetime.min.replace(tzinfo=UTC),
        idle_through=datetime(2026, 7, 14, tzinfo=UTC),
        idle_count=0,
        idle_digest="ef" * 32,
    )
    thinned = CheckpointsThinned(
        day=date(2026, 7, 14),
        first_number=1,
        last_number=3,
        first_size=100,
        last_size=512,
        digest="ef" * 32,
    )
    return [
        *made,
        (COMMANDS, digested),
        (COMMANDS, CommandsExpired(digest_position=9, count=2)),
        (CHECKPOINTS, thinned),
        (RESTORES, LogRestored(epoch="2.0123abcd", after=512, lost=3, by="staff:ivanova")),
    ]


def test_closings_imports_and_accruals_are_published_without_people_and_files() -> None:
    contracts = {contract.type: contract for contract in CONTRACTS}
    published: dict[str, Any] = {}
    for position, (stream, event) in enumerate(everything(), start=1):
        publication = publish(
            Recorded(
                originator_id=stream,
                originator_version=1,
                position=position,
                recorded_at=datetime(2026, 7, 14, tzinfo=UTC),
                command_id=RUN,
                actor="staff:ivanova",
                correlation_id="",
                event=event,
            )
        )
        if publication is not None:
            contracts[publication.type].check(publication.data)
            published[publication.type] = publication.data
    assert {type(event) for _, event in everything()} == set(BOOK_EVENTS)
    internal = {"commands_digested", "commands_expired", "checkpoints_thinned", "log_restored"}
    assert set(published) == {event.topic.split(".")[1] for event in BOOK_EVENTS} - internal
    for hidden in ("ivanova", "neighbour", "march", "order 17", "act 7"):
        assert hidden not in str(published)


def test_the_streams_of_the_book_keep_their_ids() -> None:
    streams = (CLOSINGS, IMPORTS, ACCRUALS, COMMANDS, CHECKPOINTS, RESTORES)
    ids = {str(stream) for stream in streams}
    assert set(streams) == BOOK_STREAMS
    assert ids == {
        "3fa0cf57-93b0-5dd5-8e11-953dca838828",
        "84739fbf-a39b-5014-aa35-c5d647ff3c68",
        "f9fa1202-86da-5cd1-baf8-36310ae6dda7",
        "dee83de3-7af6-5dc7-bbef-69a6e01fb1a4",
        "66624483-1476-5dbd-aef3-39d28d5c3be2",
        "b5d0f572-d271-5bfa-91ce-cefbbb9a844d",
    }, "every log has them, and migrations write them"
