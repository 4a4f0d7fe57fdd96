"""Phones that others wrote are moved: to another room, to each other, by REFER, and they ask for it themselves."""

from pathlib import Path

import pytest

from interop.peers.baresip import Baresip
from interop.peers.browser import Chromium, RoomPage
from interop.peers.linphone import Linphone
from interop.peers.server import Server, wait_present
from interop.peers.waiting import until

CALLER_HZ, TARGET_HZ, BROWSER_HZ = 440, 660, 880

pytestmark = [pytest.mark.needs("baresip", "chromium"), pytest.mark.listens]

STEPS = ("connected", "answered", "held", "resumed", "stopped", "warning", "error")
TRANSFERS = tuple(f"calltransfer-{step}" for step in ("triggered", "initiated", "answered", "completed"))


async def room(server: Server, chromium: Chromium, name: str, hz: float = BROWSER_HZ, **more: object) -> RoomPage:
    """A room with a browser in it."""
    await server.room(name, **more)
    page = await chromium.open(f"{server.url}/{name}", hz=hz)
    await page.join()
    await page.event("dialin-ready")
    return page


async def address(server: Server, name: str) -> str:
    return str((await server.rest("GET", f"/rooms/{name}")).body["config"]["sip_uri"]["endpoint"])


async def transfer(server: Server, name: str, session: str, to: str, verb: str = "sipCallTransfer") -> None:
    answer = await server.rest("POST", f"/rooms/{name}/{verb}", {"sessionId": session, "toEndPoint": to})
    assert (answer.status, answer.body) == (200, {"ok": True}), answer


async def caller_in(server: Server, page: RoomPage, phone: Baresip, name: str, hz: float = CALLER_HZ) -> str:
    """The session of a phone that dialled in and is heard."""
    await phone.dial(await address(server, name))
    await page.hears(hz)
    return str((await page.event("dialin-connected"))["sessionId"])


async def hears(phone: Baresip, hz: float, who: str) -> None:
    await until(lambda: phone.hears(hz) or None, f"{who} hears {hz} Hz", 20)


async def test_a_phone_moves_to_another_room_and_is_heard_there(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    front = await room(server, chromium, "front", BROWSER_HZ)
    sales = await room(server, chromium, "sales", 1100)
    async with Baresip(tmp_path / "phone", hz=CALLER_HZ) as phone:
        session = await caller_in(server, front, phone, "front")
        await hears(phone, BROWSER_HZ, "the caller")

        await transfer(server, "front", session, await address(server, "sales"))

        assert (await sales.event("dialin-connected"))["sessionId"] == session
        await sales.hears(CALLER_HZ)
        await hears(phone, 1100, "the moved caller")
        assert (await front.event("dialin-stopped"))["reason"] == "transferred"
        await wait_present(server, "front", 1)
        await wait_present(server, "sales", 2)
        assert phone.log().count("INVITE sip:") == 1, "nothing was asked of the phone"


async def test_two_phones_are_connected_and_talk_on_when_the_room_is_empty(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await room(server, chromium, "front")
    async with (
        Baresip(tmp_path / "caller", hz=CALLER_HZ) as caller,
        Baresip(tmp_path / "target", hz=TARGET_HZ, name="bob", codecs=("PCMA",)) as target,
    ):
        session = await caller_in(server, page, caller, "front")

        await transfer(server, "front", session, target.uri)

        await page.event("dialout-answered")
        await hears(caller, TARGET_HZ, "the caller")
        await hears(target, CALLER_HZ, "the target")
        await page.event("dialin-stopped")
        await page.close()
        await wait_present(server, "front", 0)
        await target.command("hangup")
        await caller.event("CALL_CLOSED")
        rows = (await server.rest("GET", "/ringback/calls?room=front")).body["data"]
        assert {row["end"]["reason"] for row in rows} == {"hangup-remote", "peer-ended"}
        assert all(row["sound"]["packets_received"] > 0 and row["sound"]["first_heard_at"] for row in rows)


async def test_a_busy_target_gives_the_caller_back(tmp_path: Path, server: Server, chromium: Chromium) -> None:
    page = await room(server, chromium, "front")
    async with (
        Baresip(tmp_path / "caller", hz=CALLER_HZ) as caller,
        Baresip(tmp_path / "target", hz=TARGET_HZ, name="bob", answer="manual") as target,
    ):
        session = await caller_in(server, page, caller, "front")
        await transfer(server, "front", session, target.uri)
        await target.event("CALL_INCOMING")
        await page.event("dialout-connected")

        await target.command("hangup")

        assert "transfer to" in (await page.event("dialin-warning"))["errorMsg"]
        assert (await page.event("calltransfer-completed"))["completeStatus"] == "busy"
        await page.hears(CALLER_HZ)
        await wait_present(server, "front", 2)


async def test_a_phone_that_is_referred_calls_the_target_itself(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await room(server, chromium, "front")
    async with (
        Baresip(tmp_path / "caller", hz=CALLER_HZ) as caller,
        Baresip(tmp_path / "target", hz=TARGET_HZ, name="bob") as target,
    ):
        session = await caller_in(server, page, caller, "front")

        await transfer(server, "front", session, target.uri, "sipRefer")

        await target.event("CALL_ESTABLISHED")
        await hears(target, CALLER_HZ, "the target")
        assert (await page.event("dialin-stopped"))["reason"] == "transferred"
        done = await page.event("calltransfer-completed")
        assert (done["completeStatus"], done["referSipResponseCode"]) == ("completed", 202)
        await wait_present(server, "front", 1)


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_phone_puts_another_in_its_place_where_the_room_lets_it(
    allowed: bool, tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await room(server, chromium, "front", enable_phone_transfer=allowed)
    async with (
        Baresip(tmp_path / "caller", hz=CALLER_HZ) as caller,
        Baresip(tmp_path / "target", hz=TARGET_HZ, name="bob") as target,
    ):
        await caller_in(server, page, caller, "front")

        await caller.command("transfer", target.uri)

        if allowed:
            await page.event("dialout-answered")
            await page.hears(TARGET_HZ)
            await hears(target, BROWSER_HZ, "the target")
            await caller.event("CALL_CLOSED")
            assert (await page.event("dialin-stopped"))["reason"] == "transferred"
            await wait_present(server, "front", 2)
        else:
            await until(lambda: "603" in caller.log() or None, "the phone is told 603", 10)
            # baresip hangs up by itself then; others keep the call.
            assert target.log().count("INVITE sip:") == 0


MUSIC_HZ = (440, 660, 880)
"""Notes of the packaged music; it has none of those below."""

WAITING_HZ, TOLD_HZ, TELLING_HZ = 1510, 1910, 2870


async def music(phone: Baresip) -> None:
    """The phone hears music, and nobody of this test."""

    def plays() -> bool | None:
        people = [hz for hz in (TOLD_HZ, TELLING_HZ) if phone.hears(hz)]
        return (any(phone.hears(hz) for hz in MUSIC_HZ) and not people) or None

    await until(plays, "the caller hears music", 20)


@pytest.mark.parametrize("accepts", ["key", "command", "merge"])
async def test_a_caller_waits_with_music_while_another_is_told_about_it(
    accepts: str, tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await room(server, chromium, "front", TELLING_HZ)
    async with (
        Baresip(tmp_path / "caller", hz=WAITING_HZ) as caller,
        Baresip(tmp_path / "target", hz=TOLD_HZ, name="bob") as target,
    ):
        session = await caller_in(server, page, caller, "front", WAITING_HZ)
        await hears(caller, TELLING_HZ, "the caller")
        path = f"/ringback/calls/{session}/warm-transfer"

        begun = await server.rest("POST", path, {"toEndPoint": target.uri})

        assert begun.status == 200, begun
        assert (await page.event("calltransfer-briefing"))["toSessionId"] == begun.body["sessionId"]
        assert (await server.rest("GET", path)).body["state"] == "briefing"
        await page.hears(TOLD_HZ)
        await hears(target, TELLING_HZ, "the target")
        await music(caller)
        assert not target.hears(WAITING_HZ), "the caller is apart"

        if accepts == "key":
            await target.command("sndcode", "1")
            await target.command("sndcode", "\x04")
        else:
            answer = await server.rest("POST", f"{path}/{'accept' if accepts == 'command' else 'merge'}")
            assert answer.body == {"ok": True}, answer

        await hears(caller, TOLD_HZ, "the caller")
        await hears(target, WAITING_HZ, "the target")
        if accepts == "merge":
            await page.hears(WAITING_HZ)
            await hears(caller, TELLING_HZ, "the caller, still in the room,")
        else:
            await page.event("calltransfer-answered")
            await wait_present(server, "front", 1)
            await target.command("hangup")
            await caller.event("CALL_CLOSED")
            assert (await page.event("calltransfer-completed"))["completeStatus"] == "completed"


async def test_a_target_that_hangs_up_on_a_brief_gives_the_caller_back(
    tmp_path: Path, server: Server, chromium: Chromium
) -> None:
    page = await room(server, chromium, "front", TELLING_HZ)
    async with (
        Baresip(tmp_path / "caller", hz=WAITING_HZ) as caller,
        Baresip(tmp_path / "target", hz=TOLD_HZ, name="bob") as target,
    ):
        session = await caller_in(server, page, caller, "front", WAITING_HZ)
        await server.rest("POST", f"/ringback/calls/{session}/warm-transfer", {"toEndPoint": target.uri})
        await page.event("calltransfer-briefing")
        await music(caller)

        await target.command("hangup")

        assert (await page.event("calltransfer-completed"))["completeStatus"] == "failed"
        await hears(caller, TELLING_HZ, "the caller")
        await page.hears(WAITING_HZ)
        listed = (await server.rest("GET", f"/ringback/calls/{session}/transfers")).body["data"]
        assert [(row["kind"], row["state"], row["complete_status"]) for row in listed] == [
            ("warm-transfer", "completed", "failed")
        ]


@pytest.mark.needs("linphonec")
@pytest.mark.parametrize("referred", ["the room", "the other"])
async def test_a_phone_asks_another_first_and_puts_it_in_its_own_place(
    referred: str, tmp_path: Path, chromium: Chromium
) -> None:
    """REFER with Replaces (RFC 3891, RFC 5589 §7): to us about its other call, and to the other about its call here.

    linphone names whom it refers to without a port, so whoever is referred to is at 5060.
    """
    at_5060 = {"SIP__PORT": "5060"} if referred == "the other" else {}
    async with (
        Server(tmp_path / "server", at_5060) as server,
        Linphone(tmp_path / "asks", hz=CALLER_HZ) as asks,
        Linphone(tmp_path / "other", hz=TARGET_HZ, answer=True, port=0 if at_5060 else 5060) as other,
    ):
        page = await room(server, chromium, "front", enable_phone_transfer=True)
        await asks.dial(await address(server, "front"))
        await page.hears(CALLER_HZ)
        (first,) = (await server.rest("GET", "/ringback/calls?room=front")).body["data"]
        await asks.type("pause")
        await asks.says("is now paused")
        await asks.dial(other.uri, 2)

        await asks.type("transfer 1 --to-call 2" if referred == "the room" else "transfer 2 --to-call 1")

        await page.hears(TARGET_HZ, timeout_s=40)
        await other.listen_anew()
        await until(lambda: other.hears(BROWSER_HZ) or None, "the other hears the room", 40)
        await wait_present(server, "front", 2)
        rows = (await server.rest("GET", "/ringback/calls?room=front&ongoing=true")).body["data"]
        assert [row["id"] == first["id"] for row in rows] == [referred == "the other"], (
            "who is replaced stays who it was"
        )
        await page.event("dialin-stopped" if referred == "the room" else "dialin-resumed")
        told = await page.events(*(f"{way}-{step}" for way in ("dialin", "dialout") for step in STEPS), *TRANSFERS)
        assert [(event["action"], event["sessionId"] == first["id"]) for event in told] == (
            [
                ("dialin-connected", True),
                ("dialin-held", True),
                ("dialout-connected", False),
                ("dialout-answered", False),
                ("dialin-stopped", True),
            ]
            if referred == "the room"
            else [("dialin-connected", True), ("dialin-held", True), ("dialin-resumed", True)]
        )
