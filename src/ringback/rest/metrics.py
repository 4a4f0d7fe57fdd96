"""Counts and durations of requests, and what runs now, for Prometheus."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ringback.rest.meters import Meters

BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Metrics:
    """This application's own registry, shown together with the process's.

    Args:
        running: How many there are now, by what (``meetings``, ``participants``, ``calls``).
        meters: What happened.
        engine: Counters of the media engine, which only rise (but ``rooms`` and ``legs``).
        engine_workers: The same of each of its workers.
    """

    def __init__(
        self,
        running: Callable[[], Mapping[str, float]],
        meters: Meters | None = None,
        engine: Callable[[], Mapping[str, int]] = dict,
        engine_workers: Callable[[], Sequence[Mapping[str, int]]] = tuple,
    ) -> None:
        self._meters = meters or Meters()
        self._registry = CollectorRegistry()
        self._registry.register(_Running(running))
        self._registry.register(_Engine(engine, engine_workers))
        self._requests = Counter(
            "ringback_http_requests", "Requests answered.", ["method", "path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "ringback_http_request_seconds",
            "Time to answer.",
            ["method", "path"],
            registry=self._registry,
            buckets=BUCKETS_SECONDS,
        )

    def watch_trunks(self, trunks: Callable[[], Iterator[tuple[str, str, bool, int]]]) -> None:
        """Show trunks too: each host as (trunk, host, whether it is known to be down, calls of the trunk)."""
        self._registry.register(_Trunks(trunks))

    def request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one answered request; ``path`` is its template, so that names make no series."""
        self._requests.labels(method, path, str(status)).inc()
        self._seconds.labels(method, path).observe(seconds)

    def text(self) -> bytes:
        """The exposition format."""
        return b"".join(generate_latest(each) for each in (self._registry, self._meters.registry, REGISTRY))


class _Running(Collector):
    def __init__(self, running: Callable[[], Mapping[str, float]]) -> None:
        self._running = running

    def collect(self) -> Iterator[Metric]:
        for name, value in self._running().items():
            yield GaugeMetricFamily(f"ringback_{name}", f"How many {name} there are now.", value=value)


class _Engine(Collector):
    def __init__(
        self, engine: Callable[[], Mapping[str, int]], workers: Callable[[], Sequence[Mapping[str, int]]]
    ) -> None:
        self._engine = engine
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        for name, value in self._engine().items():
            if name in ("rooms", "legs"):
                yield GaugeMetricFamily(f"ringback_media_{name}", f"Media engine: {name} open now.", value=value)
            elif name == "cpu_us":
                seconds = value / 1_000_000
                yield CounterMetricFamily("ringback_media_cpu_seconds", "CPU time of the media threads.", value=seconds)
            else:
                words = name.replace("_", " ")
                yield CounterMetricFamily(f"ringback_media_{name}", f"Media engine: {words}.", value=value)
        yield from self._of_each(self._workers())

    @staticmethod
    def _of_each(workers: Sequence[Mapping[str, int]]) -> Iterator[Metric]:
        """What tells whether one of several is busier than the others."""
        head, labels = "ringback_media_worker_", ["worker"]
        rooms = GaugeMetricFamily(f"{head}rooms", "Rooms open now on a media thread.", labels=labels)
        legs = GaugeMetricFamily(f"{head}legs", "Legs open now on a media thread.", labels=labels)
        cpu = CounterMetricFamily(f"{head}cpu_seconds", "CPU time of a media thread.", labels=labels)
        late = CounterMetricFamily(f"{head}ticks_late", "Rounds of a room's sound that began late.", labels=labels)
        for number, counted in enumerate(workers):
            label = [str(number)]
            rooms.add_metric(label, counted["rooms"])
            legs.add_metric(label, counted["legs"])
            cpu.add_metric(label, counted["cpu_us"] / 1_000_000)
            late.add_metric(label, counted["ticks_late"])
        yield from (rooms, legs, cpu, late)


class _Trunks(Collector):
    def __init__(self, trunks: Callable[[], Iterator[tuple[str, str, bool, int]]]) -> None:
        self._trunks = trunks

    def collect(self) -> Iterator[Metric]:
        down = GaugeMetricFamily(
            "ringback_trunk_down", "Whether a trunk's host does not answer.", labels=["trunk", "host"]
        )
        calls = GaugeMetricFamily("ringback_trunk_calls", "Calls that a trunk carries now.", labels=["trunk"])
        carried: dict[str, int] = {}
        for trunk, host, is_down, running in self._trunks():
            carried[trunk] = running
            if host:
                down.add_metric([trunk, host], float(is_down))
        for trunk, running in carried.items():
            calls.add_metric([trunk], running)
        yield from (down, calls)
