"""A REST call makes a room ring phones that others wrote."""

import asyncio
from pathlib import Path

import pytest

from interop.peers.baresip import Baresip
from interop.peers.browser import Chromium, RoomPage
from interop.peers.phone import Phone
from interop.peers.server import Server, wait_present
from interop.peers.waiting import free_port, until

BROWSER_HZ, PHONE_HZ = 880, 440
SOON_S = 5.0

pytestmark = [pytest.mark.needs("baresip", "chromium"), pytest.mark.listens]


@pytest.fixture
async def page(server: Server, chromium: Chromium) -> RoomPage:
    """A browser in a room that may dial out."""
    await server.room("sales")
    page = await chromium.open(f"{server.url}/sales", hz=BROWSER_HZ)
    await page.join()
    return page


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722", "OPUS"])
async def test_a_dialled_phone_is_a_participant_with_its_name_and_both_hear(
    codec: str, tmp_path: Path, server: Server, page: RoomPage
) -> None:
    async with Baresip(tmp_path / "phone", hz=PHONE_HZ, codecs=(codec,)) as phone:
        uri = f"{phone.uri}?X-Case=17&X-Lang=de"
        session = await server.dial_out("sales", uri, displayName="Bob Dialled", codecs={"audio": [codec]})

        await phone.event("CALL_ESTABLISHED")
        await page.shows("Bob Dialled")
        await page.hears(PHONE_HZ)
        await until(lambda: phone.hears(BROWSER_HZ) or None, f"baresip hears {BROWSER_HZ} Hz", 20)

        assert "X-Case: 17" in phone.log()
        assert "X-Lang: de" in phone.log()
        people = await wait_present(server, "sales", 2)
        assert [one["userId"] for one in people if one["id"] == session] == [None]
        assert (await page.event("dialout-connected"))["sessionId"] == session
        assert (await page.event("dialout-answered"))["sessionId"] == session

        stop = await server.rest("POST", "/rooms/sales/dialOut/stop", {"sessionId": session})
        assert stop.body == {"ok": "true"}
        await phone.event("CALL_CLOSED", SOON_S)
        assert (await page.event("dialout-stopped"))["sessionId"] == session
    await wait_present(server, "sales", 1)


async def test_a_page_is_told_of_a_dialled_phone_in_order(tmp_path: Path, server: Server, page: RoomPage) -> None:
    async with Baresip(tmp_path / "phone", hz=PHONE_HZ) as phone:
        session = await server.dial_out("sales", phone.uri)
        await page.event("dialout-answered")

        await phone.command("hangup")

        expected = ["dialout-connected", "dialout-answered", "participant-left", "dialout-stopped"]
        assert await page.order("participant-joined", *expected, of=session) == ["participant-joined", *expected]


async def test_the_far_end_hanging_up_stops_the_dial_out(tmp_path: Path, server: Server, page: RoomPage) -> None:
    async with Baresip(tmp_path / "phone", hz=PHONE_HZ) as phone:
        await server.dial_out("sales", phone.uri)
        await page.event("dialout-answered")

        await phone.command("hangup")

        await page.event("dialout-stopped", SOON_S)


async def test_a_phone_that_declines_after_ringing_stops_with_its_code(
    tmp_path: Path, server: Server, page: RoomPage
) -> None:
    async with Baresip(tmp_path / "phone", answer="manual") as phone:
        await server.dial_out("sales", phone.uri)
        await page.event("dialout-connected")

        await phone.command("hangup")

        stopped = await page.event("dialout-stopped", SOON_S)
        assert stopped["sipStatusCode"] in (480, 486, 603)
        assert stopped["reason"]


@pytest.mark.parametrize("status", [486, 603])
async def test_a_phone_that_refuses_at_once_is_an_error_with_its_code(
    status: int, tmp_path: Path, server: Server, page: RoomPage
) -> None:
    port = str(free_port())
    async with Phone(tmp_path, "answer", "--port", port, "--refuse", str(status)) as phone:
        await phone.event("waiting")

        await server.dial_out("sales", f"sip:bob@127.0.0.1:{port}")

        error = await page.event("dialout-error", SOON_S)
        assert error["sipStatusCode"] == status
        assert str(status) in error["errorMsg"]


async def test_a_phone_that_nobody_picks_up_is_given_up_when_asked(
    tmp_path: Path, server: Server, page: RoomPage
) -> None:
    async with Baresip(tmp_path / "phone", answer="manual") as phone:
        session = await server.dial_out("sales", phone.uri)
        await phone.event("CALL_INCOMING")
        await page.event("dialout-connected")

        await server.rest("POST", "/rooms/sales/dialOut/stop", {"sessionId": session})

        await phone.event("CALL_CLOSED", SOON_S)
        await page.event("dialout-stopped", SOON_S)


async def test_an_address_where_nothing_answers_is_an_error_soon(server: Server, page: RoomPage) -> None:
    # A closed port of this machine says so by ICMP over UDP, and at once over TCP.
    await server.dial_out("sales", f"sip:bob@127.0.0.1:{free_port()};transport=tcp")

    error = await page.event("dialout-error", SOON_S)
    assert error["errorMsg"]


async def test_a_host_without_an_address_is_an_error_soon(server: Server, page: RoomPage) -> None:
    await server.dial_out("sales", "sip:bob@no-such-host.invalid")

    error = await page.event("dialout-error", SOON_S)
    assert error["errorMsg"]


async def test_twenty_starts_at_once_draw_no_429_and_ring_twenty_times(tmp_path: Path) -> None:
    port = str(free_port())
    # As an operator has it who lets rooms make many calls: the limits of requests are on.
    settings = {"LIMITS__MAX_SIP_PSTN_SESSIONS_PER_ROOM": "25", "HTTP__RATE_LIMITS": "on"}
    async with (
        Server(tmp_path / "server", settings) as server,
        Phone(tmp_path, "answer", "--port", port, "--refuse", "486") as phone,
    ):
        await server.room("many", dialout_config={"allow_room_start": True, "max_idle_timeout_sec": 30})
        await phone.event("waiting")
        starts = [
            server.rest("POST", "/rooms/many/dialOut/start", {"sipUri": f"sip:p{number}@127.0.0.1:{port}"})
            for number in range(20)
        ]
        answers = await asyncio.gather(*starts)

        assert [answer.status for answer in answers] == [200] * 20

        def all_refused() -> bool:
            return sum(event["event"] == "refused" for event in phone.events()) == 20

        await until(all_refused, "twenty phones rang")


async def test_a_second_start_with_the_same_idempotency_key_rings_once(tmp_path: Path, server: Server) -> None:
    await server.room("once", dialout_config={"allow_room_start": True, "max_idle_timeout_sec": 30})
    async with Baresip(tmp_path / "phone", answer="manual") as phone:
        body = {"sipUri": phone.uri}
        headers = {"Idempotency-Key": "one-of-a-kind"}

        first = await server.rest("POST", "/rooms/once/dialOut/start", body, headers=headers)
        await phone.event("CALL_INCOMING")
        second = await server.rest("POST", "/rooms/once/dialOut/start", body, headers=headers)

        assert first.status == 200
        assert second == first
        assert phone.log().count("INVITE sip:alice") == 1


async def test_the_room_hears_a_phone_ring_until_it_is_answered(tmp_path: Path, server: Server, page: RoomPage) -> None:
    """180 without media: the tone is ours (425 Hz, as most countries'), and it ends with the answer."""
    async with Baresip(tmp_path / "phone", hz=1000, answer="manual") as phone:
        await server.dial_out("sales", phone.uri)
        await phone.event("CALL_INCOMING")

        await page.hears(425)
        await phone.command("accept")
        await page.hears(1000)

        async def rings_no_more() -> bool:
            return max(await page.levels(425)) < 20

        await until(rings_no_more, "the ringing tone has ended")
