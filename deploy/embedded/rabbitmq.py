"""The private RabbitMQ: a node run from Debian's package, or a container.

The node shares nothing with other nodes of the machine: it has its own home, cookie, database,
logs, settings, plugins, ports and port mapper (epmd), which would otherwise outlive it as a daemon.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from deploy.embedded.plan import Check, ProcessSpec
from deploy.embedded.surroundings import LOOPBACK, PLAIN_ENVIRONMENT
from deploy.embedded.system_user import SystemUser

USER = "saldo"
# sbin of the package, not the wrappers on the PATH, which switch to the system's user.
_PACKAGES = Path("/usr/lib/rabbitmq/lib")

_PLUGINS = ("rabbitmq_management", "rabbitmq_prometheus")

_ENABLE = f"rabbitmq-plugins enable --offline {' '.join(_PLUGINS)}"
CONTAINER_COMMAND = ("sh", "-c", f"{_ENABLE} && exec docker-entrypoint.sh rabbitmq-server")
"""Starts the image's node with the management API, which not every image has enabled."""

# The size of a message is the default of RabbitMQ 4; 3.10 takes 128 MiB, which a service reads
# before it refuses the caller. What quorum queues have written is in memory, too, until its file is
# full: by default half a gigabyte.
_CONFIG = """\
max_message_size = 16777216
listeners.tcp.1 = {host}:{port}
management.tcp.ip = {host}
management.tcp.port = {management}
prometheus.tcp.ip = {host}
prometheus.tcp.port = {prometheus}
default_user = {user}
default_pass = {password}
log.file = false
log.console = true
log.console.level = info
raft.wal_max_size_bytes = 16777216
"""

FREE_STREAMS = """\
{ok, {_, Coordinator}, _} =
    ra:local_query({rabbit_stream_coordinator, node()}, fun(State) -> State end),
[begin
     Failed = #{action => updating_mnesia, index => 0, epoch => Epoch},
     {ok, _, _} = ra:process_command({rabbit_stream_coordinator, node()},
                                     {action_failed, Id, Failed}),
     Id
 end || {Id, Stream} <- maps:to_list(element(2, Coordinator)),
        {updating, Epoch} <- [element(10, Stream)]].
"""
"""An Erlang expression that frees streams which RabbitMQ 3.10 has left down for good.

Its coordinator notes that it is about to write where the writer of a stream runs, and waits for
that to have succeeded or failed. A node that ends in between, as on a full disk, never tells: the
stream is down, whoever restarts the node. Telling that it has failed lets it be written anew.
"""


class RabbitmqError(Exception):
    """There is no RabbitMQ to run; the text says what to do."""


def package_server() -> Path | None:
    """Return the package's start script, of the newest version if there are several."""
    found = sorted(_PACKAGES.glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    return found[-1] if found else None


def container_image(repository: str = "rabbitmq") -> str | None:
    """Return an image that a local Docker engine has; None without either."""
    docker = shutil.which("docker", path=PLAIN_ENVIRONMENT["PATH"])
    if docker is None:
        return None
    command = [docker, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository]
    try:
        result = subprocess.run(
            command,
            env=_docker_environ(),
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    tags = [line for line in result.stdout.split() if not line.endswith(":<none>")]
    return tags[0] if result.returncode == 0 and tags else None


def processes(
    folder: Path, ports: Mapping[str, int], secrets: Mapping[str, str], url: str, user: SystemUser
) -> tuple[ProcessSpec, ...]:
    """Describe the node and its port mapper; `url` is that of the node."""
    if package_server() is not None:
        return packaged_processes(folder, ports, secrets, url, user)
    image = container_image()
    if image is not None:
        return (_container(image, folder, ports, secrets["amqp"], url),)
    raise RabbitmqError(
        "there is no RabbitMQ: install the package rabbitmq-server (as root: make up does it), "
        "or pull an image (docker pull rabbitmq:4), or give the URL of one in SALDO_AMQP_URL, and "
        "of its management API in SALDO_AMQP_ADMIN_URL"
    )


def packaged_processes(
    folder: Path,
    ports: Mapping[str, int],
    secrets: Mapping[str, str],
    url: str,
    user: SystemUser,
    *,
    host: str = LOOPBACK,
    more: str = "",
) -> tuple[ProcessSpec, ProcessSpec]:
    """Describe a port mapper and a node of the package, which listen on an address of IPv4.

    `more` are further lines of the node's configuration.
    """
    server = package_server()
    if server is None:
        raise RabbitmqError("install the package rabbitmq-server (as root: make up does it)")
    _write_settings(folder, _settings(host, ports, secrets, more), secrets["cookie"], user)
    _make_home(folder / "home", server)
    # A node of before an upgrade of its settings is started anew.
    version = sha256("".join(_settings(host, ports, {}, more)).encode()).hexdigest()
    environ = _environ(folder, host, ports)
    prefix = user.prefix([server, folder.parent])
    admin = f"http://{USER}:{secrets['amqp']}@{host}:{ports['amqp_management']}"
    return (
        _epmd(environ, host, ports, user),
        ProcessSpec(
            name="rabbitmq",
            argv=(*prefix, str(server)),
            environ=environ,
            cwd="/",
            requires=("epmd",),
            ready=Check("amqp", url),
            health=Check("streams", admin),
            mended_by=(*prefix, str(server.with_name("rabbitmqctl")), "eval", FREE_STREAMS),
            discarded=True,  # a stop takes six seconds
            stop_seconds=20.0,
            version=version,
        ),
    )


def _write_settings(folder: Path, settings: tuple[str, str], cookie: str, user: SystemUser) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    config, plugins = settings
    files = {
        "rabbitmq.conf": config,
        "enabled_plugins": plugins,
        "rabbitmq-env.conf": "",
        ".erlang.cookie": cookie,
    }
    for name, text in files.items():
        path = folder / name
        if path.exists() and path.read_text(encoding="ascii") == text:
            continue
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text, encoding="ascii")
    user.own(folder)


def _settings(
    host: str, ports: Mapping[str, int], secrets: Mapping[str, str], more: str
) -> tuple[str, str]:
    """Return the node's configuration and its enabled plugins."""
    config = _CONFIG.format(
        host=host,
        port=ports["amqp"],
        management=ports["amqp_management"],
        prometheus=ports["amqp_prometheus"],
        user=USER,
        password=secrets.get("amqp", ""),
    )
    return config + more, f"[{','.join(_PLUGINS)}].\n"


def _make_home(home: Path, server: Path) -> None:
    """Create a home with links to those plugins of the package that the broker needs.

    With all sixty on its path, a start takes 5.5 s instead of 4.0 s.
    """
    origin, made_for = home / "origin", f"{server} {' '.join(_PLUGINS)}"
    if origin.exists() and origin.read_text(encoding="utf-8") == made_for:
        return
    shutil.rmtree(home, ignore_errors=True)
    (home / "plugins").mkdir(parents=True)
    package = server.parents[1]
    for name in ("sbin", "escript"):
        (home / name).symlink_to(package / name)
    for application in _needed_applications(package / "plugins"):
        (home / "plugins" / application.name).symlink_to(application)
    origin.write_text(made_for, encoding="utf-8")


def _needed_applications(plugins: Path) -> set[Path]:
    """Return the plugin folders of the broker and its dependencies, as the .app files declare."""
    available = {path.name.rpartition("-")[0]: path for path in plugins.iterdir() if path.is_dir()}
    if "rabbit" not in available:
        return set(plugins.iterdir())
    needed: set[str] = set()
    open_ends = {"rabbit", *_PLUGINS}
    while open_ends:
        name = open_ends.pop()
        needed.add(name)
        text = (available[name] / "ebin" / f"{name}.app").read_text(encoding="utf-8")
        for names in re.findall(r"{\s*(?:included_)?applications\s*,\s*\[(.*?)\]", text, re.DOTALL):
            open_ends |= (set(re.findall(r"\w+", names)) & available.keys()) - needed
    return {available[name] for name in needed}


def _environ(folder: Path, host: str, ports: Mapping[str, int]) -> dict[str, str]:
    return PLAIN_ENVIRONMENT | {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "ERL_EPMD_ADDRESS": host,
        "RABBITMQ_HOME": str(folder / "home"),
        "RABBITMQ_PLUGINS_DIR": str(folder / "home" / "plugins"),
        "RABBITMQ_NODENAME": "saldo@localhost",
        "RABBITMQ_DIST_PORT": str(ports["amqp_distribution"]),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(folder / "conf.d" / "*.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_LOGS": "-",
        # The table of Erlang processes: for the package's million it takes 15 MB more.
        "RABBITMQ_MAX_NUMBER_OF_PROCESSES": "65536",
        # Makes the start script exec the node instead of waiting for it: one process to watch.
        "RUNNING_UNDER_SYSTEMD": "true",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            f"-start_epmd false -kernel inet_dist_use_interface {{{host.replace('.', ',')}}} "
            # Idle schedulers must not spin: services share these cores.
            "+sbwt none +sbwtdcpu none +sbwtdio none"
        ),
    }


def _epmd(
    environ: dict[str, str], host: str, ports: Mapping[str, int], user: SystemUser
) -> ProcessSpec:
    epmd = Path(shutil.which("epmd", path=PLAIN_ENVIRONMENT["PATH"]) or "/usr/bin/epmd")
    port = ports["epmd"]
    return ProcessSpec(
        name="epmd",
        argv=(*user.prefix([epmd]), str(epmd), "-address", host, "-port", str(port)),
        environ=environ,
        cwd="/",
        ready=Check("tcp", f"{host}:{port}"),
    )


def _container(
    image: str, folder: Path, ports: Mapping[str, int], password: str, url: str
) -> ProcessSpec:
    # Derived from the folder: two checkouts on one machine have a container each.
    name = f"saldo-rabbitmq-{sha256(str(folder).encode()).hexdigest()[:12]}"
    docker = shutil.which("docker", path=PLAIN_ENVIRONMENT["PATH"]) or "docker"
    remove = (docker, "rm", "--force", name)
    return ProcessSpec(
        name="rabbitmq",
        argv=(
            docker, "run", "--rm", "--name", name, "--hostname", "saldo",
            "--publish", f"127.0.0.1:{ports['amqp']}:5672",
            "--publish", f"127.0.0.1:{ports['amqp_management']}:15672",
            "--publish", f"127.0.0.1:{ports['amqp_prometheus']}:15692",
            "--volume", f"{name}:/var/lib/rabbitmq",
            "--env", "RABBITMQ_DEFAULT_USER", "--env", "RABBITMQ_DEFAULT_PASS", image,
            *CONTAINER_COMMAND,
        ),
        environ=_docker_environ()
        | {"RABBITMQ_DEFAULT_USER": USER, "RABBITMQ_DEFAULT_PASS": password},
        cwd="/",
        # The client may have been killed and the container gone on.
        before_start=(remove,),
        after_stop=(remove,),
        on_reset=((docker, "volume", "rm", "--force", name),),
        ready=Check("amqp", url),
        stop_seconds=20.0,
    )  # fmt: skip


def _docker_environ() -> dict[str, str]:
    """Return an environment in which the Docker client finds the operator's engine."""
    return PLAIN_ENVIRONMENT | {
        name: os.environ[name] for name in ("DOCKER_HOST", "DOCKER_CONTEXT") if name in os.environ
    }
