"""The state folder: all that an installation stores on this machine."""

from __future__ import annotations

import fcntl
import json
import os
import random
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.embedded.plan import write_atomically

DEFAULT_PORTS = {
    "gateway": 18080,
    "gateway_monitoring": 18081,
    "serve_monitoring": 18082,
    "work_monitoring": 18083,
    "seal_monitoring": 18084,
    "smtp": 18025,
    "mailbox": 18026,
    "acquirer": 18090,
    "yookassa": 18091,
    "ofd": 18095,
    "postgres": 15433,
    "amqp": 15673,
    "amqp_distribution": 15674,
    "amqp_management": 15676,
    "amqp_prometheus": 15677,
    "epmd": 15675,
}
"""The default ports, on 127.0.0.1 only."""

# Below 32768, where the ports of outgoing connections begin on Linux.
_OTHER_PORTS = range(18100, 29999)


class StateError(Exception):
    """The state folder cannot be used; the text says what to do."""


@dataclass(frozen=True)
class StateDir:
    """The paths and files of a state folder."""

    root: Path

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def uploads(self) -> Path:
        """The files that persons and staff send, sealed."""
        return self.root / "uploads"

    @property
    def mail(self) -> Path:
        return self.root / "mail"

    @property
    def bounces(self) -> Path:
        """A Maildir of the reports about letters that were not delivered."""
        return self.root / "bounces"

    @property
    def plan(self) -> Path:
        return self.root / "plan.json"

    @property
    def status(self) -> Path:
        return self.root / "status.json"

    @property
    def enabled(self) -> Path:
        """Supervisor and watchdog run as long as this file exists."""
        return self.run / "enabled"

    @property
    def env(self) -> Path:
        return self.root / "env"

    @property
    def demo(self) -> Path:
        """Who the ready demo person is: e-mail, password, accounts."""
        return self.root / "demo.json"

    @property
    def staff(self) -> Path:
        """The settings of the terminal of each of the staff, `<name>.env`."""
        return self.root / "staff"

    @property
    def subscribers(self) -> Path:
        """The settings of the program of each subscriber, `<name>.env`."""
        return self.root / "subscribers"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    def key_ring(self, owner: str) -> Path:
        """The keys of a service or of the gateway."""
        return self.keys / f"{owner}.keys"

    @property
    def seal(self) -> Path:
        """The private key of the seal, and the verifiers."""
        return self.root / "seal"

    @property
    def witness(self) -> Path:
        """The checkpoints of the ledger's log; a real witness belongs to somebody else."""
        return self.root / "witness"

    def record(self, name: str) -> Path:
        return self.run / f"{name}.json"

    def done(self, name: str) -> Path:
        """The file with the digest of a one-off process that is done."""
        return self.run / f"{name}.done"

    def log_of(self, name: str) -> Path:
        return self.log / f"{name}.log"

    def create(self) -> None:
        """Create the folders. The root may be entered by other users, the rest is private."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o711)
        for folder in (self.run, self.log, self.mail, self.uploads):
            folder.mkdir(mode=0o700, exist_ok=True)

    def delete(self) -> None:
        """Delete the folder; refuses one that is no state folder."""
        if not self.root.exists():
            return
        if not (self.root / "lock").exists() and not self.run.is_dir():
            raise StateError(f"{self.root} is not a state folder of Saldo: delete it by hand")
        shutil.rmtree(self.root)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Exclude a concurrent `up`, `down` or `reset` on this folder; raises StateError."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StateError(
                    f"another up, down or reset is running on {self.root}: wait until it has ended"
                ) from None
            yield

    def ports(
        self, preferred: Mapping[str, int], *, renew: bool, fixed: Sequence[str] = ()
    ) -> dict[str, int]:
        """Return the ports, chosen at the first call and then kept.

        With `renew` (while nothing of ours runs) a kept port that is in use is replaced, unless it
        is one of the `fixed`.
        """
        path = self.root / "ports.json"
        kept: dict[str, int] = _read_json(path)
        chosen = dict(kept)
        for name, port in preferred.items():
            candidate = chosen.get(name, port)
            may_change = renew and name not in fixed
            if name not in kept or (may_change and not is_free(candidate)):
                taken = {port for other, port in chosen.items() if other != name}
                chosen[name] = _choose(candidate, taken | set(preferred.values()) - {candidate})
        if chosen != kept:
            write_atomically(path, json.dumps(chosen, indent=2).encode())
        return chosen

    def secrets(self, more: Sequence[str] = ()) -> dict[str, str]:
        """Return the secrets of this installation, generated at the first call and then kept.

        `more` are names of secrets that not every installation has.
        """
        path = self.root / "secrets.json"
        kept: dict[str, str] = _read_json(path)
        names = (
            "database",
            "roles",
            "amqp",
            "amqp_users",
            "staff",
            "cookie",
            "acquirer",
            "acquirer_callback",
            "acquirer_kassa",
            "fiscal",
            *more,
        )
        made = kept | {name: kept.get(name) or secrets.token_hex(32) for name in names}
        if made != kept:
            write_atomically(path, json.dumps(made, indent=2).encode())
        return made

    def overrides(self, new: Mapping[str, str]) -> dict[str, str]:
        """Store new overrides; return these and the earlier ones."""
        path = self.root / "overrides.json"
        kept: dict[str, str] = _read_json(path)
        merged = {**kept, **new}
        if merged != kept:
            write_atomically(path, json.dumps(merged, indent=2).encode())
        return merged


def is_free(port: int) -> bool:
    """Return whether a port of 127.0.0.1 can be listened on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _choose(preferred: int, taken: set[int]) -> int:
    if preferred and preferred not in taken and is_free(preferred):
        return preferred
    candidates = [port for port in _OTHER_PORTS if port not in taken]
    # Seeded by the process, so that two installations that start together choose differently.
    random.Random(os.getpid()).shuffle(candidates)  # noqa: S311 - no secret
    for port in candidates:
        if is_free(port):
            return port
    raise StateError("no free TCP port between 18100 and 29999 on 127.0.0.1: stop something there")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
    except FileNotFoundError:
        return {}
