"""What happened, counted for Prometheus: calls and why they ended, how they sounded, webhooks, the loop's lag.

No label takes a value from a stranger: directions, endings and faults are our own words, a few dozen in all.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram

from ringback.model.records import CallRecord

SETUP_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120)
TALK_SECONDS = (1, 5, 15, 30, 60, 180, 600, 1800, 3600, 14_400)
SCORES = (1.5, 2, 2.5, 3, 3.5, 3.8, 4, 4.2, 4.3, 4.4, 4.5)
LOSS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
LAG_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)


class Meters:
    """Told what happened; shown by ``Metrics``.

    Attributes:
        registry: Where the counters are.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._ended = Counter(
            "ringback_calls_ended",
            "Calls that ended, by why and whose fault it was.",
            ["direction", "reason", "fault"],
            registry=registry,
        )
        self._refused = Counter(
            "ringback_calls_refused", "Calls that were turned away, by our rule.", ["rule"], registry=registry
        )
        self._setup = Histogram(
            "ringback_call_setup_seconds",
            "From the first INVITE to the answer.",
            ["direction"],
            registry=registry,
            buckets=SETUP_SECONDS,
        )
        self._talk = Histogram(
            "ringback_call_talk_seconds",
            "From the answer to the end.",
            ["direction"],
            registry=registry,
            buckets=TALK_SECONDS,
        )
        self._transcoded = Counter(
            "ringback_call_transcoded_seconds", "Talked in a codec that nobody had asked for.", registry=registry
        )
        self._mos = Histogram(
            "ringback_call_mos",
            "How a call sounded: heard by us, or at the far end by its reports.",
            ["heard_by"],
            registry=registry,
            buckets=SCORES,
        )
        self._loss = Histogram(
            "ringback_call_loss_ratio",
            "Packets of a call that never came, to us or to the far end by its reports.",
            ["heard_by"],
            registry=registry,
            buckets=LOSS,
        )
        self._posts = Counter(
            "ringback_webhook_posts", "POSTs to webhooks, by what became of them.", ["result"], registry=registry
        )
        self._lag = Histogram(
            "ringback_loop_lag_seconds",
            "How late the event loop runs what is due.",
            registry=registry,
            buckets=LAG_SECONDS,
        )

    def ended(self, call: CallRecord) -> None:
        """A call is over; told once, when its row says so."""
        assert call.end is not None, "told of calls that ended"
        direction = call.direction.value
        self._ended.labels(direction, call.end.ending.value, call.end.fault.value).inc()
        if call.answered_at is None:
            return
        self._setup.labels(direction).observe(max(0.0, call.answered_at - call.created_at))
        self._talk.labels(direction).observe(call.talked_ms / 1000)
        self._transcoded.inc(call.transcoded_ms / 1000)
        for heard_by, score, loss in (("us", "mos", "loss_percent"), ("them", "remote_mos", "remote_loss_percent")):
            if isinstance(value := call.sound.get(score), (int, float)):
                self._mos.labels(heard_by).observe(value)
            if isinstance(value := call.sound.get(loss), (int, float)):
                self._loss.labels(heard_by).observe(value / 100)

    def refused(self, rule: str) -> None:
        """A call was turned away; ``rule`` is one of our own words."""
        self._refused.labels(rule).inc()

    def posted(self, result: str) -> None:
        """A webhook was sent something: ``delivered``, ``failed`` (tried again) or ``dropped``."""
        self._posts.labels(result).inc()

    def lagged(self, seconds: float) -> None:
        """The event loop was that late."""
        self._lag.observe(max(0.0, seconds))
