"""Files of beliefs that somebody wrote by hand: what is wrong with them is said by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.checker.promises import EFFECTS
from tests.faults.load.staff import InstallationError, installation_in
from tests.faults.load.wellformed import NEEDED, BeliefsError, kinds_in

PAID = {"lines": [["1", 5, 0]]}
LINE: dict[str, Any] = {"id": "7f0e", "at": 1.5, "who": "me", "what": "link", "outcome": "asked",
                        "data": {"email": "a@b.invalid", "number": "1"}}  # fmt: skip


def written(folder: Path, *lines: dict[str, Any] | str) -> Path:
    path = folder / "beliefs.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n")
    return path


def test_kinds_of_lines_are_told_so_that_unknown_ones_can_be_named(tmp_path: Path) -> None:
    found = kinds_in(written(tmp_path, LINE, LINE | {"what": "payments.start"}))
    assert found == {"link", "payments.start"}
    assert found - NEEDED.keys() == {"payments.start"}


def test_every_command_that_is_judged_has_its_needs_listed() -> None:
    assert EFFECTS.keys() <= NEEDED.keys()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("not JSON", "line 2 is no belief"),
        (LINE | {"outcome": "done"}, "line 2 is no belief: Invalid enum value 'done'"),
        ({"id": "1"}, "line 2 is no belief: Object missing required field `at`"),
        (LINE | {"data": {"email": "a@b.invalid"}}, "line 2: link needs number in its data"),
        (
            LINE | {"what": "payment.start", "outcome": "acknowledged", "data": PAID},
            "line 2: payment.start needs payment_id in its data",
        ),
        (
            LINE
            | {"what": "subscriber", "outcome": "note",
               "data": {"kind": "queue", "file": "got", "services": ["ledger"], "token": "t"}},
            "a file that exists",
        ),
    ],
)  # fmt: skip
def test_line_that_cannot_be_judged_is_refused(
    tmp_path: Path, line: dict[str, Any] | str, says: str
) -> None:
    with pytest.raises(BeliefsError, match=says):
        kinds_in(written(tmp_path, LINE, line))


def test_environment_of_no_installation_is_refused(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("export SALDO_URL='http://127.0.0.1:1'\n")
    with pytest.raises(InstallationError, match="SALDO_DATABASE_URL, SALDO_AMQP_URL"):
        installation_in(tmp_path / "env")
