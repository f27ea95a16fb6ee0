"""etcd: the members who agree on which PostgreSQL leads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from deploy.embedded.plan import Check, ProcessSpec
from deploy.embedded.surroundings import PLAIN_ENVIRONMENT
from deploy.embedded.system_user import SystemUser


class Member(NamedTuple):
    """A member, with the addresses, "host:port", of clients and of the other members."""

    name: str
    client: str
    peer: str


def process(
    member: Member,
    members: Sequence[Member],
    folder: Path,
    program: Path,
    user: SystemUser,
    *,
    within: Sequence[str] = (),
) -> ProcessSpec:
    """Describe a member; `within` is a command that starts others on the member's machine.

    It does not wait for the disk: a member that has lost its end gets it back from the others, and
    all of them are gone only with the machine that they share.
    """
    data = folder / member.name
    data.mkdir(mode=0o700, exist_ok=True)
    user.own(data)
    client, peer = f"http://{member.client}", f"http://{member.peer}"
    cluster = ",".join(f"{one.name}=http://{one.peer}" for one in members)
    return ProcessSpec(
        name=member.name,
        argv=(
            *within, *user.prefix([program, folder]), str(program),
            "--name", member.name, "--data-dir", str(data / "data"),
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", cluster, "--initial-cluster-token", "saldo",
            "--auto-compaction-retention", "1h", "--unsafe-no-fsync",
        ),
        environ=PLAIN_ENVIRONMENT,
        cwd="/",
        ready=Check("http", f"{client}/health"),
    )  # fmt: skip
