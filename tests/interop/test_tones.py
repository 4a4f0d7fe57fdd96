"""Keys as sound, with a telephone in whose calls no telephone-event is agreed on."""

import wave
from pathlib import Path

import numpy as np
import pytest

from interop.peers.house import House
from interop.peers.linphone import Linphone
from interop.peers.waiting import until
from interop.test_softphones import pressed

NUMBER = "+4930123456"


def pressed_into(path: Path) -> Path:
    """A recording of 5, 5 and #, 120 ms each, made by nothing of ours, with a second of silence before each."""
    at = np.arange(16 * 120) / 16000
    keys = [
        np.sin(2 * np.pi * low * at) + np.sin(2 * np.pi * high * at)
        for low, high in ((770, 1336),) * 2 + ((941, 1477),)
    ]
    sound = np.concatenate([part for key in keys for part in (np.zeros(16000), key * 6000)])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(np.concatenate([sound, np.zeros(16000 * 60)]).astype("<i2").tobytes())
    return path


@pytest.mark.needs("linphonec")
async def test_keys_go_both_ways_as_tones_over_a_trunk_that_knows_nothing_better(tmp_path: Path) -> None:
    keys = pressed_into(tmp_path / "keys.wav")
    async with House(tmp_path / "house") as house, Linphone(tmp_path / "phone", answer=True, sound=keys) as phone:
        await house.room("desk", enable_dialout=True)
        trunk = {"name": "gateway", "hosts": [f"127.0.0.1:{phone.port}"], "dtmf": "in-band", "codecs": ["PCMU"]}
        assert (await house.rest("POST", "/ringback/trunks", trunk)).status == 200
        told = pressed(house)

        answer = await house.rest("POST", "/rooms/desk/dialOut/start", {"phoneNumber": NUMBER})
        assert answer.status == 200, answer
        await house.state("desk", "answered")
        await phone.says("connected")
        offer = phone.log().partition("INVITE sip:")[2].partition("Content-Length")[2]
        assert "telephone-event" not in offer.partition("channel")[0]

        await until(lambda: told == ["5", "5", "#"] or None, "three keys in its sound are told, each once", 20)

        tones = {"sessionId": answer.body["sessionId"], "tones": "7", "digitDurationMs": 2000}
        sent = await house.rest("POST", "/rooms/desk/dialOut/sendDTMF", tones)
        assert sent.status == 200, sent
        await until(lambda: (phone.hears(852) and phone.hears(1209)) or None, "linphone hears the two tones of 7", 20)
        assert told == ["5", "5", "#"], "the tones of ours that it hears are no keys of its"
