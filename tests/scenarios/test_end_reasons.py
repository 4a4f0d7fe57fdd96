"""Why a call ended is one and the same in its row, event, webhook, log line and metric, whichever way it ended."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from ringback.calls.outcome import Q850
from ringback.model.end_reason import Ending, EndReason
from ringback.model.ids import ParticipantId
from ringback.model.records import CallRecord
from ringback.rest.meters import Meters
from ringback.rest.metrics import Metrics
from ringback.testing.carrier.fake import FakePhone
from ringback.testing.rooms import DOMAIN
from ringback.testing.stage import Guest, Stage
from ringback.webhooks.bodies import body_of

HELLO = "hello"


@dataclass
class Scene:
    """A room with somebody in it, and a call."""

    stage: Stage
    ann: Guest
    phone: FakePhone


async def dialled_in(stage: Stage, *, answered: bool = True) -> Scene:
    user = stage.rooms.put(HELLO, endpoints=1, enable_dialout=True).room.endpoints[0]
    ann = await stage.join(HELLO, "Ann", owner=True)
    phone = stage.carrier.call_in(user)
    await stage.settle()
    assert phone.state == ("answered" if answered else "ringing")
    return Scene(stage, ann, phone)


async def dialled_out(stage: Stage, *, answered: bool = True) -> Scene:
    stage.rooms.put(HELLO, endpoints=1, enable_dialout=True)
    ann = await stage.join(HELLO, "Ann", owner=True)
    phone = stage.carrier.phone_of(await stage.dial_out(HELLO))
    phone.ring()
    if answered:
        phone.pick_up()
    await stage.settle()
    return Scene(stage, ann, phone)


async def dialling(stage: Stage) -> Scene:
    stage.rooms.put(HELLO, endpoints=1, enable_dialout=True)
    ann = await stage.join(HELLO, "Ann", owner=True)
    return Scene(stage, ann, stage.carrier.phone_of(await stage.dial_out(HELLO)))


Act = Callable[[Scene], Awaitable[object]]


async def hangs_up(scene: Scene) -> None:
    scene.phone.hang_up()


async def loses_the_dialog(scene: Scene) -> None:
    scene.phone.state = "over"
    scene.phone._events.ended(scene.phone.call, "gone")


async def misses_its_refresh(scene: Scene) -> None:
    scene.phone.state = "over"
    scene.phone._events.ended(scene.phone.call, "refresh-missed")


async def never_acknowledges(scene: Scene) -> None:
    scene.phone.state = "over"
    scene.phone._events.ended(scene.phone.call, "ack-timeout")


async def says_why(scene: Scene) -> None:
    scene.phone.state = "over"
    scene.phone._events.ended(scene.phone.call, "bye", "Q.850", 31)


async def falls_silent(scene: Scene) -> None:
    assert scene.stage.media.events is not None
    scene.stage.media.events.leg_silent(ParticipantId(scene.phone.call))


async def breaks_the_engine(scene: Scene) -> None:
    assert scene.stage.media.events is not None
    scene.stage.media.events.leg_failed(ParticipantId(scene.phone.call), "a bug")


async def is_ejected(scene: Scene) -> None:
    await scene.stage.meetings.eject(DOMAIN, scene.ann.seat.room, [scene.phone.call], [])


async def is_stopped(scene: Scene) -> None:
    await scene.stage.calls.stop_dial_out(DOMAIN, scene.ann.seat.room, scene.phone.call)


async def ann_leaves(scene: Scene) -> None:
    await scene.ann.seat.leave()


async def the_server_ends(scene: Scene) -> None:
    await scene.stage.meetings.close_all()


def refuses(status: int, reason: str, cause: str = "answer", q850: int | None = None) -> Act:
    async def act(scene: Scene) -> None:
        scene.phone.refuse(status, reason, cause, q850=q850)

    return act


Expected = tuple[str, str, int | None, int | None]

CASES: list[tuple[Callable[[Stage], Awaitable[Scene]], Act, Expected]] = [
    (dialled_in, hangs_up, ("hangup-remote", "nobody", None, None)),
    (dialled_in, says_why, ("hangup-remote", "nobody", None, 31)),
    (dialled_in, loses_the_dialog, ("dialog-gone", "remote", None, None)),
    (dialled_in, misses_its_refresh, ("refresh-missed", "remote", None, None)),
    (dialled_in, never_acknowledges, ("ack-timeout", "network", None, None)),
    (dialled_in, falls_silent, ("media-timeout", "network", None, 102)),
    (dialled_in, breaks_the_engine, ("internal-error", "ours", None, 41)),
    (dialled_in, is_ejected, ("ejected", "nobody", None, 16)),
    (dialled_in, ann_leaves, ("meeting-ended", "nobody", None, 16)),
    (dialled_in, the_server_ends, ("server-drain", "ours", None, 41)),
    (dialled_out, hangs_up, ("hangup-remote", "nobody", None, None)),
    (dialled_out, is_stopped, ("hangup-local", "nobody", None, 16)),
    (dialled_out, falls_silent, ("media-timeout", "network", None, 102)),
    (dialled_out, the_server_ends, ("server-drain", "ours", None, 41)),
    (dialling, is_stopped, ("cancelled-local", "nobody", None, 16)),
    (dialling, ann_leaves, ("meeting-ended", "nobody", None, 16)),
    (dialling, refuses(486, "Busy Here", q850=17), ("busy", "remote", 486, 17)),
    (dialling, refuses(603, "Decline"), ("declined", "remote", 603, None)),
    (dialling, refuses(404, "Not Found", q850=1), ("rejected", "remote", 404, 1)),
    (dialling, refuses(488, "Not Acceptable Here"), ("no-common-codec", "remote", 488, None)),
    (dialling, refuses(0, "no answer", "timeout"), ("unreachable", "network", 408, None)),
    (dialling, refuses(0, "refused", "transport"), ("unreachable", "network", 503, None)),
    (dialling, refuses(0, "no address", "resolve"), ("unresolvable", "caller", 503, None)),
    (dialling, refuses(0, "not allowed", "policy"), ("refused", "caller", None, None)),
    (dialling, refuses(0, "wrong certificate", "tls"), ("untrusted", "remote", 503, None)),
    (dialling, refuses(480, "not registered", "unregistered"), ("not-registered", "remote", 480, None)),
]


@pytest.mark.parametrize(
    ("begin", "act", "expected"), CASES, ids=[f"{begin.__name__}-{expected[0]}" for begin, _, expected in CASES]
)
async def test_the_end_is_told_alike_everywhere(
    begin: Callable[[Stage], Awaitable[Scene]], act: Act, expected: Expected
) -> None:
    async with Stage() as stage:
        scene = await begin(stage)
        call = scene.phone.call
        with capture_logs() as logs:
            await act(scene)
            await stage.settle()

        row = stage.records.calls[call]
        assert row.end is not None
        assert as_told(row.end) == expected
        (line,) = [entry for entry in logs if entry["event"] == "call.ended"]
        logged = (line["reason"], line["fault"], line.get("sip_status"), line.get("q850"))
        assert logged == expected and line.get("sip_reason") == row.end.sip_reason
        over = [event for event in stage.records.events if event.name.endswith(("-stopped", "-error"))]
        ends = [event for event in over if "reason" in event.payload]
        (event,) = ends
        told = event.payload
        assert (told["reason"], told["fault"], told.get("sipStatusCode"), told.get("q850")) == expected
        body = body_of(event)
        assert body is not None
        sent = json.loads(body.text)["payload"]
        assert (sent["reason"], sent["fault"], sent.get("sip_status_code"), sent.get("q850")) == expected
        assert counted(row) == f'direction="{row.direction}",fault="{expected[1]}",reason="{expected[0]}"'
        assert row.timeline[-1]["step"] == "ended" and row.timeline[-1]["reason"] == expected[0]


async def test_a_kill_is_told_alike_everywhere() -> None:
    async with Stage(check=False) as first:
        scene = await dialled_in(first)
        left = first.records.snapshot()
        call = scene.phone.call
    async with Stage(left) as second:
        row = second.records.calls[call]
        assert row.end is not None
        expected = ("server-restart", "ours", None, 41)
        assert as_told(row.end) == expected
        (event,) = [event for event in second.records.events if event.name == "dialin-stopped"]
        told = event.payload
        assert (told["reason"], told["fault"], told.get("sipStatusCode"), told.get("q850")) == expected


async def test_a_caller_who_gives_up_has_said_so_in_its_row() -> None:
    async with Stage(ports=0) as stage:
        scene = await dialled_in(stage, answered=False)

        scene.phone.state = "over"
        scene.phone._events.cancelled(scene.phone.call, "Q.850", 26)
        await stage.settle()

        end = stage.records.calls[scene.phone.call].end
        assert end is not None and as_told(end) == ("cancelled-remote", "nobody", 487, 26)


async def test_a_refused_caller_is_recorded_with_the_status_it_got() -> None:
    async with Stage(ports=0) as stage:
        scene = await dialled_in(stage, answered=False)

        await scene.ann.seat.leave()
        await stage.settle()

        end = stage.records.calls[scene.phone.call].end
        assert end is not None and end.sip_status == scene.phone.status == 480


def as_told(end: EndReason) -> Expected:
    return end.ending.value, end.fault.value, end.sip_status, end.q850


def counted(row: CallRecord) -> str:
    """Labels of the only series of ended calls."""
    meters = Meters()
    meters.ended(row)
    text = Metrics(dict, meters).text().decode()
    (line,) = [line for line in text.splitlines() if line.startswith("ringback_calls_ended_total{")]
    return line.partition("{")[2].partition("}")[0]


def test_whatever_we_hang_up_for_has_a_cause_that_the_telephone_network_knows() -> None:
    theirs = {
        "hangup-remote", "cancelled-remote", "busy", "declined", "rejected", "refused", "unreachable", "untrusted",
        "unresolvable", "not-registered", "dialog-gone",
    }  # fmt: skip

    assert {ending.value for ending in Ending if ending not in Q850} == theirs
    assert all(0 < cause < 128 for cause in Q850.values())
