"""``saldo top``: rates between two samples, in 80 by 24, whatever is down."""

from __future__ import annotations

import json
import os
import pty
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from typer.testing import CliRunner

from services.bus_commands.broker import QueueFigures
from services.cli import app
from services.top import command
from services.top.command import keys
from services.top.picture import Picture, picture_of
from services.top.samples import DOWN, Sample, sampled
from services.top.screen import drawn
from services.visible_output import TextConsole
from shared.config import SERVICES
from tests.serving_http import serving

SERVED = "saldo_rpc_served_total"
SECONDS = "saldo_rpc_served_duration_seconds_bucket"
LEDGER = {"service": "ledger"}
PAIR = {"service": "payments", "upstream": "ledger"}


def sample(at: float, state: str = "ready", **values: list[tuple[dict[str, str], float]]) -> Sample:
    return Sample(state, at, values)


def worker(at: float, events: float, position: float = 7) -> Sample:
    """Return a sample of a worker that is 10 s after the start by default."""
    return sample(
        at,
        saldo_event_log_position=[(LEDGER, 10), ({"service": "payments"}, 3)],
        saldo_event_log_appended_events_total=[(LEDGER, events)],
        saldo_relay_published_position=[(LEDGER, 9)],
        saldo_relay_lag_events=[(LEDGER, 1)],
        saldo_relay_lag_seconds=[(LEDGER, 12.5)],
        saldo_reaction_lag_seconds=[(PAIR, 2.0)],
        saldo_reaction_position=[(PAIR, position)],
        saldo_reaction_events_total=[(PAIR, events)],
        process_cpu_seconds_total=[({}, at / 2)],
        process_resident_memory_bytes=[({}, 2**20)],
    )


def server(at: float, calls: float, quick: float, outcome: str = "ok") -> Sample:
    labels = {"service": "ledger", "method": "balance"}
    return sample(
        at,
        **{
            SERVED: [({**labels, "outcome": outcome}, calls)],
            SECONDS: [
                ({**labels, "le": "0.1"}, quick),
                ({**labels, "le": "0.2"}, calls),
                ({**labels, "le": "+Inf"}, calls),
            ],
        },
    )


def ledger_of(picture: Picture) -> Any:
    [found] = [one for one in picture.services if one.service == "ledger"]
    return found


def test_rates_are_growth_by_time() -> None:
    before = {"work": worker(10, 100), "serve": server(10, 0, 0)}
    after = {"work": worker(20, 150), "serve": server(20, 100, 90)}
    picture = picture_of(before, after, None)
    found = ledger_of(picture)
    assert (found.events, found.calls, found.bad_calls) == (5.0, 10.0, 0.0)
    assert (found.log, found.relay_events, found.relay_seconds) == (10, 1, 12.5)
    assert found.p95 == 150.0
    [work, serve] = picture.processes
    assert (work.cpu, work.memory, serve.cpu) == (0.5, 1.0, 0.0)
    [pair] = picture.reactions
    assert (pair.behind, pair.seconds, pair.events) == (2, 2.0, 5.0)


def test_several_workers_tell_a_position_once_and_their_counts_add_up() -> None:
    before = {"one": worker(10, 0), "two": worker(10, 0)}
    after = {"one": worker(20, 10, position=8), "two": worker(20, 20)}
    found = ledger_of(picture_of(before, after, None))
    assert (found.log, found.events) == (10, 3.0)
    [pair] = picture_of(before, after, None).reactions
    assert pair.behind == 1


def test_a_restarted_process_gives_no_negative_rate() -> None:
    picture = picture_of({"work": worker(10, 100)}, {"work": worker(20, 20)}, None)
    assert ledger_of(picture).events == 2.0


def test_calls_that_broke_are_told_from_refused_ones() -> None:
    for outcome, rate in (("unavailable", 1.0), ("not_found", 0.0)):
        before, after = server(10, 0, 0, outcome), server(20, 10, 10, outcome)
        assert ledger_of(picture_of({"s": before}, {"s": after}, None)).bad_calls == rate


@pytest.mark.parametrize(("width", "height"), [(80, 24), (132, 50)])
def test_a_large_installation_fits_the_terminal(width: int, height: int) -> None:
    logs = {"service": "", "upstream": ""}
    values = {
        "saldo_event_log_position": [({"service": name}, 2_000_000_000) for name in SERVICES],
        "saldo_relay_lag_events": [({"service": name}, 99_999) for name in SERVICES],
        "saldo_relay_lag_seconds": [({"service": name}, 99_999.9) for name in SERVICES],
        "saldo_live_lag_events": [({"service": name}, 99_999) for name in SERVICES],
        "saldo_parked_messages": [({"service": name}, 99_999) for name in SERVICES],
        "saldo_reaction_lag_seconds": [
            ({**logs, "service": one, "upstream": other}, 1.0)
            for one in SERVICES
            for other in SERVICES
        ],
    }
    after = {"gateway": DOWN, "serve": Sample("not ready: bus", 1, {}), "work": sample(1, **values)}
    queues = [
        QueueFigures(name=f"subscriber.datamart.{n}", kind="quorum", state="running", messages=n)
        for n in range(40)
    ]
    console = TextConsole(width=width, height=height, record=True, force_terminal=False)
    with console.capture() as captured:
        console.print(drawn(picture_of({}, after, queues), "Saldo", height))
    lines = captured.get().splitlines()
    assert len(lines) <= height
    assert all(len(line.rstrip()) <= width for line in lines)
    text = "\n".join(lines)
    for expected in ("down", "not ready: bus", *SERVICES, "subscriber.datamart.39", "REACTIONS"):
        assert expected in text
    assert "…" not in text


def monitored(request: BaseHTTPRequestHandler, _: bytes) -> tuple[int, bytes]:
    """Return what the monitoring listener of a process answers whose bus is lost."""
    if request.path == "/readyz":
        return 503, b'{"needs": {"bus": "unavailable", "ledger": "ok"}}'
    return 200, b"saldo_x 1\n"


@pytest.fixture
def process() -> Iterator[str]:
    """Return the monitoring URL of a process."""
    with serving(monitored) as address:
        yield f"http://{address}"


def test_a_process_that_is_not_ready_or_down_is_shown_as_such(process: str) -> None:
    found = sampled({"work": process, "serve": "http://127.0.0.1:1"})
    assert found["work"].state == "not ready: bus"
    assert found["serve"] is DOWN


def test_no_proxy_is_asked_for_the_metrics(process: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert sampled({"work": process})["work"] is not DOWN


def test_a_still_picture_is_printed_and_its_exit_code_says_whether_all_is_ready(
    process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "opened_broker", lambda: None)
    environment = {
        "SALDO_MONITORING_URL_WORK": process,
        "SALDO_MONITORING_URL_SERVE": "http://127.0.0.1:1",
    }
    printed = CliRunner().invoke(app, ["top", "--once", "--every", "0.5"], env=environment)
    assert printed.exit_code == 1, (printed.output, printed.exception)
    assert "not ready: bus" in printed.stdout
    assert "down" in printed.stdout
    found = CliRunner().invoke(app, ["top", "--json", "--every", "0.5"], env=environment)
    states = {one["process"]: one["state"] for one in json.loads(found.stdout)["processes"]}
    assert states == {"work": "not ready: bus", "serve": "down"}


@pytest.mark.parametrize("words", [("--every", "0"), ("--once",)])
def test_bad_input_is_refused_in_a_sentence(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("SALDO_")]:
        monkeypatch.delenv(name)
    result = CliRunner().invoke(app, ["top", *words])
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.strip()


def test_q_ends_the_wait_and_the_terminal_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "r") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        before = command.termios.tcgetattr(terminal)
        with keys() as wait:
            assert command.termios.tcgetattr(terminal) != before
            assert not wait(0.01)
            os.write(controller, b"xq")
            assert wait(20)
        assert command.termios.tcgetattr(terminal) == before
        with keys():
            raise KeyboardInterrupt
        assert command.termios.tcgetattr(terminal) == before
    os.close(controller)
