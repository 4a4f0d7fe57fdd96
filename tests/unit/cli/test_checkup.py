"""What the doctor makes of what a server says of itself, twice."""

from typing import Any

import pytest

from ringback.cli.checkup import Looks, figures, judge, refusals, trunks_down
from ringback.model.values import replace
from ringback.numbers.diagnosis import FAILED, OK, WARNING, Finding

CALM = Looks(
    before={},
    after={
        "ringback_loop_lag_seconds_count": 20,
        "ringback_loop_lag_seconds_sum": 0.02,
        "process_cpu_seconds_total": 0.2,
    },
    seconds=2.0,
    now=1_800_000_000.0,
)


def wrong(looks: Looks) -> list[Finding]:
    return [finding for finding in judge(looks) if finding.verdict != OK]


def counting(**changes: float) -> Looks:
    return replace(CALM, after={**CALM.after, **{f"ringback_{name}": value for name, value in changes.items()}})


def call(reason: str, fault: str, ended_at: str = "2027-01-15T07:50:00.000Z") -> dict[str, Any]:
    return {"end": {"reason": reason, "fault": fault}, "ended_at": ended_at}


def test_a_server_that_keeps_up_is_fine() -> None:
    assert wrong(CALM) == []


@pytest.mark.parametrize(("cpu_seconds", "whose"), [(0.4, "others take the rest"), (1.96, "itself")])
def test_a_server_that_is_late_is_told_with_who_takes_the_processor(cpu_seconds: float, whose: str) -> None:
    late = {**CALM.after, "ringback_loop_lag_seconds_sum": 4.0, "process_cpu_seconds_total": cpu_seconds}

    (finding,) = wrong(replace(CALM, after=late))

    assert finding.verdict == FAILED and "200 ms" in finding.words and whose in finding.words


def test_a_media_thread_that_is_late_is_told() -> None:
    assert "its sound 30 times a second" in wrong(counting(media_ticks_late_total=60))[0].words


def test_a_store_that_cannot_write_is_told_and_one_that_is_slow_too() -> None:
    assert "turned away" in wrong(counting(store_failing=1))[0].words
    assert "500 changes wait" in wrong(counting(store_units_waiting=500))[0].words


def test_webhooks_that_are_told_nothing_are_named_with_the_command_that_mends_them() -> None:
    row = {"uuid": "w1", "url": "https://example.com/", "state": "FAILED", "failedCount": 3}

    (finding,) = wrong(replace(CALM, webhooks=[row, {**row, "state": "ACTIVE"}]))

    assert finding.verdict == FAILED and "ringback webhooks resume w1" in finding.fix


def test_trunks_that_do_not_answer_or_do_not_register_are_named() -> None:
    first, second = wrong(replace(counting(trunks_failing_to_register=1), down=[("acme", "sip.example:5060")]))

    assert "sip.example:5060 of acme" in first.words and "--trunk acme" in first.fix
    assert "1 cannot register" in second.words


def test_an_end_that_calls_of_the_hour_share_is_told_once_with_what_to_do() -> None:
    """One call may end for any reason; what ended an hour ago was somebody else's night."""
    calls = [call("ack-timeout", "network")] * 4 + [call("busy", "remote")] * 2 + [call("hangup-remote", "nobody")] * 9
    old = [call("media-timeout", "network", "2027-01-15T06:50:00.000Z")] * 9

    (finding,) = wrong(replace(CALM, calls=[*calls, {"end": None, "ended_at": None}, *old]))

    assert finding.verdict == WARNING and finding.words.startswith("4 of the last 15 calls")
    assert "RINGBACK_SIP__PUBLIC_ADDRESS" in finding.fix


def test_callers_that_were_turned_away_are_counted_by_rule() -> None:
    (finding,) = [one for one in judge(replace(CALM, refused={"nobody-joined": 2, "endpoint-in-use": 7})) if one.fix]

    assert finding.words.endswith("endpoint-in-use 7, nobody-joined 2") and finding.verdict == OK


def test_metrics_are_read_as_prometheus_writes_them() -> None:
    text = (
        "# TYPE ringback_calls gauge\nringback_calls 3.0\n"
        "# TYPE ringback_trunk_down gauge\n"
        'ringback_trunk_down{host="192.0.2.1:5060",trunk="a carrier"} 1.0\n'
        'ringback_trunk_down{host="192.0.2.2:5060",trunk="a carrier"} 0.0\n'
        "# TYPE ringback_calls_refused counter\n"
        'ringback_calls_refused_total{rule="nobody-joined"} 2.0\n'
    )

    assert figures(text) == {"ringback_calls": 3.0}
    assert refusals(text) == {"nobody-joined": 2.0}
    assert trunks_down(text) == [("a carrier", "192.0.2.1:5060")]
