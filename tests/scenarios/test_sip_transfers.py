"""Transfers and replaced calls between two real SIP stacks, over a link that delays, loses and reorders."""

import pytest

from ringback.calls.ports.carrier import OutgoingInvite, Replaces
from ringback.model.ids import CallId, ParticipantId, RoomName
from ringback.sdp.negotiation import make_offer
from ringback.testing.rooms import DOMAIN
from ringback.testing.sip_stage import SERVER, SipPhone, SipStage
from ringback.testing.stage import Guest

HELLO = RoomName("hello")
BAD_LINK = {"delay": 0.08, "loss": 0.1, "duplicate": 0.05, "reorder": 0.05}


async def talking(stage: SipStage) -> tuple[Guest, SipPhone, CallId, str]:
    """Ann, a phone in her room, its call as the phone and as the room knows it."""
    user = stage.rooms.put("hello", endpoints=2, enable_dialout=True, enable_phone_transfer=True).room.endpoints[0]
    ann = await stage.join("hello", "Ann")
    phone = await stage.phone()
    call = phone.dial_room(user)
    await stage.wait(20)
    return ann, phone, call, str(ann.last("dialin-connected")["sessionId"])


@pytest.mark.parametrize("seed", range(5))
async def test_a_phone_refers_the_room_to_another_that_answers(seed: int):
    async with SipStage(seed=seed, **BAD_LINK) as stage:
        ann, phone, call, _ = await talking(stage)
        bob = await stage.phone("10.0.0.3")
        bob.picks_up = 3.0

        phone.telephony.refer(call, "sip:bob@10.0.0.3")
        await stage.wait(40)

        told = [(status, final) for about, status, _, final, *_ in phone.all("refer_progress") if about == call]
        assert told[0] == (202, False) and told[-1] == (200, True)
        assert [about for about, *_ in phone.all("ended")] == [call]
        assert ann.last("dialout-answered")["destination"] == "sip:bob@10.0.0.3"
        assert ann.last("dialin-stopped")["reason"] == "transferred"
        bob.telephony.bye(bob.incoming().call)
        await stage.wait(40)


@pytest.mark.parametrize("seed", range(5))
async def test_a_phone_that_is_referred_tells_how_it_went(seed: int):
    async with SipStage(seed=seed, **BAD_LINK) as stage:
        ann, phone, call, session = await talking(stage)

        await stage.calls.refer(DOMAIN, HELLO, {"sessionId": session, "toEndPoint": "sip:carol@10.0.0.9"})
        await stage.wait(10)
        (about, refer), *_ = phone.all("referred")
        assert (about, refer.target) == (call, "sip:carol@10.0.0.9")
        phone.telephony.accept_refer(call, refer.id)
        await stage.wait(10)
        assert "participant-left" in ann.names()

        phone.telephony.notify_refer(call, refer.id, 200 if seed % 2 else 486, "")
        await stage.wait(40)

        done = ann.last("calltransfer-completed")
        assert done["completeStatus"] == ("completed" if seed % 2 else "busy")
        assert (ann.names()[-1] == "calltransfer-completed") and bool(phone.all("ended")) == bool(seed % 2)
        phone.telephony.bye(call)
        await stage.wait(40)


@pytest.mark.parametrize("seed", range(5))
async def test_a_call_with_replaces_takes_over_and_the_participant_stays(seed: int):
    async with SipStage(seed=seed, **BAD_LINK) as stage:
        ann, phone, call, session = await talking(stage)
        row = stage.records.calls[session]
        assert row.dialog is not None
        replaces = Replaces(row.dialog.call_id, row.dialog.local_tag, row.dialog.remote_tag)

        mine = CallId("other-1")
        dialog = phone.telephony.prepare(f"sip:{row.endpoint}@{SERVER}", mine, "other")
        offer = make_offer(3, 1, phone.host, 14010, ("PCMA",))
        phone.telephony.invite(OutgoingInvite(mine, dialog, offer, replaces=replaces))
        await stage.wait(40)
        phone.telephony.confirm(mine)
        await stage.wait(40)

        assert [about for about, *_ in phone.all("ended")] == [call]
        assert mine in [about for about, _ in phone.all("answered")] and "participant-left" not in ann.names()
        media = stage.media.legs[ParticipantId(session)].media
        assert media is not None and media.remote == (phone.host, 14010)
        assert stage.records.calls[session].sip_call_id == dialog.call_id

        phone.telephony.offer(mine, make_offer(3, 2, phone.host, 14010, ("PCMA",), "sendonly"))
        await stage.wait(20)
        assert ann.last("dialin-held")["sessionId"] == session
        phone.telephony.bye(mine)
        await stage.wait(40)
        assert ann.last("dialin-stopped")["sessionId"] == session
