"""The doubles of an installation: each a process, or all of them one, as `make up` starts them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from deploy.embedded import process
from deploy.embedded.environment import apply_overrides, generate_settings
from deploy.embedded.installation import Installation
from deploy.embedded.plan import Check, ProcessSpec
from deploy.embedded.processes import DOUBLES, TOGETHER, doubles_together, process_specs
from deploy.embedded.state import DEFAULT_PORTS, StateDir
from tests.nodes import ANY_PORTS
from tests.waiting import eventually

READY_S = 60.0


def specs_of(state: StateDir, **own: str) -> tuple[ProcessSpec, ...]:
    """Return the processes of an installation on nodes of others."""
    state.create()
    settings = apply_overrides(
        generate_settings(state, DEFAULT_PORTS, state.secrets()), own, state.secrets()
    )
    given = {"SALDO_DATABASE_URL": "", "SALDO_AMQP_URL": "", **own}
    return process_specs(state, DEFAULT_PORTS, state.secrets(), settings, given)


def test_one_process_has_the_place_of_all_doubles_and_their_settings(tmp_path: Path) -> None:
    apart = {spec.name: spec for spec in specs_of(StateDir(tmp_path / ".saldo"))}
    together = {spec.name: spec for spec in doubles_together(tuple(apart.values()))}
    assert set(together) == {*apart, TOGETHER} - set(DOUBLES)
    one = together.pop(TOGETHER)
    assert one.argv[1:] == ("-m", "deploy.doubles", *DOUBLES)
    assert one.ready == Check("tcp", f"127.0.0.1:{DEFAULT_PORTS['smtp']}")
    for name in DOUBLES:
        assert apart[name].environ.items() <= one.environ.items()
    assert {variable for name in DOUBLES for variable in apart[name].environ} == set(one.environ)
    assert together.items() <= apart.items(), "the others are as they were"


def test_an_acquirer_of_the_operators_own_is_not_simulated(tmp_path: Path) -> None:
    specs = specs_of(
        StateDir(tmp_path / ".saldo"),
        SALDO_ACQUIRER_URL="https://bank.example",
        SALDO_ACQUIRER_PASSWORD="own",
    )
    *_, one = doubles_together(specs)
    assert one.argv[3:] == ("ofd", "mailcatcher")
    assert not [name for name in one.environ if name.startswith("SALDO_ACQUIRER")]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "saldo", owner=process.myself(), ports=ANY_PORTS, together=True)
    yield made
    made.reset()


def test_doubles_in_one_process_start_again_together(installation: Installation) -> None:
    assert installation.up([TOGETHER], seconds=READY_S)
    names = ("SALDO_ACQUIRER_URL", "SALDO_ACQUIRER_KASSA_URL", "SALDO_FISCAL_URL")
    banks = [installation.environment[name] for name in names]

    def answering() -> list[str]:
        pages = [f"{url}/healthz" for url in banks]
        return [requests.get(page, timeout=READY_S).json()["status"] for page in pages]

    assert answering() == ["ok"] * 3
    assert requests.get(installation.environment["SALDO_MAILBOX_URL"], timeout=READY_S).ok
    (killed,) = installation.identities().values()
    os.kill(killed.pid, signal.SIGKILL)
    eventually(
        lambda: (
            installation.identities().get(TOGETHER, killed) != killed
            and installation.status()[TOGETHER].state == "ready"
        ),
        "the doubles are ready again",
        READY_S,
    )
    assert answering() == ["ok"] * 3
    with pytest.raises(ValueError, match="no such process: \\['acquirer'\\]"):
        installation.up(["acquirer"])
