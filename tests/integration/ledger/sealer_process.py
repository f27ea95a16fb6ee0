"""The sealer's process, in threads of a test, and the commands of an auditor."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from typer.testing import Result

from services.ledger.seal.process import SealingTasks
from services.ledger.seal.publishing import Publisher
from services.ledger.seal.rotation import rotate
from services.ledger.seal.witnesses import DirectoryWitness
from tests.integration.ledger.sealed_ledger import SealedLedger

Command = Callable[..., Result]


@dataclass
class Sealer:
    """The settings of a sealer, in files, and its process in threads of the test."""

    ledger: SealedLedger
    folder: Path

    @property
    def key(self) -> Path:
        return self.folder / "key"

    @property
    def kept(self) -> Path:
        return self.folder / "witness"

    @property
    def environ(self) -> dict[str, str]:
        return {
            "SALDO_LEDGER_SEAL_KEY": str(self.key),
            "SALDO_LEDGER_SEAL_VERIFIER_FILE": str(self.folder / "verifiers"),
            "SALDO_LEDGER_WITNESS_DIR": str(self.kept),
            "SALDO_LEDGER_WITNESS_SECONDS": "0.01",
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        stop = threading.Event()
        tasks = SealingTasks(self.ledger.database.settings, stop, self.environ)
        threads = [threading.Thread(target=task) for task in (tasks.seal, tasks.publish)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def files(self) -> list[str]:
        return sorted(path.name for path in self.kept.iterdir())

    def keep_three(self) -> None:
        """Give the directory three checkpoints, one after another."""
        often = Publisher([DirectoryWitness(self.kept, every=1e-9)])
        for _ in range(3):
            with self.ledger.sealer() as cursor:
                often.publish_due(cursor)
            self.ledger.write(1)
            self.ledger.seal()

    def rotate(self) -> None:
        with self.ledger.sealer() as cursor:
            rotate(cursor, self.environ)


def found(result: Result) -> set[str]:
    assert result.exit_code in (0, 1), result.output
    findings = json.loads(result.stdout)["findings"]
    assert bool(findings) == (result.exit_code == 1)
    return {finding["kind"] for finding in findings}
