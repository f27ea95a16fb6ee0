"""What ``saldo top`` shows: states, positions, and rates between two samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf

import msgspec

from services.bus_commands.broker import QueueFigures
from services.top.samples import DOWN, Labels, Sample

_BAD = ("unavailable", "internal", "failed")
"""Outcomes of calls that are no refusal: see shared.errors."""
_P95 = 0.95

Wanted = Callable[[Labels], bool]


class ProcessFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A process: its state, the share of a core that it takes, its memory in MiB."""

    process: str
    state: str
    cpu: float | None
    memory: float | None


class HttpFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateways answer; times in milliseconds."""

    requests: float
    errors: float
    p95: float | None
    in_progress: int
    connections: int


class ServiceFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A service: rates per second, positions, and what its relay and live feed owe."""

    service: str
    events: float
    log: int | None
    relay_events: int | None
    relay_seconds: float | None
    live_events: int | None
    parked: int | None
    calls: float
    bad_calls: float
    p95: float | None


class ReactionFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Reactions of a service to an upstream: how far they are behind what it has published."""

    service: str
    upstream: str
    events: float
    behind: int | None
    seconds: float


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """The whole installation; ``queues`` are None where the broker was not asked, or is down."""

    processes: list[ProcessFigures]
    http: HttpFigures
    services: list[ServiceFigures]
    reactions: list[ReactionFigures]
    queues: list[QueueFigures] | None

    @property
    def all_ready(self) -> bool:
        """Whether every process is ready."""
        return all(process.state == "ready" for process in self.processes)


class Series:
    """The series of all processes: growth between two samples, and the values of the second."""

    def __init__(self, before: Mapping[str, Sample], after: Mapping[str, Sample]) -> None:
        self._pairs = [(before.get(name, DOWN), sample) for name, sample in after.items()]
        self._rates: dict[str, list[tuple[Labels, float]]] = {}

    def rate(self, metric: str, wanted: Wanted = lambda _: True) -> float:
        """Return the growth per second of the series that are wanted, over all processes."""
        return sum(rate for labels, rate in self._rates_of(metric) if wanted(labels))

    def largest(self, metric: str, **labels: str) -> float | None:
        """Return the largest value of a gauge with these labels; None where nobody has one.

        Several workers of a service report the same.
        """
        found = [value for _, value in self.matching(metric, **labels)]
        return max(found, default=None)

    def total(self, metric: str) -> float:
        """Return the sum of a gauge over all processes."""
        return sum(value for _, value in self.matching(metric))

    def matching(self, metric: str, **labels: str) -> Iterable[tuple[Labels, float]]:
        """Yield the series of the second sample that have these labels."""
        for _, sample in self._pairs:
            for found, value in sample.of(metric):
                if labels.items() <= found.items():
                    yield found, value

    def p95(self, histogram: str, wanted: Wanted = lambda _: True) -> float | None:
        """Return the 95th percentile in milliseconds; None where nothing was observed between."""
        buckets: dict[float, float] = {}
        for labels, rate in self._rates_of(f"{histogram}_bucket"):
            if wanted(labels):
                bound = float(labels["le"])
                buckets[bound] = buckets.get(bound, 0.0) + rate
        return _percentile(sorted(buckets.items()))

    def _rates_of(self, metric: str) -> list[tuple[Labels, float]]:
        if metric not in self._rates:
            self._rates[metric] = [
                found
                for earlier, later in self._pairs
                if earlier is not DOWN and later is not DOWN
                for found in rates_between(earlier, later, metric)
            ]
        return self._rates[metric]


def picture_of(
    before: Mapping[str, Sample],
    after: Mapping[str, Sample],
    queues: Sequence[QueueFigures] | None,
) -> Picture:
    """Return what happened between two samples, and how things stand at the second."""
    series = Series(before, after)
    services = sorted(
        {
            found["service"]
            for metric in ("saldo_event_log_position", "saldo_rpc_served_total")
            for found, _ in series.matching(metric)
        }
    )
    pairs = sorted(
        {
            (found["service"], found["upstream"])
            for found, _ in series.matching("saldo_reaction_lag_seconds")
        }
    )
    return Picture(
        processes=[
            _process(name, before.get(name, DOWN), sample) for name, sample in after.items()
        ],
        http=_http(series),
        services=[_service(series, name) for name in services],
        reactions=[_reaction(series, *pair) for pair in pairs],
        queues=None if queues is None else [queue for queue in queues if queue.is_foreign],
    )


def _process(name: str, before: Sample, after: Sample) -> ProcessFigures:
    memory = next((value for _, value in after.of("process_resident_memory_bytes")), None)
    cpu = None
    if before is not DOWN and after is not DOWN:
        cpu = sum(rate for _, rate in rates_between(before, after, "process_cpu_seconds_total"))
    return ProcessFigures(
        process=name,
        state=after.state,
        cpu=cpu,
        memory=None if memory is None else round(memory / 2**20, 1),
    )


def _http(series: Series) -> HttpFigures:
    name = "saldo_http_requests_total"
    return HttpFigures(
        requests=series.rate(name),
        errors=series.rate(name, lambda labels: labels["status"].startswith("5")),
        p95=series.p95("saldo_http_request_duration_seconds"),
        in_progress=int(series.total("saldo_http_requests_in_progress")),
        connections=int(series.total("saldo_http_connections")),
    )


def _service(series: Series, name: str) -> ServiceFigures:
    def mine(labels: Labels) -> bool:
        return labels["service"] == name

    def whole(metric: str) -> int | None:
        value = series.largest(metric, service=name)
        return None if value is None else int(value)

    return ServiceFigures(
        service=name,
        events=series.rate("saldo_event_log_appended_events_total", mine),
        log=whole("saldo_event_log_position"),
        relay_events=whole("saldo_relay_lag_events"),
        relay_seconds=series.largest("saldo_relay_lag_seconds", service=name),
        live_events=whole("saldo_live_lag_events"),
        parked=whole("saldo_parked_messages"),
        calls=series.rate("saldo_rpc_served_total", mine),
        bad_calls=series.rate(
            "saldo_rpc_served_total", lambda labels: mine(labels) and labels["outcome"] in _BAD
        ),
        p95=series.p95("saldo_rpc_served_duration_seconds", mine),
    )


def _reaction(series: Series, service: str, upstream: str) -> ReactionFigures:
    def mine(labels: Labels) -> bool:
        return (labels["service"], labels["upstream"]) == (service, upstream)

    published = series.largest("saldo_relay_published_position", service=upstream)
    position = series.largest("saldo_reaction_position", service=service, upstream=upstream) or 0.0
    return ReactionFigures(
        service=service,
        upstream=upstream,
        events=series.rate("saldo_reaction_events_total", mine),
        behind=None if published is None else max(0, int(published - position)),
        seconds=series.largest("saldo_reaction_lag_seconds", service=service, upstream=upstream)
        or 0.0,
    )


def rates_between(before: Sample, after: Sample, metric: str) -> Iterator[tuple[Labels, float]]:
    """Yield the growth per second of each series of a metric in one process."""
    seconds = max(0.001, after.at - before.at)
    earlier = {tuple(sorted(labels.items())): value for labels, value in before.of(metric)}
    for labels, value in after.of(metric):
        was = earlier.get(tuple(sorted(labels.items())), 0.0)
        # Less than before: the process has restarted.
        yield labels, (value - was if value >= was else value) / seconds


def _percentile(cumulative: Sequence[tuple[float, float]]) -> float | None:
    """Interpolate within a bucket, as Prometheus' histogram_quantile does."""
    if not cumulative or cumulative[-1][1] <= 0:
        return None
    rank, below, lower = _P95 * cumulative[-1][1], 0.0, 0.0
    for bound, count in cumulative:
        if count >= rank and bound != inf:
            part = (rank - below) / (count - below)
            return round((lower + (bound - lower) * part) * 1000, 1)
        if bound != inf:
            below, lower = count, bound
    return round(lower * 1000, 1)
