"""Debian's package of Prometheus: `promtool` for the alarms, the server for panels of dashboards.

It is unpacked into `.saldo/prometheus/` and not installed: no service, no user, no root.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.ports import free_port
from tests.waiting import eventually

CACHE = Path(__file__).parents[1] / ".saldo" / "prometheus"


def program(name: str) -> str:
    """Return the path of `promtool` or `prometheus`.

    Skips the test where the package is neither there nor to be had.
    """
    if found := shutil.which(name):
        return found
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / "package" / "usr" / "bin" / name
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other workers wait for the one that unpacks
        if not path.exists():
            _unpack(CACHE / "package")
    return str(path)


def _unpack(folder: Path) -> None:
    if shutil.which("apt-get") is None:
        pytest.skip("Prometheus is neither installed nor, without apt-get, to be had")
    download = ["apt-get", "download", "prometheus"]
    if subprocess.run(download, cwd=CACHE, capture_output=True, check=False).returncode:
        # Without lists of packages nothing is found; whoever may not update them has had a try.
        subprocess.run(["apt-get", "update"], capture_output=True, check=False)
        done = subprocess.run(download, cwd=CACHE, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"Debian's package of Prometheus cannot be had: {done.stderr[:300]}")
    [package] = CACHE.glob("prometheus_*.deb")
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder)], check=True)
    package.unlink()


class Prometheus:
    """A running server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an instant query; fails the test where it is refused."""
        answer = requests.get(
            f"{self._url}/api/v1/query", params={"query": expression}, timeout=30
        ).json()
        assert answer["status"] == "success", (expression, answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def ready(self) -> bool:
        """Return whether the server answers."""
        try:
            return requests.get(f"{self._url}/-/ready", timeout=5).status_code == 200
        except requests.RequestException:
            return False


@contextmanager
def scraping(targets: Mapping[str, str], rules: Path, folder: Path) -> Iterator[Prometheus]:
    """Run a server that scrapes processes each second, and evaluates rules as often.

    ``targets`` are addresses ("host:port") by the name of the process.
    """
    folder.mkdir()
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": "saldo",
                "static_configs": [
                    {"targets": [address], "labels": {"process": name}}
                    for name, address in targets.items()
                ],
            }
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            running = Prometheus(f"http://{address}")
            eventually(running.ready, "Prometheus is ready", seconds=60)
            yield running
        finally:
            process.terminate()
