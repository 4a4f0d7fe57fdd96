"""What carriers do with dialogs, heard from a room: forks, early media that moves, fax, refreshes that stay away."""

from ringback.model.end_reason import Ending
from ringback.model.ids import CallId, ParticipantId
from ringback.model.records import CallRecord
from ringback.sip.message import Request, Row
from ringback.testing.sip_stage import SERVER, SipStage
from unit.sip.puppet import OFFER, Puppet

CARRIER = "10.0.0.9"
OTHER = OFFER.replace(b"m=audio 14000", b"m=audio 15000")
FAX = (
    b"v=0\r\no=- 7 2 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=image 14002 udptl t38\r\n"
    b"a=T38FaxVersion:0\r\n"
)


async def dial(stage: SipStage, puppet: Puppet) -> tuple[CallId, Request]:
    """A room calls the carrier."""
    stage.rooms.put("hello", enable_dialout=True)
    await stage.join("hello", "Ann")
    call = CallId(await stage.dial_out("hello", f"sip:bob@{CARRIER}"))
    await stage.wait(1)
    return call, puppet.last_request("INVITE")


def sounds(stage: SipStage, call: CallId) -> tuple[tuple[str, int] | None, bool, bool] | None:
    """Where a leg's sound goes, and whether it is sent and heard."""
    media = stage.media.legs[ParticipantId(call)].media
    return None if media is None else (media.remote, media.send, media.listen)


def row(stage: SipStage, call: CallId) -> CallRecord:
    return stage.records.calls[call]


async def bye(stage: SipStage, puppet: Puppet, invite: Request, tag: str, cseq: int = 9) -> None:
    puppet.request("BYE", SERVER, call_id=invite.call_id, from_tag=tag, to_tag=invite.from_.tag, cseq=cseq)
    await stage.wait(1)


async def test_the_phone_that_answers_is_heard_whatever_another_one_played_before():
    """RFC 3261 §13.2.2.4: early media is the ringing phone's, the answer the answering one's; a later 200 gets BYE."""
    async with SipStage() as stage:
        puppet = Puppet(stage.network, CARRIER)
        call, invite = await dial(stage, puppet)
        puppet.answer(invite, 183, SERVER, tag="desk", body=OFFER)
        await stage.wait(1)
        assert sounds(stage, call) == ((CARRIER, 14000), False, True)

        puppet.answer(invite, 200, SERVER, tag="mobile", body=OTHER)
        await stage.wait(1)
        assert sounds(stage, call) == ((CARRIER, 15000), True, True)
        puppet.answer(invite, 200, SERVER, tag="desk", body=OFFER)
        await stage.wait(1)

        assert {message.to.tag for message in puppet.got("BYE")} == {"desk"}
        puppet.answer(puppet.last_request("BYE"), 200, SERVER)
        assert sounds(stage, call) == ((CARRIER, 15000), True, True)
        await bye(stage, puppet, invite, "mobile")


async def test_early_media_that_moves_while_it_rings_is_followed():
    """RFC 3262, RFC 3311: a reliable 183, its PRACK, and an UPDATE with another address before anybody picks up."""
    async with SipStage() as stage:
        puppet = Puppet(stage.network, CARRIER)
        call, invite = await dial(stage, puppet)
        reliable: list[Row] = [("Require", "100rel"), ("RSeq", "7"), ("Allow", "INVITE, UPDATE, PRACK")]
        puppet.answer(invite, 183, SERVER, body=OFFER, rows=reliable)
        await stage.wait(0.2)
        puppet.answer(puppet.last_request("PRACK"), 200, SERVER)

        puppet.request("UPDATE", SERVER, call_id=invite.call_id, to_tag=invite.from_.tag, cseq=1, body=OTHER)
        await stage.wait(1)

        ok = puppet.last_response()
        assert (ok.status, ok.cseq.method) == (200, "UPDATE") and b"m=audio" in ok.body
        assert sounds(stage, call) == ((CARRIER, 15000), False, True)
        puppet.answer(invite, 200, SERVER)
        await stage.wait(1)
        assert sounds(stage, call) == ((CARRIER, 15000), True, True)
        await bye(stage, puppet, invite, "puppet")


async def test_fax_is_refused_and_the_call_goes_on():
    """T.38: 488 to a re-INVITE to fax alone; beside audio the fax line is refused, and the audio stays."""
    async with SipStage() as stage:
        puppet = Puppet(stage.network, CARRIER)
        call, invite = await dial(stage, puppet)
        puppet.answer(invite, 200, SERVER, body=OFFER)
        await stage.wait(1)
        before = sounds(stage, call)
        for cseq, body, status in ((1, FAX, 488), (2, OFFER + b"m=image 14002 udptl t38\r\n", 200)):
            sent = puppet.request(
                "INVITE", SERVER, call_id=invite.call_id, to_tag=invite.from_.tag, cseq=cseq, body=body
            )
            await stage.wait(1)
            assert puppet.last_response().status == status
            branch = sent.top_via.branch if status == 488 else ""
            puppet.request("ACK", SERVER, call_id=invite.call_id, to_tag=invite.from_.tag, cseq=cseq, branch=branch)
            await stage.wait(1)

        assert b"m=image 0 udptl t38" in puppet.last_response().body
        assert sounds(stage, call) == before and row(stage, call).end is None
        await bye(stage, puppet, invite, "puppet")


async def test_a_carrier_that_stops_refreshing_is_hung_up_on_and_the_row_says_so():
    """RFC 4028 §10."""
    async with SipStage() as stage:
        puppet = Puppet(stage.network, CARRIER)
        call, invite = await dial(stage, puppet)
        puppet.answer(invite, 200, SERVER, body=OFFER, rows=[("Session-Expires", "90;refresher=uas")])
        await stage.wait(62)

        puppet.answer(puppet.last_request("BYE"), 200, SERVER)
        await stage.wait(1)
        end = row(stage, call).end
        assert end is not None and end.ending is Ending.REFRESH_MISSED
