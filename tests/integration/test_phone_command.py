"""``ringback phone`` against itself: two telephones of ours, over real sockets."""

import subprocess
from pathlib import Path

import pytest

from interop.peers import tones
from interop.peers.phone import Phone
from interop.peers.process import OurCommand, Process
from interop.peers.server import RINGBACK
from interop.peers.waiting import free_port, until


@pytest.mark.parametrize(("codec", "transport"), [("PCMU", "udp"), ("PCMA", "tcp"), ("G722", "udp"), ("OPUS", "udp")])
async def test_two_phones_hear_each_other_and_press_keys(codec: str, transport: str, tmp_path: Path) -> None:
    port = str(free_port())
    async with Phone(tmp_path / "there", "answer", "--port", port, hz=1000) as there:
        await there.event("waiting")
        call = ["dial", f"sip:bob@127.0.0.1:{port}", "--codec", codec, "--transport", transport, "--dtmf", "12#"]
        async with Phone(tmp_path / "here", *call, hz=440) as here:
            assert (await here.event("answered"))["codec"] == codec
            await until(lambda: here.hears(1000) or None, "the caller hears 1000 Hz")
            await until(lambda: there.hears(440) or None, "the callee hears 440 Hz")
            digits = await there.events_of("digit", 3)
            await here.stop()
            assert await here.wait() == 0
        assert await there.wait() == 0
    assert [event["digit"] for event in digits] == ["1", "2", "#"]
    assert (await there.event("ended"))["by"] == "them"
    # Files are whole at the end, by the measure of any program that reads WAV.
    sound, rate = tones.read_wav(here.recording)
    assert len(sound) > rate / 2


@pytest.mark.parametrize(("status", "exit_status"), [("486", 3), ("603", 4), ("480", 5), ("404", 7)])
async def test_the_exit_status_says_how_a_call_was_refused(status: str, exit_status: int, tmp_path: Path) -> None:
    port = str(free_port())
    async with Phone(tmp_path / "there", "answer", "--port", port, "--refuse", status) as there:
        await there.event("waiting")
        async with Phone(tmp_path / "here", "dial", f"sip:bob@127.0.0.1:{port}") as here:
            assert await here.wait() == exit_status
            assert (await here.event("ended"))["status"] == int(status)


async def test_an_address_where_nothing_listens_is_unreachable(tmp_path: Path) -> None:
    async with Phone(tmp_path, "dial", f"sip:bob@127.0.0.1:{free_port()}") as phone:
        assert await phone.wait() == 6


async def test_for_hangs_up_after_its_seconds(tmp_path: Path) -> None:
    port = str(free_port())
    async with Phone(tmp_path / "there", "answer", "--port", port) as there:
        await there.event("waiting")
        async with Phone(tmp_path / "here", "dial", f"sip:bob@127.0.0.1:{port}", "--for", "0.5") as here:
            assert await here.wait() == 0
            ended = await here.event("ended")
    assert 0.4 <= ended["seconds"] < 5


async def test_headers_behind_the_question_mark_reach_the_far_end(tmp_path: Path) -> None:
    port = str(free_port())
    async with Phone(tmp_path / "there", "answer", "--port", port) as there:
        await there.event("waiting")
        async with Phone(tmp_path / "here", "dial", f"sip:bob@127.0.0.1:{port}?X-Case=17%20a", "--for", "0"):
            incoming = await there.event("incoming")
    assert incoming["headers"] == {"X-Case": "17 a"}


async def test_two_phones_encrypt_what_they_say_where_both_want_it(tmp_path: Path) -> None:
    port = str(free_port())
    async with Phone(tmp_path / "there", "answer", "--port", port, "--srtp", "optional") as there:
        await there.event("waiting")
        dialled = ("dial", f"sip:bob@127.0.0.1:{port}", "--for", "1", "--srtp", "required")
        async with Phone(tmp_path / "here", *dialled) as here:
            assert (await here.event("answered"))["srtp"] == "AES_CM_128_HMAC_SHA1_80"
            assert (await there.event("answered"))["srtp"] == "AES_CM_128_HMAC_SHA1_80"


async def test_two_phones_agree_on_keys_beside_the_sound_and_hear_each_other(tmp_path: Path) -> None:
    port = str(free_port())
    dtls = ("--srtp", "required", "--srtp-keys", "dtls")
    async with Phone(tmp_path / "there", "answer", "--port", port, *dtls, hz=1000) as there:
        await there.event("waiting")
        async with Phone(tmp_path / "here", "dial", f"sip:bob@127.0.0.1:{port}", *dtls, hz=440) as here:
            assert (await here.event("answered"))["srtp"] == "dtls"
            assert (await there.event("answered"))["srtp"] == "dtls"
            await until(lambda: here.hears(1000) or None, "the caller hears 1000 Hz", 20)
            await until(lambda: there.hears(440) or None, "the callee hears 440 Hz", 20)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["dial", "sip:bob@127.0.0.1", "--codec", "G729"], "choose among"),
        (["dial", "sip:bob@127.0.0.1", "--srtp", "maybe"], "--srtp maybe: choose among off, optional, required"),
        (["dial", "sip:bob@127.0.0.1", "--srtp-keys", "zrtp"], "--srtp-keys zrtp: choose among sdes, dtls"),
        (["dial", "sip:bob@127.0.0.1", "--dtmf", "12x"], "--dtmf"),
        (["dial", "sip:bob@127.0.0.1", "--play", "no-such.wav"], "no-such.wav"),
        (["dial", "sip:bob@127.0.0.1", "--transport", "sctp"], "udp, tcp or tls"),
        (["dial", "sip:bob@["], "cannot be dialled"),
    ],
)
async def test_what_cannot_be_done_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    async with OurCommand(["phone", *arguments], tmp_path / "said.txt", cwd=tmp_path) as phone:
        assert await phone.wait() == 1

    assert sentence in phone.output()
    assert phone.output().count("\n") == 1


def test_a_missing_voice_is_named_with_its_package(tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path)}

    done = subprocess.run(
        [RINGBACK, "phone", "dial", "sip:bob@127.0.0.1", "--say", "Hello"],
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
    )

    assert done.returncode == 1
    assert "apt-get install flite" in done.stderr


async def test_lines_for_people_name_the_event_and_its_fields(tmp_path: Path) -> None:
    port = str(free_port())
    answer = [RINGBACK, "phone", "answer", "--port", port]
    async with Process(answer, tmp_path / "there.txt") as there:
        await until(lambda: "waiting" in there.output() or None, "the phone waits")
        async with Process(
            [RINGBACK, "phone", "dial", f"sip:bob@127.0.0.1:{port}", "--for", "0"], tmp_path / "here.txt"
        ) as here:
            assert await here.wait() == 0
    assert "answered  codec=PCMU" in here.output()
    assert all(not line.startswith("{") for line in here.output().splitlines())


async def test_a_name_that_is_in_no_dns_is_called_by_way_of_a_proxy(tmp_path: Path) -> None:
    port = free_port()
    async with Phone(tmp_path / "there", "answer", "--port", str(port)) as there:
        await there.event("waiting")
        call = ["dial", "sip:sip:bob@support.siptrunk.invalid", "--proxy", f"127.0.0.1:{port}", "--for", "1"]
        async with Phone(tmp_path / "here", *call) as here:
            assert await here.wait() == 0
            assert (await here.event("calling"))["to"] == "sip:bob@support.siptrunk.invalid"
