"""etcd: the members who agree on which PostgreSQL leads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from deploy.cluster.certificate import Certificate
from deploy.embedded.plan import Check, ProcessSpec
from deploy.embedded.surroundings import PLAIN_ENVIRONMENT
from deploy.embedded.system_user import SystemUser


class Member(NamedTuple):
    """A member, with its addresses, "host:port": for clients, for the other members, and where it
    says how it is, to everybody."""

    name: str
    client: str
    peer: str
    health: str


def process(
    member: Member,
    members: Sequence[Member],
    folder: Path,
    program: Path,
    user: SystemUser,
    *,
    within: Sequence[str] = (),
    certificate: Certificate | None = None,
) -> ProcessSpec:
    """Describe a member; `within` is a command that starts others on the member's machine.

    Without a certificate it believes everybody.

    It does not wait for the disk: a member that has lost its end gets it back from the others, and
    all of them are gone only with the machine that they share.
    """
    data = folder / member.name
    data.mkdir(mode=0o700, exist_ok=True)
    user.own(data)
    scheme = "https" if certificate else "http"
    client, peer = f"{scheme}://{member.client}", f"{scheme}://{member.peer}"
    cluster = ",".join(f"{one.name}={scheme}://{one.peer}" for one in members)
    return ProcessSpec(
        name=member.name,
        argv=(
            *within, *user.prefix([program, folder]), str(program),
            "--name", member.name, "--data-dir", str(data / "data"),
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", cluster, "--initial-cluster-token", "saldo",
            "--listen-metrics-urls", f"http://{member.health}", *_known_by(certificate),
            "--auto-compaction-retention", "1h", "--unsafe-no-fsync",
        ),
        environ=PLAIN_ENVIRONMENT,
        cwd="/",
        ready=Check("http", f"http://{member.health}/health"),
    )  # fmt: skip


def _known_by(certificate: Certificate | None) -> list[str]:
    """Return the options by which clients and members need the certificate."""
    if certificate is None:
        return []
    file, key = map(str, certificate)
    return [
        word
        for kind in ("", "peer-")
        for word in (
            f"--{kind}client-cert-auth", f"--{kind}trusted-ca-file", file,
            f"--{kind}cert-file", file, f"--{kind}key-file", key,
        )
    ]  # fmt: skip
