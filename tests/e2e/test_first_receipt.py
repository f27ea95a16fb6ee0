"""«От нуля до квитанции»: the commands of the page, run in bash as the page prints them."""

from __future__ import annotations

import html
import json
import re
import subprocess
from pathlib import Path

import pytest
import requests

from deploy.embedded.installation import Installation
from deploy.embedded.surroundings import PLAIN_ENVIRONMENT

pytestmark = pytest.mark.nodes

PATIENCE_SECONDS = 120
"""The commands wait for letters and for the bank; a defect would make them wait for ever."""
PRINTED = re.compile(r"<pre><code>(.*?)</code></pre>", re.DOTALL)


def test_the_printed_commands_lead_from_nothing_to_a_receipt(
    installation: Installation, tmp_path: Path
) -> None:
    page = requests.get(f"{installation.environment['SALDO_URL']}/api/start", timeout=20)
    commands = [html.unescape(text) for text in PRINTED.findall(page.text)]
    assert 0 < len(commands) <= 10
    (tmp_path / ".saldo").symlink_to(installation.state.root)

    done = subprocess.run(
        ["bash", "-e", "-x", "-o", "pipefail"],
        input="\n".join(commands),
        cwd=tmp_path,
        env=PLAIN_ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    answers = list(json_in(done.stdout))
    (started,) = [one for one in answers if "redirect_url" in one and "receipt" not in one]
    receipt = answers[-1]
    assert receipt["payment"]["payment_id"] == started["payment_id"]
    assert receipt["payment"]["total"] == started["total"] == 100_000
    assert receipt["payment"]["state"] in {"captured", "completed"}


def json_in(text: str) -> list[dict[str, object]]:
    """Return the JSON objects that stand in an output one after another."""
    decoder, found, position = json.JSONDecoder(), [], text.find("{")
    while position >= 0:
        value, end = decoder.raw_decode(text, position)
        found.append(value)
        position = text.find("{", end)
    return found
