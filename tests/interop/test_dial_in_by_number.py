"""Telephones dial numbers: a code leads into a room, a webhook has a room made; what is heard is judged by content."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest

from interop.peers.baresip import Baresip
from interop.peers.house import House
from interop.peers.likeness import at_8_khz, likeness, samples_of
from interop.peers.phone import Phone
from interop.peers.tones import read_wav
from interop.peers.waiting import until
from interop.test_trunks import Ear, ear_in
from ringback.media.sounds import Prompts, read_mp3
from ringback.meetings.admission import Joiner
from ringback.model.ids import ParticipantId, RoomName
from ringback.model.sound import Sound

NUMBER = "+15550100123"
MP3 = Path(__file__).parents[1] / "vectors/sounds/tone-700hz-stereo.mp3"
ALIKE = 0.6


def heard(phone: Phone, sound: Sound) -> float:
    recording, rate = read_wav(phone.recording)
    return likeness(at_8_khz(recording, rate), samples_of(sound))


async def until_heard(phone: Phone, sound: Sound, what: str, timeout_s: float = 30.0) -> None:
    best = 0.0

    def now() -> bool:
        nonlocal best
        best = heard(phone, sound) if phone.recording.exists() else 0.0
        return best > ALIKE

    try:
        await until(now, f"{what} is heard", timeout_s)
    except AssertionError as error:
        raise AssertionError(f"{error}: {best:.2f} alike\n{phone.output()[-3000:]}") from None


async def with_a_number(house: House) -> None:
    trunk = {"name": "carrier", "networks": ["127.0.0.1/32"]}
    assert (await house.rest("POST", "/ringback/trunks", trunk)).status == 200
    await house.app.numbers.put_number(house.app.domain.id, NUMBER, RoomName(""))


async def a_room(house: House, **dialin: Any) -> str:
    """A room for callers; returns its code."""
    properties = {"exp": int(time.time()) + 3600, "dialin": dialin}
    await house.room("hello", **properties)
    answer = await house.rest("GET", "/rooms/hello")
    return str(answer.body["config"]["dialin_code"])


async def test_a_caller_enters_a_code_and_is_heard_in_the_room(tmp_path: Path) -> None:
    """The prompt, the music and the room's tone, each told from the others; keys by RFC 4733 while the prompt runs."""
    async with House(tmp_path / "house") as house:
        await with_a_number(house)
        code = await a_room(house, wait_for_meeting_start=True)
        prompts = Prompts()
        uri = f"sip:{NUMBER}@{house.sip}"
        async with Phone(tmp_path / "phone", "dial", uri, "--dtmf", f"{code}#", "--for", "60", hz=440) as phone:
            await phone.event("answered")
            await until_heard(phone, prompts.sound("please-wait"), "that nobody is there yet")
            await until_heard(phone, prompts.sound("music"), "the hold music")
            assert heard(phone, prompts.sound("wrong-code")) < 0.5

            meetings, domain = house.app.meetings, house.app.domain.id
            seat, _ = await meetings.join(domain, RoomName("hello"), Joiner(ParticipantId("ann"), None, "Ann"))
            ear = await ear_in(house, "hello", 880)
            await ear.hears(440)
            await until(lambda: _hummed(ear) and phone.hears(880), "the caller hears the room", 20)
            (row,) = await house.calls("hello")
            assert row["direction"] == "dial-in" and code not in json.dumps(row)
            await seat.leave()

        await house.idle()


def _hummed(ear: Ear) -> bool:
    ear._media.push_pcm(ear._leg, ear._tone)
    return True


async def test_a_wrong_code_is_said_to_be_wrong_and_three_end_the_call(tmp_path: Path) -> None:
    async with House(tmp_path / "house") as house:
        await with_a_number(house)
        uri = f"sip:{NUMBER}@{house.sip}"
        async with Phone(tmp_path / "phone", "dial", uri, "--dtmf", "999#", "--for", "60") as phone:
            await phone.event("answered")
            await until_heard(phone, Prompts().sound("wrong-code"), "that the code is wrong")
            assert heard(phone, Prompts().sound("please-wait")) < 0.5
        await house.idle()


class Customer:
    """A customer's server: a real HTTP server that takes the webhook and serves the music.

    Attributes:
        asked: Bodies with their headers, in order.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, Any], dict[str, str], bytes]] = []
        self.url = ""
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Customer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        values = dict(line.split(": ", 1) for line in lines if line)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        answer = b"{}"
        if first.startswith("GET"):
            answer = MP3.read_bytes()
        else:
            self.asked.append((json.loads(body), values, body))
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
        await writer.drain()
        writer.close()

    async def calls(self) -> list[tuple[dict[str, Any], dict[str, str], bytes]]:
        return [each for each in self.asked if "callId" in each[0]]


@pytest.mark.needs("baresip")
async def test_a_held_caller_hears_the_customers_music_and_is_connected_to_the_room_it_made(tmp_path: Path) -> None:
    """As published programs do it: the webhook, a room with ``sip``, and ``pinlessCallUpdate``."""
    async with Customer() as customer, House(tmp_path / "house", webhooks={"allow_private": True}) as house:
        config = {
            "type": "pinless_dialin",
            "room_creation_api": f"{customer.url}/start",
            "hold_music_url": f"{customer.url}/music.mp3",
        }
        made = (await house.rest("POST", "/domain-dialin-config", config)).body["config"]
        await until(lambda: customer.asked, "the test request came")
        assert customer.asked[0][0]["test"] == "test"

        uri = made["sip_uri"]
        async with Phone(tmp_path / "phone", "dial", uri, "--for", "60", hz=440) as phone:
            await phone.event("answered")
            ((told, headers, raw),) = await until(customer.calls, "the customer is told")
            text = headers["X-Pinless-Timestamp"].encode() + b"." + raw
            expected = hmac.new(base64.b64decode(made["hmac"]), text, hashlib.sha256).digest()
            assert base64.b64decode(headers["X-Pinless-Signature"]) == expected
            await until_heard(phone, read_mp3(MP3.read_bytes()), "the customer's music")

            endpoint = await house.room("made-for-it")
            update = {
                "callId": told["callId"],
                "callDomain": told["callDomain"],
                "sipUri": f"sip:{endpoint}@{house.sip}",
            }
            answer = await house.rest("POST", "/dialin/pinlessCallUpdate", update)
            assert (answer.status, answer.body) == (200, {"ok": "true"})
            ear = await ear_in(house, "made-for-it", 880)
            await ear.hears(440)
            await until(lambda: _hummed(ear) and phone.hears(880), "the caller hears the room", 20)
            again = await house.rest("POST", "/dialin/pinlessCallUpdate", update)
            assert again.status == 404

        await house.idle()
        (row,) = await house.calls("made-for-it")
        assert row["id"] == told["callId"] and row["endpoint"] == endpoint

        async with Baresip(tmp_path / "baresip", hz=520) as stranger:
            await stranger.dial(uri)
            await until(lambda: len([each for each in customer.asked if "callId" in each[0]]) == 2, "told again")
            await stranger.command("hangupall")
        await house.idle()
        gone = {**update, "callId": customer.asked[-1][0]["callId"]}
        assert (await house.rest("POST", "/dialin/pinlessCallUpdate", gone)).status == 404
