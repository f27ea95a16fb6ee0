"""The private nodes: durable, protected, and restarted when they are killed."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import amqp
import msgspec
import psycopg
import pytest
from amqp.exceptions import AccessRefused
from kombu import Connection

from deploy.embedded import process
from deploy.embedded.installation import Installation
from deploy.embedded.plan import read_plan, write_plan
from deploy.embedded.processes import NODES
from deploy.embedded.rabbitmq import package_server
from deploy.embedded.readiness import is_ready
from tests.nodes import ANY_PORTS

pytestmark = [
    pytest.mark.nodes,
    pytest.mark.skipif(package_server() is None, reason="needs the package rabbitmq-server"),
]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    # As root this is in a folder of mode 700, which the unprivileged nodes must still reach.
    folder = tmp_path_factory.mktemp("embedded")
    folder.chmod(0o700)
    made = Installation(folder / "state", owner=process.myself(), ports=ANY_PORTS)
    made.up(NODES)
    yield made
    identities = made.identities()
    made.reset()
    assert not any(process.is_alive(identity) for identity in identities.values())
    assert not made.state.root.exists()


def _until(condition: Callable[[], object], seconds: float) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "timed out"
        time.sleep(0.05)


def _owner(installation: Installation) -> str:
    return installation.environment["SALDO_DATABASE_URL"]


def test_postgres_is_durable_and_the_owner_is_no_superuser(installation: Installation) -> None:
    with psycopg.connect(_owner(installation)) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            row = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone()
            assert row == ("on",), setting
        row = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == (False, True, True)


def test_nodes_require_a_password(installation: Installation) -> None:
    url = _owner(installation)
    password = installation.state.secrets()["database"]
    for wrong in (url.replace(password, "guess"), url.replace("//saldo:", "//postgres:")):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(wrong, connect_timeout=3)
    broker = installation.environment["SALDO_AMQP_URL"]
    guest = broker.replace(f"saldo:{installation.state.secrets()['amqp']}", "guest:guest")
    with Connection(guest, connect_timeout=3) as connection, pytest.raises(AccessRefused):
        connection.connect()


def test_services_sign_in_after_the_set_up_and_after_another_one(
    installation: Installation,
) -> None:
    """The users are made by a process of its own, which also an installation of before gets."""
    ledger = installation.environment["SALDO_AMQP_URL_LEDGER"]
    with Connection(ledger, connect_timeout=3) as connection, pytest.raises(AccessRefused):
        connection.connect()
    for _ in range(2):
        installation.up([*NODES, "broker"])
        with Connection(ledger, connect_timeout=3) as connection:
            connection.connect()
        installation.up(NODES)


def test_a_node_without_the_management_api_is_started_anew(installation: Installation) -> None:
    before = installation.identities()
    plan = read_plan(installation.state.plan)
    assert plan is not None
    old = tuple(
        msgspec.structs.replace(spec, version="") if spec.name == "rabbitmq" else spec
        for spec in plan.processes
    )
    write_plan(installation.state.plan, msgspec.structs.replace(plan, processes=old))
    assert installation.up(NODES)
    after = installation.identities()
    assert {name for name in NODES if before[name] != after[name]} == {"rabbitmq"}


def test_nodes_listen_on_this_machine_only(installation: Installation) -> None:
    ports = installation.state.ports(ANY_PORTS, renew=False)
    for name in (
        "postgres",
        "amqp",
        "amqp_distribution",
        "amqp_management",
        "amqp_prometheus",
        "epmd",
    ):
        socket.create_connection(("127.0.0.1", ports[name]), timeout=3).close()
        with pytest.raises(ConnectionRefusedError):
            # All of 127/8 is this machine, but only the one address is listened on.
            socket.create_connection(("127.0.0.2", ports[name]), timeout=3)


def test_no_node_runs_as_root(installation: Installation) -> None:
    for identity in installation.identities().values():
        status = Path(f"/proc/{identity.pid}/status").read_text(encoding="utf-8")
        uids = next(line for line in status.splitlines() if line.startswith("Uid:"))
        assert "0" not in uids.split()[1:]


@pytest.mark.parametrize("name", ["postgres", "epmd", "rabbitmq"])
def test_killed_node_is_restarted(installation: Installation, name: str) -> None:
    before = installation.identities()
    os.kill(before[name].pid, signal.SIGKILL)
    _until(lambda: installation.identities().get(name) not in {None, before[name]}, 5.0)
    _until(lambda: installation.status()[name].state == "ready", 60.0)
    after = installation.identities()
    assert {other for other in NODES if after[other] != before[other]} == {name}


_LEFT_DOWN = """\
Walk = fun Walk(T) when is_tuple(T), element(1, T) =:= stream, tuple_size(T) =:= 11 ->
               setelement(10, T, {updating, element(3, T)});
           Walk(T) when is_tuple(T) -> list_to_tuple([Walk(E) || E <- tuple_to_list(T)]);
           Walk(T) when is_map(T) -> maps:map(fun(_, E) -> Walk(E) end, T);
           Walk(T) -> T
       end,
sys:replace_state(rabbit_stream_coordinator, Walk),
{ok, {_, State}, _} = ra:local_query({rabbit_stream_coordinator, node()}, fun(S) -> S end),
[exit(Pid, kill) || Stream <- maps:values(element(2, State)),
                    {member, {running, _, Pid}, _, _, _, _, _} <- maps:values(element(7, Stream))],
Runs = fun(Stream) ->
           {updating, Noted} = element(10, Stream),
           [] =/= [Epoch || {member, {running, Epoch, _}, _, _, _, _, _}
                                <- maps:values(element(7, Stream)), Epoch > Noted]
       end,
Wait = fun Wait() ->
           {ok, {_, Now}, _} =
               ra:local_query({rabbit_stream_coordinator, node()}, fun(S) -> S end),
           lists:all(Runs, maps:values(element(2, Now))) orelse
               begin timer:sleep(50), Wait() end
       end,
Wait().
"""
"""What a full disk does: where the writer of a stream runs was about to be written, and never was;
since then it runs elsewhere. A restart of the node does not help."""


def test_stream_that_was_left_down_comes_back_with_what_was_in_it(
    installation: Installation,
) -> None:
    environment, name = installation.environment, "left_down.stream"
    with Connection(environment["SALDO_AMQP_URL"]) as connection:
        channel = connection.channel()
        channel.queue_declare(
            name, durable=True, auto_delete=False, arguments={"x-queue-type": "stream"}
        )
        channel.confirm_select()
        for number in range(3):
            channel.basic_publish_confirm(amqp.Message(str(number)), routing_key=name)
    plan = read_plan(installation.state.plan)
    assert plan is not None
    spec = next(spec for spec in plan.processes if spec.name == "rabbitmq")
    *rabbitmqctl_eval, _ = spec.mended_by
    subprocess.run(
        [*rabbitmqctl_eval, _LEFT_DOWN], env=spec.environ, cwd="/", check=True, timeout=60
    )
    os.kill(installation.identities()["rabbitmq"].pid, signal.SIGTERM)
    log = installation.state.log_of("supervisor")
    _until(lambda: "rabbitmq was mended" in log.read_text(encoding="utf-8"), 90.0)
    _until(lambda: is_ready(spec.ready), 90.0)
    with Connection(environment["SALDO_AMQP_URL"]) as connection:
        channel = connection.channel()
        channel.basic_qos(0, 10, a_global=False)
        read: list[str] = []

        def take(message: amqp.Message) -> None:
            read.append(message.body)
            message.channel.basic_ack(message.delivery_tag)

        channel.basic_consume(name, callback=take, arguments={"x-stream-offset": "first"})
        while len(read) < 3:
            connection.drain_events(timeout=10)
        channel.queue_delete(name)
    assert read == ["0", "1", "2"]
    # py-amqp leaves a socket open that the node closes in the greeting, as one that starts does;
    # kombu connects again. It is collected here, where it is known, not in the test that follows.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del connection
        gc.collect()


def test_data_survives_down_and_up(installation: Installation) -> None:
    with psycopg.connect(_owner(installation)) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    installation.down()
    assert installation.identities() == {}
    installation.up(NODES)
    with psycopg.connect(_owner(installation)) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)


def test_interrupted_start_is_completed(installation: Installation) -> None:
    """A cluster is created beside its final place and moved there when complete."""
    installation.down()
    cluster = installation.state.root / "postgres"
    shutil.rmtree(cluster / "data")
    (cluster / "draft").mkdir()
    (cluster / "draft" / "PG_VERSION").write_text("18\n", encoding="ascii")
    installation.up(["postgres"])
    with psycopg.connect(_owner(installation)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not (cluster / "draft").exists()
