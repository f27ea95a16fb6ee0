"""`python -m shared.contracts`: write asyncapi.yaml and the JSON Schemas; `--check` only compares.

A schema that was written before is what other systems rely on: a change that breaks it is refused,
and nothing is written. Exit code 0: done, or no difference; 1: a difference, or a refusal.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from shared.contracts.asyncapi import DOCUMENT, document
from shared.contracts.compatibility import breaches, reworded
from shared.contracts.json_schema import SCHEMAS, schema_files, schema_text

HOW_TO_GO_ON = """\
Programs that we do not know rely on a published version: only optional fields may be added to it.
Leave the contract as it was, and publish the change as the next version beside it: see "Publish a
new version of an event" in CONTRIBUTING.md.
"""
HOW_TO_REWORD = """\
If these fields mean what they meant, and only the words are better now: `python -m shared.contracts
--same-meaning`. If they mean something else, that is the next version of the event.
"""


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m shared.contracts", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument(
        "--same-meaning", action="store_true", help="accept descriptions in other words"
    )
    options = parser.parse_args()
    if broken := list(broken_promises(SCHEMAS)):
        sys.stderr.write("\n".join((*broken, HOW_TO_GO_ON)))
        return 1
    if not options.same_meaning and (changed := list(changed_words(SCHEMAS))):
        sys.stderr.write("\n".join((*changed, HOW_TO_REWORD)))
        return 1
    outdated = {path: text for path, text in generated().items() if _current(path) != text}
    if options.check and outdated:
        sys.stderr.write(
            f"Not as the contracts are: {', '.join(path.name for path in outdated)}. Run "
            "`python -m shared.contracts` and review the difference.\n"
        )
        return 1
    for path, text in outdated.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


def generated() -> dict[Path, str]:
    """Return the text of every generated file."""
    schemas = {SCHEMAS / path: schema_text(schema) for path, schema in schema_files().items()}
    return {DOCUMENT: document(), **schemas}


def broken_promises(promised: Path) -> Iterator[str]:
    """Yield what the contracts break of the schemas in a folder."""
    schemas = schema_files()
    for file in sorted(promised.rglob("*.json")):
        path = file.relative_to(promised)
        if path not in schemas:
            yield f"{path.with_suffix('')}: the contract was removed; its messages are still read."
            continue
        for breach in breaches(json.loads(file.read_text("utf-8")), schemas[path]):
            yield f"{path.with_suffix('')}: {breach}"


def changed_words(promised: Path) -> Iterator[str]:
    """Yield the descriptions that differ from those in a folder."""
    for path, schema in schema_files().items():
        if old := _current(promised / path):
            for place in reworded(json.loads(old), schema):
                yield f"{path.with_suffix('')}: the description of {place} has changed."


def _current(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
