"""SIPp as caller and callee of the SIP side alone: plain calls, loss, giving up, hold, late offers, both transports."""

import asyncio
from pathlib import Path

import pytest

from integration.sip_phone import OFFER, Phone, running
from ringback.sdp.negotiation import make_answer
from ringback.sip.timers import Timing

SCENARIOS = Path(__file__).parent / "sipp"

pytestmark = pytest.mark.needs("sipp")


async def sipp(*arguments: str, folder: Path, seconds: float = 60.0) -> int:
    """Run SIPp to its end; 0 when every call went as its scenario says."""
    process = await asyncio.create_subprocess_exec(
        *("sipp", *arguments, "-i", "127.0.0.1", "-nostdin", "-trace_err"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        return await asyncio.wait_for(process.wait(), seconds)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def answering(phone: Phone, ring_only: bool = False) -> None:
    """Ring at each call and, unless told otherwise, answer it; answer each later offer."""

    def incoming(invite) -> None:  # type: ignore[no-untyped-def]
        phone.telephony.ring(invite.call)
        if ring_only:
            return
        sdp = OFFER
        if invite.offer is not None:
            sdp, _ = make_answer(invite.offer, "127.0.0.1", 20000, ["PCMU"], session_id=1, version=1)
        phone.telephony.answer(invite.call, sdp)

    def reoffered(call, offer) -> None:  # type: ignore[no-untyped-def]
        sdp, _ = make_answer(offer, "127.0.0.1", 20000, ["PCMU"], session_id=1, version=2)
        phone.telephony.answer_offer(call, sdp)

    phone.incoming = incoming  # type: ignore[attr-defined]
    phone.reoffered = reoffered  # type: ignore[attr-defined]


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_sipp_calls_and_hangs_up(transport: str, tmp_path: Path):
    async with running() as phone:
        answering(phone)
        arguments = ("-sn", "uac", phone.address, "-t", transport, "-mp", "14200", "-m", "40", "-r", "40", "-d", "50")

        assert await sipp(*arguments, folder=tmp_path) == 0
        assert phone.telephony.calls == 0


async def test_sipp_calls_through_a_network_that_loses_every_tenth_packet(tmp_path: Path):
    """A SIPp that loses ACK and BYE takes our repeated 200 for the BYE's, and goes: no ACK ever comes."""
    async with running(timing=Timing(t1=0.1)) as phone:
        answering(phone)
        arguments = ("-sn", "uac", phone.address, "-mp", "14200", "-m", "30", "-r", "30", "-d", "50", "-lost", "10")

        assert await sipp(*arguments, folder=tmp_path) == 0
        async with asyncio.timeout(40):
            for _ in range(30):
                await phone.told("ended")
        assert phone.telephony.calls == 0


async def test_sipp_gives_up_while_it_rings(tmp_path: Path):
    async with running() as phone:
        answering(phone, ring_only=True)
        scenario = str(SCENARIOS / "cancel.xml")

        assert await sipp("-sf", scenario, phone.address, "-mp", "14200", "-m", "10", "-r", "10", folder=tmp_path) == 0
        assert phone.telephony.calls == 0


async def test_sipp_calls_without_an_offer_holds_and_sends_a_digit(tmp_path: Path):
    async with running() as phone:
        answering(phone)
        scenario = str(SCENARIOS / "hold.xml")

        assert await sipp("-sf", scenario, phone.address, "-mp", "14200", "-m", "5", "-r", "5", folder=tmp_path) == 0
        assert (await phone.told("acknowledged"))[1] is not None
        assert (await phone.told("dtmf_info"))[1:] == ("7", 160)


async def test_sipp_agrees_on_a_session_timer_and_refreshes(tmp_path: Path):
    """RFC 4028: 422 first; then UPDATE and the same re-INVITE again, of which nobody above is told."""
    async with running() as phone:
        answering(phone)
        told = []
        phone.reoffered = lambda call, offer: told.append(offer)  # type: ignore[attr-defined]
        scenario = str(SCENARIOS / "timer.xml")

        assert await sipp("-sf", scenario, phone.address, "-mp", "14200", "-m", "5", "-r", "5", folder=tmp_path) == 0
        assert told == []
        assert phone.telephony.calls == 0


async def test_sipp_is_called_and_hung_up_on(tmp_path: Path):
    async with running() as phone:
        callee = asyncio.create_task(sipp("-sn", "uas", "-p", "5093", "-mp", "14200", "-m", "3", folder=tmp_path))
        for _ in range(3):
            answered = None
            for _attempt in range(20):
                call = phone.dial("sip:123@127.0.0.1:5093")
                name, arguments = await phone.events.get()
                while name not in ("answered", "failed"):
                    name, arguments = await phone.events.get()
                if name == "answered":
                    answered = arguments
                    break
                await asyncio.sleep(0.1)
            assert answered is not None
            assert b"m=audio" in answered[1]
            phone.telephony.bye(call, "done")

        assert await callee == 0
