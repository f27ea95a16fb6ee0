"""The mutation run: its changes to the copied code, its counts, and its list of modules."""

from __future__ import annotations

import json
from configparser import ConfigParser
from pathlib import Path
from textwrap import dedent
from typing import Any

from tests.mutation.__main__ import HERE, ROOT
from tests.mutation.summary import Mutant, as_markdown, mutants_in, rows
from tests.mutation.unwrapping import unwrap

MODULE = '''
from functools import lru_cache

class Row:
    """A row."""

    charged = 5

    @property
    def closing(self) -> int:
        """What is owed."""
        return self.charged + 1

    @classmethod
    def made(cls) -> "Row":
        return cls()

    @property
    def twice(self) -> int: return 2 * self.closing

@lru_cache(maxsize=8)  # saves time
def square(
    number: int,
) -> int:
    return number * number
'''


def test_unwrapped_copy_has_no_decorators_and_behaves_the_same(tmp_path: Path) -> None:
    path = tmp_path / "row.py"
    path.write_text(dedent(MODULE), encoding="utf-8")
    unwrap(path)
    text = path.read_text(encoding="utf-8")
    assert "@property" not in text
    assert "@lru_cache" not in text
    names: dict[str, Any] = {}
    exec(compile(text, path, "exec"), names)  # noqa: S102 - it is the module above
    row = names["Row"].made()
    assert (row.closing, row.twice, names["square"](7)) == (6, 12, 49)
    row.charged = 9
    assert row.closing == 10


def test_mutants_are_counted_by_module(tmp_path: Path) -> None:
    codes = {"a.x__1": 1, "a.x__2": 0, "a.x__3": 33, "a.x__4": -24, "a.x__5": 1, "a.x__6": None}
    (tmp_path / "a.py.meta").write_text(json.dumps({"exit_code_by_key": codes}), encoding="utf-8")
    found = mutants_in(tmp_path)
    assert Mutant("a.py", "a.x__4", "timeout") in found
    assert len(found) == 5  # one was not run
    module, total = rows([*found, Mutant("b.py", "b.x__1", "killed")], ["a.py"])
    assert (module.mutants, module.killed, module.timeouts, module.survived) == (5, 2, 1, 1)
    assert (module.untested, module.percent, total.mutants) == (1, 60.0, 6)
    assert as_markdown([module]).splitlines()[-1] == "| a.py | 5 | 2 | 1 | 1 | 1 | 60.0 |"


def test_configured_modules_exist() -> None:
    configuration = ConfigParser()
    configuration.read(HERE / "setup.cfg")
    paths = configuration["mutmut"]["only_mutate"].split()
    assert paths
    assert [path for path in paths if not (ROOT / path).is_file()] == []
