"""Calls that are cut after half an hour, one way each: what the operator is shown of it in the morning."""

from collections.abc import Callable

import pytest

from ringback.calls.advice import what_to_do
from ringback.calls.diagnosis import diagnose
from ringback.calls.looks import Counted, Situation
from ringback.cli.ladder import draw
from ringback.cli.verdict import advice, what_failed
from ringback.model.ids import CallId
from ringback.model.records import CallRecord
from ringback.rest.calls import call_row
from ringback.rest.traces import message_row
from ringback.testing.link import Packet
from ringback.testing.sip_stage import SipPhone, SipStage

ANSWERED_AFTER = 60.0
SESSION = 1800.0


def from_phone(packet: Packet) -> bool:
    return packet.source.startswith("10.0.0.2")


def to_phone(packet: Packet) -> bool:
    return packet.target.startswith("10.0.0.2")


def either(packet: Packet) -> bool:
    return from_phone(packet) or to_phone(packet)


async def talking(stage: SipStage, dials_in: bool) -> tuple[SipPhone, CallId]:
    user = stage.rooms.put("hello", endpoints=1, enable_dialout=True).room.endpoints[0]
    await stage.join("hello", "Ann")
    phone = await stage.phone()
    phone.picks_up = 1.0
    if dials_in:
        phone.dial_room(user)
    else:
        await stage.dial_out("hello", "sip:bob@10.0.0.2")
    await stage.wait(ANSWERED_AFTER)
    (call,) = stage.records.calls
    return phone, CallId(call)


def shown(stage: SipStage, call: CallId) -> tuple[CallRecord, str, str, str]:
    """The row, what ``--ladder`` ends with, its advice, and its arrows."""
    row = stage.records.calls[call]
    assert row.dialog is not None
    said = stage.telephony.trace(row.sip_call_id, row.dialog.local_tag).said
    messages, printed = [message_row(one) for one in said], call_row(row)
    return row, what_failed(messages, printed), advice(printed), "\n".join(line.plain for line in draw(messages))


@pytest.mark.parametrize(
    ("dials_in", "cut", "reason", "seconds", "failure"),
    [
        (True, from_phone, "dialog-gone", 932, "no answer to UPDATE"),
        (True, either, "dialog-gone", 932, "no answer to UPDATE"),
        (True, to_phone, "dialog-gone", 932, "no answer to UPDATE"),
        (False, from_phone, "refresh-missed", 1768, "the far end's refresh (UPDATE or re-INVITE) did not come"),
        (False, either, "refresh-missed", 1768, "the far end's refresh (UPDATE or re-INVITE) did not come"),
        (False, to_phone, "hangup-remote", 932, "our answer to UPDATE does not get there"),
    ],
)
async def test_a_way_of_sip_that_closes_in_mid_call_is_named(
    dials_in: bool, cut: Callable[[Packet], bool], reason: str, seconds: int, failure: str
) -> None:
    """A firewall that forgets: of a call in the server refreshes after 15 minutes, of a call out the phone."""
    async with SipStage(check=False) as stage:
        _, call = await talking(stage, dials_in)
        stage.network.drop = cut
        await stage.wait(SESSION + 100)
        stage.network.drop = None
        row, failed, to_do, ladder = shown(stage, call)

    assert row.end is not None and row.end.ending.value == reason
    assert abs(row.talked_ms / 1000 - seconds) < 2
    assert failed.startswith(f"First failure: {failure}"), (failed, ladder)
    assert "RINGBACK_SIP__PUBLIC_ADDRESS" in to_do or "firewall" in to_do, to_do


async def test_a_carrier_that_hangs_up_after_half_an_hour_is_suspected_of_a_session_timer() -> None:
    async with SipStage() as stage:
        phone, call = await talking(stage, True)
        await stage.wait(SESSION - ANSWERED_AFTER)
        phone.telephony.bye(phone.all("answered")[0][0])
        await stage.wait(10)
        row, failed, to_do, ladder = shown(stage, call)

        assert failed == "Nothing failed: hangup remote.", ladder
        assert "a session timer of 1800 s runs out" in to_do
        assert row.end is not None
        situation = Situation(row.state, 0.0, row.talked_ms / 1000, end=row.end)
        verdict, *_ = diagnose(Counted(), Counted(), situation)
        assert verdict.to_do == what_to_do(row.end, row.talked_ms / 1000) == to_do
