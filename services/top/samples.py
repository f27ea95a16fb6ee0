"""What the processes of an installation answer to ``/readyz`` and ``/metrics``, at one moment."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests
from prometheus_client.parser import text_string_to_metric_families

from shared.config import ConfigurationError

PREFIX = "SALDO_MONITORING_URL_"
TIMEOUT_S = 3.0

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """One process: ``state`` is ``ready``, ``not ready: ...`` or ``down``."""

    state: str
    at: float = 0.0
    values: Mapping[str, list[tuple[Labels, float]]] = field(default_factory=dict)

    def of(self, metric: str) -> Iterator[tuple[Labels, float]]:
        """Yield the series of a metric."""
        yield from self.values.get(metric, ())


DOWN = Sample("down")


def monitored(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the monitoring URL of each process by its name; raises ConfigurationError."""
    found = {
        name.removeprefix(PREFIX).lower(): url.rstrip("/")
        for name, url in sorted(environ.items())
        if name.startswith(PREFIX) and url
    }
    if not found:
        raise ConfigurationError(
            f"set {PREFIX}<PROCESS> to the monitoring URL of each process, as "
            f"{PREFIX}GATEWAY=http://127.0.0.1:18081; `make up` writes them to .saldo/env"
        )
    return found


def sampled(urls: Mapping[str, str]) -> dict[str, Sample]:
    """Ask all processes at once; one that does not answer is down."""
    with ThreadPoolExecutor(max_workers=max(1, len(urls))) as pool:
        return dict(zip(urls, pool.map(_sample, urls.values()), strict=True))


def _sample(url: str) -> Sample:
    try:
        with requests.Session() as session:
            session.trust_env = False  # proxies of the environment lead away from the installation
            ready = session.get(f"{url}/readyz", timeout=TIMEOUT_S)
            metrics = session.get(f"{url}/metrics", timeout=TIMEOUT_S)
        metrics.raise_for_status()
        needs = ready.json().get("needs", {})
    except (requests.RequestException, ValueError):
        return DOWN
    values: dict[str, list[tuple[Labels, float]]] = {}
    for family in text_string_to_metric_families(metrics.text):
        for sample in family.samples:
            values.setdefault(sample.name, []).append((sample.labels, sample.value))
    missing = sorted(name for name, state in needs.items() if state != "ok")
    state = "ready" if ready.status_code == 200 else f"not ready: {', '.join(missing)}"
    return Sample(state, time.monotonic(), values)
