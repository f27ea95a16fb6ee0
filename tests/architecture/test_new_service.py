"""Every list of services is derived from SERVICES, or compared with it.

A new service is its folder, its contracts module, and its name in ``shared/config.py``. A made-up
one in a copy of the checkout proves both: each derived place has it, and each list that has to be
written by hand is reported as incomplete.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from shared.config import SERVICES

REPOSITORY = Path(__file__).resolve().parents[2]
COPIED = (
    "services",
    "gateway",
    "shared",
    "deploy",
    "pyproject.toml",
    "README.md",
    "ARCHITECTURE.md",
)

FILES = {
    "services/metering/__init__.py": '"""Metering: a made-up service."""\n',
    "services/metering/domain.py": """
from typing import ClassVar
from shared.eventstore import Event, EventTypes

class MeterRead(Event, frozen=True):
    topic: ClassVar[str] = "metering.meter_read.v1"

EVENTS = EventTypes(MeterRead)
""",
    "services/metering/application.py": "",
    "services/metering/schemas.py": "",
    "services/metering/service.py": "class Metering:\n    name = 'metering'\n",
    "services/metering/readmodel.py": "class ReadModel: ...\n",
    "services/metering/publishing.py": "def publish(recorded): return None\n",
    "services/metering/reactions.py": "REACTIONS = {'ledger': {'payment_posted': print}}\n",
    "services/metering/cli.py": "import typer\n\napp = typer.Typer()\n",
    "services/metering/migrations/0001_tables.sql": "CREATE TABLE readings ();\n",
    "services/metering/README.md": "# metering\n",
    "shared/contracts/metering.py": """
from marshmallow import Schema
from shared.contracts.base import Contract

ABOUT = "Readings."

class MeterRead(Schema):
    pass

CONTRACTS = [Contract("meter_read", version=1, schema=MeterRead, summary="A meter was read.")]
""",
}

DERIVED = """
import json, sys
from pathlib import Path
import yaml
from deploy.embedded.environment import generate_settings
from deploy.embedded.keys import make_keys
from deploy.embedded.processes import process_specs
from deploy.embedded.state import DEFAULT_PORTS, StateDir
from services import cli
from services.discovery import check_names, migrations_of, open_store, publisher_of, reactions_of
from shared.config import load_settings
from shared.contracts.asyncapi import document

state = StateDir(Path(sys.argv[1]))
state.create()
secrets = state.secrets()
make_keys(state, "")
settings = generate_settings(state, DEFAULT_PORTS, secrets)
nodes = {"SALDO_DATABASE_URL": "", "SALDO_AMQP_URL": ""}
specs = {spec.name: spec for spec in process_specs(state, DEFAULT_PORTS, secrets, settings, nodes)}
json.dump({
    "names": check_names([]),
    "migrations": [entry.name for entry in migrations_of("metering").iterdir()],
    "publisher": publisher_of("metering").__module__,
    "reactions": list(reactions_of("metering")),
    "database": load_settings(settings).database_url_of("metering"),
    "broker": load_settings(settings).amqp_url_of("metering"),
    "credentials": sorted(n for n in specs if "SALDO_AMQP_URL_METERING" in specs[n].environ),
    "argv": [list(specs[name].argv) for name in ("serve", "work")],
    "queues": [list(specs[name].ready.queues) for name in ("serve", "work")],
    "channels": list(yaml.safe_load(document())["channels"]),
    "verbs": [group.name for group in cli.app.registered_groups],
}, sys.stdout)
"""


def services_in_documents(root: Path) -> dict[str, set[str]]:
    """Return the services that each hand-written list of a checkout names."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    [layers] = [found["layers"] for found in contracts if found.get("containers") == ["services"]]
    [independent] = [names for layer in layers if "identity" in (names := layer.split(" | "))]
    readme = (root / "README.md").read_text(encoding="utf-8")
    architecture = (root / "ARCHITECTURE.md").read_text(encoding="utf-8")
    picture = re.search(r"subgraph services\[.*?\n(.*?)\n", architecture)
    assert picture is not None
    return {
        "pyproject.toml, the layer of the services": set(independent),
        "README.md, the map": set(
            re.findall(r"^\| \[\w+\]\(services/(\w+)/", readme, re.MULTILINE)
        ),
        "ARCHITECTURE.md, the picture": set(re.findall(r"\w+", picture[1])),
    }


def service_folders(root: Path) -> set[str]:
    return {path.parent.name for path in root.glob("services/*/service.py")}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the checkout with a made-up service."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    for name in COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    for name, text in FILES.items():
        path = copy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    config = copy / "shared/config.py"
    text = config.read_text(encoding="utf-8")
    changed = re.sub(r"^SERVICES = \((.*)\)$", r'SERVICES = (\1, "metering")', text, flags=re.M)
    assert changed != text
    config.write_text(changed, encoding="utf-8")
    return copy


def derived_places(checkout: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", DERIVED, str(checkout / ".saldo")],
        cwd=checkout,
        # The folder goes before the installed checkout.
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_new_service_appears_in_every_derived_place(checkout: Path) -> None:
    found = derived_places(checkout)
    assert found["names"] == [*SERVICES, "metering"]
    assert found["migrations"] == ["0001_tables.sql"]
    assert found["publisher"] == "services.metering.publishing"
    assert found["reactions"] == ["ledger"]
    assert found["database"].startswith("postgresql://saldo_metering:")
    assert found["broker"].startswith("amqp://metering:")
    assert found["credentials"] == ["broker", "serve", "work"]
    assert all("metering" in argv for argv in found["argv"])
    assert "rpc-metering" in found["queues"][0]
    assert "metering.from.ledger" in found["queues"][1]
    assert "metering.events" in found["channels"]
    assert "metering" in found["verbs"]


def test_forgotten_service_is_noticed_in_every_written_list(checkout: Path) -> None:
    assert service_folders(checkout) == {*SERVICES, "metering"}
    for place, names in services_in_documents(checkout).items():
        assert names == set(SERVICES), place


def test_services_are_the_folders() -> None:
    assert service_folders(REPOSITORY) == set(SERVICES)


def test_every_written_list_names_all_services() -> None:
    for place, names in services_in_documents(REPOSITORY).items():
        assert names == set(SERVICES), place


def test_no_module_writes_the_list_of_services_again() -> None:
    """A line with all names but one is a list that a new service would be missing from."""
    folders = ("services", "gateway", "shared", "deploy", "tests")
    copies = [
        f"{path.relative_to(REPOSITORY)}:{number}"
        for folder in folders
        for path in (REPOSITORY / folder).rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if sum(f'"{service}"' in line for service in SERVICES) >= len(SERVICES) - 1
    ]
    assert [place.partition(":")[0] for place in copies] == ["shared/config.py"]
