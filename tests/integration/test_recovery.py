"""``saldo <service> recover`` after a database was put back: what is lost, and bringing it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.domain.events import TakenElsewhere
from services.payments.domain import PaymentOrder
from services.payments.events import Line
from shared import context
from shared.bus.epochs import read_history
from shared.bus.messages import (
    EPOCH_HEADER,
    POSITION_HEADER,
    PREDECESSOR_HEADER,
    SCHEMA_HEADER,
    TIME_HEADER,
    TYPE_HEADER,
    Envelope,
)
from shared.bus.principals import user_of
from shared.bus.publisher import ConfirmedPublisher
from shared.bus.readable_losses import UNKNOWN, UNREADABLE
from shared.bus.reading import rewind, stop
from shared.bus.searching import streamed
from shared.bus.topology import connect, log_exchange
from shared.contracts.base import schema_name
from shared.contracts.payments import Failure
from shared.errors import Unavailable
from shared.eventstore import Session
from shared.eventstore.lost_events import (
    Advice,
    Fate,
    Judged,
    finish_recoveries,
    lost_events,
)
from tests.conftest import Database
from tests.fixed_clock import FixedClock
from tests.integration.bus_ends import NUMBER, pay, start_again
from tests.integration.restoring import House, house_of, owed, types_of

pytestmark = pytest.mark.nodes

WHY = ("--apply", "--reason", "the disk failed")


@pytest.fixture
def house(database: Database, clean_bus: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A ledger with an account and two payments that are published and backed up."""
    with house_of(database, monkeypatch, "ledger") as house:
        pay(house.stores["ledger"], 2)
        house.publish("ledger")
        house.back_up()
        yield house


def take(house: House, payment_id: UUID, amount: int) -> None:
    command = PostPayment(
        payment_id=payment_id,
        paid_on=date(2026, 11, 2),
        lines=(PaidLine(account=NUMBER, amount=amount, penalty=0),),
        taken=TakenElsewhere(place="cash_desk", document="17"),
    )
    with context.bind(command_id=uuid4()):
        house.stores["ledger"].execute(post_payment, command)


def forge(house: House, service: str, position: int, type_: str, epoch: str = "") -> None:
    """Publish as the user of a service, in its log's epoch, what its relay has not sent."""
    if not epoch:
        with house.stores[service].transaction() as cursor:
            epoch = read_history(cursor).current.name
    headers = {
        "cloudEvents_id": f"{service}-{epoch}-{position}",
        "cloudEvents_source": f"/saldo/{service}",
        TYPE_HEADER: type_,
        TIME_HEADER: "2026-11-02T09:00:00+00:00",
        SCHEMA_HEADER: schema_name(service, type_, 1),
        POSITION_HEADER: position,
        PREDECESSOR_HEADER: 4,
        EPOCH_HEADER: epoch,
    }
    with connect(house.settings.amqp_url_of(service), name="forger", heartbeat=0) as broker:
        publisher = ConfirmedPublisher(
            broker.channel(), user_of(house.settings.amqp_url_of(service))
        )
        sent = Envelope(type_, headers, b'{"a":1}')
        publisher.wait_for(publisher.publish(log_exchange(service).name, sent))


def lost_three(house: House) -> None:
    """Lose three payments, one of them of a desk."""
    pay(house.stores["ledger"], 2)
    take(house, uuid4(), 777)
    house.publish("ledger")
    house.restore()


def test_house_that_has_lost_nothing_says_so(house: House) -> None:
    code, said = house.said("ledger")
    assert (code, said["clean"], said["lost"]) == (0, True, [])


def test_log_that_nobody_has_compared_is_something_to_do(house: House) -> None:
    lost_three(house)
    code, said = house.said("ledger")
    assert (code, said["confirmed"], said["clean"]) == (1, False, False)


def test_lost_events_are_named_one_by_one(house: House) -> None:
    lost_three(house)
    house.publish("ledger")
    house.search("ledger")
    code, said = house.said("ledger")
    assert (code, said["counts"]) == (1, {"payment_posted": 3})
    assert types_of(said["lost"]) == ["payment_posted"] * 3
    first = said["epochs"][0]["epoch"]
    assert [(one["epoch"], one["position"]) for one in said["lost"]] == [
        (first, 4), (first, 5), (first, 6),
    ]  # fmt: skip
    assert said["epochs"][1]["recovery"]["lost"] == 3


def test_events_published_before_and_after_are_not_lost(house: House) -> None:
    lost_three(house)
    house.publish("ledger")
    pay(house.stores["ledger"], 1)
    house.publish("ledger")
    house.search("ledger")
    _, said = house.said("ledger")
    assert [one["position"] for one in said["lost"]] == [4, 5, 6]


def test_events_recorded_during_the_search_are_not_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost_three(house)
    house.publish("ledger")

    @contextmanager
    def among_payers(*arguments: Any) -> Iterator[Any]:
        pay(house.stores["ledger"], 2)
        house.publish("ledger")
        with streamed(*arguments) as found:
            yield found

    monkeypatch.setattr("shared.bus.searching.streamed", among_payers)
    house.search("ledger")
    _, said = house.said("ledger")
    first = said["epochs"][0]["epoch"]
    assert [(one["epoch"], one["position"]) for one in said["lost"]] == [
        (first, 4), (first, 5), (first, 6),
    ]  # fmt: skip


def test_search_ends_where_the_stream_ended_when_it_began(house: House, database: Database) -> None:
    url = database.settings.amqp_url_of("ledger")
    with streamed(url, "ledger", "first") as (messages, _):
        read = [next(messages)]
        for _ in range(3):  # people go on paying
            pay(house.stores["ledger"], 1)
            house.publish("ledger")
            read.extend(islice(messages, 1))
        read.extend(messages)
    assert [one.event.position for one in read if one.event is not None] == [1, 2, 3]


def test_second_restore_does_not_name_what_the_first_has_lost_once_more(house: House) -> None:
    """The events of the epoch in between are of no epoch of the log any more."""
    lost_three(house)
    house.publish("ledger")
    house.search("ledger")
    pay(house.stores["ledger"], 1)
    house.publish("ledger")
    house.restore()
    house.publish("ledger")
    house.search("ledger")
    _, said = house.said("ledger")
    first = said["epochs"][0]["epoch"]
    lost = [(one["epoch"] == first, one["position"]) for one in said["lost"]]
    assert sorted(lost) == [(False, 4), (True, 4), (True, 5), (True, 6)]


def test_message_that_nobody_can_read_does_not_keep_the_others_from_coming_back(
    house: House,
) -> None:
    take(house, uuid4(), 777)
    before = owed(house)
    house.publish("ledger")
    forge(house, "ledger", 5, "payment_posted")
    forge(house, "ledger", 6, "payment_vanished")
    forge(house, "ledger", 10**12, "payment_posted")
    house.restore()
    house.publish("ledger")
    house.search("ledger")
    _, said = house.said("ledger")
    lost = [(one["position"], one["fate"], one["advice"]) for one in said["lost"]]
    assert lost == [
        (4, "brought_back", ""),
        (5, "staff", str(UNREADABLE)),
        (6, "staff", str(UNKNOWN)),
    ]
    with house.recovering("ledger"):
        code, said = house.said("ledger", *WHY)
    # What is left to staff is told by the exit code, and listed again as often as they ask.
    assert (code, said["applied"]["events"]) == (1, {"brought_back": 1, "staff": 2})
    assert house.said("ledger")[1]["lost"] == []
    _, said = house.said("ledger", "--all")
    assert [one["advice"] for one in said["lost"]] == ["", str(UNREADABLE), str(UNKNOWN)]
    assert owed(house) == before


def test_lost_events_are_listed_with_their_advice_in_the_language_of_staff(house: House) -> None:
    lost_three(house)
    house.publish("ledger")
    house.search("ledger")
    advice = Advice("Close {period} again: saldo ledger close", {"period": "2026-11"})
    with house.stores["ledger"].transaction() as cursor:
        judged = [
            Judged(event=event, fate=Fate.STAFF, advice=advice) for event in lost_events(cursor)
        ]
        finish_recoveries(cursor, [read_history(cursor).current.name], judged)
    result = CliRunner().invoke(app, ["ledger", "recover", "--all", "--lang", "ru"])
    assert "- Закройте месяц 2026-11 ещё раз: saldo ledger close (событий: 3)" in result.stdout
    _, said = house.said("ledger", "--all", "--lang", "ru")
    assert {one["advice"] for one in said["lost"]} == {"Close 2026-11 again: saldo ledger close"}


def test_lost_events_are_found_after_a_clock_that_ran_ahead(
    house: House, database: Database
) -> None:
    with database.owner("ledger") as owner:
        owner.execute("ALTER TABLE events DISABLE TRIGGER events_append_only")
        owner.execute("UPDATE events SET recorded_at = '2031-01-01' WHERE notification_id = 3")
        owner.execute("ALTER TABLE events ENABLE TRIGGER events_append_only")
    house.drop_copy()
    house.back_up()
    lost_three(house)
    house.publish("ledger")
    house.search("ledger")
    _, said = house.said("ledger")
    assert said["epochs"][1]["recovery"]["lost"] == 3


@pytest.mark.parametrize("published_later", [False, True])
def test_lost_events_are_found_where_the_clock_of_the_broker_is_behind(
    house: House, database: Database, published_later: bool
) -> None:
    """The stream goes by the broker's clock, and the log by the database's."""
    behind = timedelta(minutes=15)
    with database.owner("ledger") as owner:
        owner.execute("ALTER TABLE events DISABLE TRIGGER events_append_only")
        owner.execute("UPDATE events SET recorded_at = recorded_at + %s", (behind,))
        owner.execute("ALTER TABLE events ENABLE TRIGGER events_append_only")
    house.drop_copy()
    house.back_up()
    lost_three(house)
    if published_later:
        pay(house.stores["ledger"], 1)
    house.publish("ledger")
    house.stores["ledger"].clock = FixedClock(datetime.now(UTC) + behind)
    house.search("ledger")
    _, said = house.said("ledger")
    assert said["epochs"][1]["recovery"]["lost"] == 3


def start(session: Session, payment_id: UUID) -> None:
    session.load(PaymentOrder, payment_id).start(uuid4(), [Line(NUMBER, 45_000, 0)])


def lose_order(session: Session, payment_id: UUID) -> None:
    """Record what is never published: another order takes the place of the first."""
    payment = session.load(PaymentOrder, payment_id)
    payment.lose_order(payment.order_number, "rbs")


def fail(session: Session, payment_id: UUID) -> None:
    session.load(PaymentOrder, payment_id).fail(Failure.REFUSED)


@pytest.mark.parametrize("published_later", [False, True])
@pytest.mark.usefixtures("clean_bus")
def test_lost_order_that_was_never_published_is_said_to_be_possible(
    database: Database, monkeypatch: pytest.MonkeyPatch, published_later: bool
) -> None:
    with house_of(database, monkeypatch, "ledger", "payments") as house:
        payment_id = uuid4()
        house.stores["payments"].transact(start, payment_id)
        house.publish("payments")
        house.back_up()
        house.stores["payments"].transact(lose_order, payment_id)
        if published_later:
            house.stores["payments"].transact(fail, payment_id)
        house.publish("payments")
        assert house.said("payments")[1]["unpublished"] == []  # an epoch that has lost nothing
        house.restore()
        house.publish("payments")
        house.search("payments")
        code, said = house.said("payments")
    [_, second] = said["epochs"]
    [unknown] = said["unpublished"]
    # The stream has no message of the order, and no place for one but before a later message.
    assert (types_of(said["lost"]), unknown["skipped"]) == (
        (["payment_failed"], 1) if published_later else ([], 0)
    )
    assert (code, said["clean"]) == (int(published_later), not published_later)
    assert (unknown["epoch"], unknown["until"]) == (second["epoch"], second["began_at"])
    assert unknown["since"] < unknown["until"]
    assert "saldo payments reconcile --day" in said["unpublished_advice"][0]


@pytest.mark.parametrize(("epoch", "position"), [("9.deadbeef", 4), ("", 900), ("", 10**12)])
def test_forged_message_begins_no_epoch_when_the_server_is_started_again(
    house: House, database: Database, epoch: str, position: int
) -> None:
    forge(house, "ledger", position, "payment_posted", epoch)
    pay(house.stores["ledger"], 2)
    house.publish("ledger")
    start_again(database)
    pay(house.stores["ledger"], 1)
    house.publish("ledger")
    with house.stores["ledger"].transaction() as cursor:
        [only] = read_history(cursor).epochs
    assert only.reason == "first"


def test_payments_that_stand_in_no_other_log_are_posted_again(house: House) -> None:
    pay(house.stores["ledger"], 2)
    desk = uuid4()
    take(house, desk, 777)
    before = owed(house)
    house.publish("ledger")
    house.restore()
    assert owed(house) != before
    house.publish("ledger")
    with house.recovering("ledger"):
        code, said = house.said("ledger", *WHY)
    assert (code, said["applied"]["events"]) == (0, {"brought_back": 3})
    assert owed(house) == before
    [row] = house.stores["ledger"].query(lambda session: session.read.postings_of(desk))
    assert row["amount"] == 777
    code, said = house.said("ledger")
    assert (code, said["clean"]) == (0, True)


def test_postings_of_known_payments_are_left_to_the_reader(house: House) -> None:
    house.methods["payments", "known_payments"] = lambda payment_ids: {"known": payment_ids}
    lost_three(house)
    house.publish("ledger")
    with house.recovering("ledger"):
        _, said = house.said("ledger", *WHY)
    assert said["applied"]["events"] == {"by_itself": 3}


def test_recovery_that_waits_for_another_service_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(payment_ids: list[str]) -> Any:
        raise Unavailable("no_answer", "The service did not answer.")

    house.methods["payments", "known_payments"] = silent
    monkeypatch.setattr("services.recovery.applying.PATIENCE_S", 1.0)
    lost_three(house)
    house.publish("ledger")
    with house.recovering("ledger"):
        result = CliRunner().invoke(app, ["ledger", "recover", *WHY])
    assert result.exit_code == 2
    assert "no_answer" in result.output
    with house.stores["ledger"].transaction() as cursor:
        assert read_history(cursor).current.reason == "tail_lost"


def test_apply_without_a_reason_is_refused(house: House) -> None:
    lost_three(house)
    assert CliRunner().invoke(app, ["ledger", "recover", "--apply"]).exit_code == 2


def test_reader_that_has_applied_lost_events_goes_back_to_the_fork(
    house: House, database: Database
) -> None:
    lost_three(house)
    house.publish("ledger")
    house.open("payments")
    payments, ledger = house.stores["payments"], house.stores["ledger"]
    with ledger.transaction() as cursor:
        first = read_history(cursor).epochs[0].name
    with payments.transaction() as cursor:
        rewind(cursor, "ledger", first, 6)
        stop(cursor, "ledger", "has applied what the log does not have")
    code, said = house.said("payments")
    [reader] = said["readers"]
    assert (code, reader["fork"], reader["ghosts"], reader["fork_epoch"]) == (1, 3, 3, first)
    with house.recovering("payments"):
        house.publish("payments")
        code, said = house.said("payments", *WHY)
    assert (code, said["applied"]["readers"]) == (0, {"ledger": 3})
    assert house.said("payments")[0] == 0
