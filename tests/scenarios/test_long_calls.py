"""Calls that last: an hour over a bad link, refreshed by session timers, with nobody noticing."""

import pytest

from ringback.testing.sip_stage import SipStage

BAD_LINK = {"delay": 0.08, "loss": 0.15, "duplicate": 0.1, "reorder": 0.2}


@pytest.mark.parametrize("seed", range(4))
async def test_a_dial_in_and_a_dial_out_stay_up_for_an_hour_and_refreshes_leave_the_sound_alone(seed: int):
    """RFC 4028: of the one call the server is the refresher, of the other it waits for the phone's refresh."""
    async with SipStage(seed=seed, **BAD_LINK) as stage:
        user = stage.rooms.put("hello", endpoints=1, enable_dialout=True).room.endpoints[0]
        ann = await stage.join("hello", "Ann")
        caller, callee = await stage.phone("10.0.1.1"), await stage.phone()
        callee.picks_up = 2.0
        caller.dial_room(user)
        await stage.dial_out("hello", "sip:bob@10.0.0.2")
        await stage.wait(60)
        sound = {leg: state.media for leg, state in stage.media.legs.items()}
        before = len(stage.network.packets)

        await stage.wait(3600)

        updates = {
            packet.data: packet.source for packet in stage.network.packets[before:] if packet.summary == "UPDATE"
        }
        assert sorted(updates.values()) == ["10.0.0.1:5060"] * 4 + ["10.0.0.2:5060"] * 4
        assert {leg: state.media for leg, state in stage.media.legs.items()} == sound
        assert {packet.summary for packet in stage.network.packets[before:]} == {"UPDATE", "200"}
        await ann.seat.leave()
        await stage.wait(40)
        assert caller.names()[-1] == callee.names()[-1] == "ended"
