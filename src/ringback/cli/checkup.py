"""What ``ringback doctor`` asks a server that runs: whether it keeps up, what it cannot reach, how its calls end."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Any, NoReturn

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from ringback.calls.advice import by_words
from ringback.cli.client import Client, connect
from ringback.cli.webhooks import FAILED as WEBHOOK_FAILED
from ringback.cli.webhooks import what_to_do as what_to_do_about_webhook
from ringback.model.end_reason import Fault
from ringback.model.values import dataclass
from ringback.numbers.diagnosis import FAILED, OK, SKIPPED, WARNING, Finding

LOOK_SECONDS = 2.0
"""Between the two looks at what is counted."""

LATE_LOOP_SECONDS = 0.05
LATE_TICKS_A_SECOND = 2.5
"""Of a media thread that has fifty a second to do for its rooms."""

BUSY = 0.85
"""Share of one processor from which a process is the one that takes it all."""

MANY_WAITING = 100
RECENT_SECONDS = 3600.0
FEW_CALLS = 3
"""Calls that ended badly for one reason, below which that may be chance."""

Figures = Mapping[str, float]
"""A metric's name → its value; those with labels are left out."""


class NotAsked(Exception):
    """The server cannot be asked; its words say why."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What a server said of itself, twice.

    Attributes:
        seconds: Between the two looks.
        not_ready: What ``/readyz`` says against it; empty when it is ready.
        webhooks, calls: As the API lists them.
        down: Hosts of trunks that do not answer, as (trunk, host).
        refused: Calls that were turned away since the server started, by rule.
        now: Unix seconds.
    """

    before: Figures
    after: Figures
    seconds: float
    not_ready: str = ""
    webhooks: Sequence[Mapping[str, Any]] = ()
    calls: Sequence[Mapping[str, Any]] = ()
    down: Sequence[tuple[str, str]] = ()
    refused: Figures = field(default_factory=dict)
    now: float = 0.0

    def since(self, name: str) -> float:
        return self.after.get(name, 0.0) - self.before.get(name, 0.0)


def look(pause: Callable[[float], None] = time.sleep) -> list[Finding]:
    """Ask the server that settings and environment point to; one finding that says so when it cannot be asked."""
    try:
        client = connect(fail=_not_asked)
        looks = _look(client, pause)
    except NotAsked as error:
        return [Finding("server", SKIPPED, f"not asked: {error}")]
    return [_server(client.base_url, looks), *judge(looks)]


def judge(looks: Looks) -> list[Finding]:
    """What is wrong with a server that answers, and what to do."""
    found = (_processor, _store, _trunks, _webhooks, _calls, _refusals)
    return [finding for look in found for finding in look(looks)]


def _not_asked(sentence: str) -> NoReturn:
    raise NotAsked(sentence)


def _look(client: Client, pause: Callable[[float], None]) -> Looks:
    not_ready = client.ready()
    before, began = figures(client.page("/metrics")), time.monotonic()
    pause(LOOK_SECONDS)
    metrics = client.page("/metrics")
    return Looks(
        before=before,
        after=figures(metrics),
        seconds=time.monotonic() - began,
        not_ready=not_ready,
        webhooks=client.get("/webhooks"),
        calls=client.get("/ringback/calls", limit=100)["data"],
        down=trunks_down(metrics),
        refused=refusals(metrics),
        now=time.time(),
    )


def figures(text: str) -> dict[str, float]:
    """Metrics in Prometheus' text format that have no labels."""
    return {sample.name: sample.value for sample in _samples(text) if not sample.labels}


def trunks_down(text: str) -> list[tuple[str, str]]:
    """Hosts of trunks that do not answer, as (trunk, host)."""
    asked = (sample for sample in _samples(text) if sample.name == "ringback_trunk_down" and sample.value)
    return [(sample.labels["trunk"], sample.labels["host"]) for sample in asked]


def refusals(text: str) -> dict[str, float]:
    """Calls that were turned away, by rule."""
    counted = (sample for sample in _samples(text) if sample.name == "ringback_calls_refused_total")
    return {sample.labels["rule"]: sample.value for sample in counted}


def _samples(text: str) -> Iterator[Sample]:
    return (sample for family in text_string_to_metric_families(text) for sample in family.samples)


def _server(url: str, looks: Looks) -> Finding:
    if looks.not_ready:
        fix = "it takes no new calls; mend that, or wait until it has started or stopped"
        return Finding("server", FAILED, f"{url} is not ready: {looks.not_ready}", fix)
    count = looks.after.get("ringback_calls", 0.0)
    return Finding("server", OK, f"{url} is ready, with {count:.0f} call{'s' * (count != 1)}")


def _processor(looks: Looks) -> Iterator[Finding]:
    looked = looks.since("ringback_loop_lag_seconds_count")
    lag = looks.since("ringback_loop_lag_seconds_sum") / looked if looked else 0.0
    late = looks.since("ringback_media_ticks_late_total") / looks.seconds
    share = looks.since("process_cpu_seconds_total") / looks.seconds
    if lag <= LATE_LOOP_SECONDS and late <= LATE_TICKS_A_SECOND:
        yield Finding("processor", OK, f"the server keeps up, and takes {share:.0%} of one processor")
        return
    words = f"the server is late: its signalling by {lag * 1000:.0f} ms, its sound {late:.0f} times a second"
    if share < BUSY:
        fix = "see with top what else does, or give the machine more processors"
        yield Finding("processor", FAILED, f"{words}; it takes {share:.0%} of a processor, others take the rest", fix)
    else:
        fix = "fewer calls for it, or a faster machine: docs/benchmarks.md says what a call costs"
        yield Finding("processor", FAILED, f"{words}; it takes {share:.0%} of a processor itself", fix)


def _store(looks: Looks) -> Iterator[Finding]:
    waiting = looks.after.get("ringback_store_units_waiting", 0.0)
    if looks.after.get("ringback_store_failing"):
        fix = "free room on its disk, or bring the database back; store.failed in the log has its words"
        yield Finding("store", FAILED, "what is to be kept cannot be written, so calls are turned away", fix)
    elif waiting > MANY_WAITING:
        fix = "look at the disk, or at the way to the database: it is slower than calls come"
        yield Finding("store", WARNING, f"{waiting:.0f} changes wait to be written", fix)
    else:
        yield Finding("store", OK, "what is to be kept is written at once")


def _trunks(looks: Looks) -> Iterator[Finding]:
    for trunk, host in looks.down:
        fix = f"ringback doctor --trunk {trunk} looks at it and says the fix"
        yield Finding("trunks", FAILED, f"{host} of {trunk} does not answer", fix)
    if failing := looks.after.get("ringback_trunks_failing_to_register"):
        fix = "look at its credentials: ringback doctor --trunk NAME"
        yield Finding("trunks", FAILED, f"{failing:.0f} cannot register with the carrier: no calls come from it", fix)


def _webhooks(looks: Looks) -> Iterator[Finding]:
    for webhook in looks.webhooks:
        if webhook["state"] == WEBHOOK_FAILED:
            words = f"{webhook['url']} failed {webhook['failedCount']} times in a row, and is told nothing"
            yield Finding("webhooks", FAILED, words, what_to_do_about_webhook(webhook["uuid"]))


def _calls(looks: Looks) -> Iterator[Finding]:
    """Ends that several calls of the last hour had, which none of the two wished."""
    recent = [call for call in looks.calls if call["end"] and _unix(call["ended_at"]) > looks.now - RECENT_SECONDS]
    ends = Counter((call["end"]["reason"], call["end"]["fault"]) for call in recent)
    for (reason, fault), count in ends.most_common():
        if fault == Fault.NOBODY or count < FEW_CALLS:
            continue
        words = f"{count} of the last {len(recent)} calls of this hour ended as {reason}, fault: {fault}"
        yield Finding("calls", WARNING, words, _advice(reason, fault))


def _refusals(looks: Looks) -> Iterator[Finding]:
    """Busy signals and the like: callers that were never let in have no row."""
    if looks.refused:
        most = sorted(looks.refused.items(), key=lambda rule: -rule[1])
        words = ", ".join(f"{rule} {count:.0f}" for rule, count in most)
        fix = "call.refused in the log names each caller; docs/guides/woken-at-night.md says what the rules mean"
        yield Finding("refusals", OK, f"calls turned away since it started, by rule: {words}", fix)


def _advice(reason: str, fault: str) -> str:
    known = by_words(reason, fault, 0.0)
    return f"ringback calls list --reason {reason}" if known is None else known


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
