"""Calls, their diagnosis, usage and metrics over REST: filters, refusals, and whose calls are shown."""

import pytest

from contract.house import House
from ringback.model.end_reason import Ending, EndReason, Fault
from ringback.model.ids import CallId, MeetingId, RoomName
from ringback.model.records import CallRecord, CallState, Direction, Unit

BUSY = EndReason(Ending.BUSY, Fault.REMOTE, 486, "Busy Here", 17)
DAY = 20_000 * 86_400.0


async def some_calls(house: House) -> None:
    """Three calls of the domain: in over a trunk, out and busy, and one that another room made."""
    common = {
        "domain": house.domain.id,
        "meeting": MeetingId("m"),
        "node": "test",
        "epoch": 1,
        "state": CallState.ENDED,
    }
    gone = EndReason(Ending.HANGUP_REMOTE)
    await house.database.records.commit(
        Unit(
            calls=(
                CallRecord(
                    id=CallId("in"), room=RoomName("desk"), direction=Direction.DIAL_IN, created_at=DAY,
                    answered_at=DAY + 1, ended_at=DAY + 61.25, end=gone, trunk="carrier", called="+15550100",
                    caller="+15550199", sound={"packets_received": 0, "packets_forged": 40},
                    timeline=({"at": DAY, "step": "queued"}, {"at": DAY + 61.25, "step": "ended", "reason": "x"}),
                    **common,
                ),
                CallRecord(
                    id=CallId("busy"), room=RoomName("desk"), direction=Direction.DIAL_OUT, created_at=DAY + 5,
                    ended_at=DAY + 6, end=BUSY, called="+15550111", caller="+15550100", **common,
                ),
                CallRecord(
                    id=CallId("hall"), room=RoomName("hall"), direction=Direction.DIAL_OUT, created_at=DAY + 9,
                    answered_at=DAY + 10, ended_at=DAY + 40, end=gone, fell_back=True, **common,
                ),
            )
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["hall", "busy", "in"]),
        ("room=desk", ["busy", "in"]),
        ("direction=dial-in", ["in"]),
        ("trunk=carrier", ["in"]),
        ("number=%2B15550100", ["busy", "in"]),
        ("reason=busy", ["busy"]),
        (f"timeframe_start={DAY + 5}&timeframe_end={DAY + 5}", ["busy"]),
        ("room=desk&limit=1", ["busy"]),
        ("room=desk&starting_after=busy", ["in"]),
        ("ongoing=true", []),
    ],
)
async def test_calls_are_found_by_what_is_known_of_them(house: House, query: str, found: list[str]) -> None:
    await some_calls(house)

    status, answer = await house.ask("GET", f"/v1/ringback/calls?{query}")

    assert (status, [call["id"] for call in answer["data"]]) == (200, found)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("calls?direction=sideways", "direction must be one of dial-in, dial-out"),
        ("calls?reason=bored", "reason must be one of"),
        ("calls?timeframe_start=yesterday", "timeframe_start was 'yesterday'"),
        ("usage?by=mood", "by must be of day, room, trunk, direction, number, kind"),
        ("usage?from=2026-13-01", "from must be a day"),
        ("usage?from=2026-03-02&to=2026-03-01", "from must not be after to"),
        ("usage?from=2020-01-01&to=2026-03-01", "at most 400 days"),
        ("usage?format=xml", "format must be json or csv"),
    ],
)
async def test_mistakes_are_told_in_words(house: House, path: str, words: str) -> None:
    status, answer = await house.ask("GET", f"/v1/ringback/{path}")

    assert status == 400 and words in answer["info"], answer


async def test_a_call_shows_its_life_and_what_it_lacked(house: House) -> None:
    await some_calls(house)

    _, shown = await house.ask("GET", "/v1/ringback/calls/in")
    _, why = await house.ask("GET", "/v1/ringback/calls/in/diagnosis")

    assert (shown["called"], shown["caller"], shown["duration"]) == ("+15550100", "+15550199", 60.25)
    assert shown["timeline"][0] == {"at": "2024-10-04T00:00:00.000Z", "step": "queued"} and shown["others"] == []
    assert [verdict["code"] for verdict in why["verdicts"]] == ["ended", "key-mismatch"]
    assert (why["healthy"], why["seconds"], why["counters"]["packets_forged"]) == (False, 0.0, 40)


async def test_usage_is_what_the_calls_add_up_to(house: House) -> None:
    await some_calls(house)
    frame = "from=2024-10-01&to=2024-10-31"

    _, by_room = await house.ask("GET", f"/v1/ringback/usage?{frame}&by=room")
    _, by_number = await house.ask("GET", f"/v1/ringback/usage?{frame}&by=number,direction")
    _, by_kind = await house.ask("GET", f"/v1/ringback/usage?{frame}&by=kind")
    _, all_of_it = await house.ask("GET", f"/v1/ringback/usage?{frame}&by=")
    table = await house.http.get(f"/v1/ringback/usage?{frame}&by=room&format=csv")

    rooms = [(line["room"], line["calls"], line["answered"], line["seconds"]) for line in by_room["data"]]
    assert rooms == [("desk", 2, 1, 60.25), ("hall", 1, 1, 30.0)]
    assert {(line["number"], line["direction"]): line["calls"] for line in by_number["data"]} == {
        ("", "dial-out"): 1, ("+15550100", "dial-in"): 1, ("+15550100", "dial-out"): 1,
    }  # fmt: skip
    assert [(line["kind"], line["calls"]) for line in by_kind["data"]] == [("pstn", 2), ("sip", 1)]
    assert all_of_it["total"]["seconds"] == by_room["total"]["seconds"] == by_number["total"]["seconds"] == 90.25
    assert all_of_it["total"]["transcoded_seconds"] == 30.0
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines()[1] == "desk,2,1,60.25,1.0,0.0,0,0.0,0.0"


async def test_another_domain_sees_nothing_of_it(house: House) -> None:
    await some_calls(house)
    other = {"Authorization": f"Bearer {await house.other_key()}"}

    statuses = [
        (await house.stranger.get(f"/v1/ringback/{path}", headers=other)).status_code
        for path in ("calls/in", "calls/in/diagnosis")
    ]
    usage = (await house.stranger.get("/v1/ringback/usage?from=2024-10-01&to=2024-10-31", headers=other)).json()

    assert statuses == [404, 404]
    assert usage["data"] == [] and usage["total"]["calls"] == 0


async def test_metrics_name_every_family_that_the_guide_lists(house: House) -> None:
    text = (await house.stranger.get("/metrics")).text

    for family in (
        "ringback_calls", "ringback_calls_ended", "ringback_call_setup_seconds", "ringback_call_talk_seconds",
        "ringback_call_mos", "ringback_call_loss_ratio", "ringback_call_transcoded_seconds", "ringback_webhook_posts",
        "ringback_loop_lag_seconds", "ringback_http_requests",
    ):  # fmt: skip
        assert f"# TYPE {family}" in text, family
