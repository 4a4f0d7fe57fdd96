"""``ringback doctor`` without a trunk: what this machine lacks, and how a STUN server sees it."""

import asyncio
import socket
from pathlib import Path

import pytest

from integration.sip_phone import running
from integration.test_sip_flows import StunServer
from ringback.cli.doctor import here_and_there, installation
from ringback.numbers.diagnosis import FAILED, OK, SKIPPED, WARNING, Finding


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Where ``RINGBACK_…`` is set for a test, in a folder without any ``ringback.toml``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGBACK_DATA_DIR", str(tmp_path))
    return monkeypatch


async def found(check: str) -> Finding:
    """One finding, from a thread of its own as the command's is."""
    findings = await asyncio.to_thread(installation)
    return next(finding for finding in findings if finding.check == check)


async def test_the_pixel_program_is_run_and_says_what_it_can(settings: pytest.MonkeyPatch) -> None:
    finding = await found("pictures")

    assert finding.verdict in (OK, WARNING), "built with the core; libvpx may be missing on this machine"
    assert "h264" in finding.words or "libvpx" in finding.fix


async def test_a_pixel_program_that_is_broken_is_a_failure_with_a_fix(
    settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "pixels"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    settings.setenv("RINGBACK_MEDIA__PIXELS", str(program))

    finding = await found("pictures")

    assert finding.verdict == FAILED and "broken" in finding.words and "make build" in finding.fix


async def test_without_a_stun_server_nobody_is_asked(settings: pytest.MonkeyPatch) -> None:
    assert (await found("router")).verdict == SKIPPED


async def test_a_router_that_shows_ports_as_they_are_is_fine(settings: pytest.MonkeyPatch) -> None:
    async with running() as other:
        settings.setenv("RINGBACK_SIP__PUBLIC_ADDRESS", f"stun:127.0.0.1:{other.port}")

        finding = await found("router")

    assert (finding.verdict, finding.words, finding.fix) == (OK, "the world sees 127.0.0.1, and ports as they are", "")


async def test_a_router_that_shows_other_ports_is_told_with_the_ports_to_forward(settings: pytest.MonkeyPatch) -> None:
    """No port of a call's sound can be found behind one: they have to be forwarded as they are."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(StunServer, ("127.0.0.1", 0))
    settings.setenv("RINGBACK_SIP__PUBLIC_ADDRESS", f"stun:127.0.0.1:{transport.get_extra_info('sockname')[1]}")
    settings.setenv("RINGBACK_MEDIA__RTP_PORTS", "21000-21999")
    settings.setenv("RINGBACK_SIP__PORT", "5070")

    finding = await found("router")
    transport.close()

    assert finding.verdict == WARNING
    assert "the world sees 203.0.113.77, and port" in finding.words
    assert "UDP and TCP 5070 and 7882 and UDP 21000-21999" in finding.fix
    assert "RINGBACK_SIP__PUBLIC_PORT" in finding.fix


async def test_a_stun_server_that_says_nothing_is_named(settings: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        settings.setenv("RINGBACK_SIP__PUBLIC_ADDRESS", f"stun:127.0.0.1:{port}")

        finding = await found("router")

    assert finding.verdict == FAILED
    assert f"127.0.0.1:{port} does not say how it sees us: no answer" in finding.words
    assert "allow UDP to it" in finding.fix


@pytest.mark.parametrize(
    ("name", "value", "check", "verdict", "words", "fix"),
    [
        ("RINGBACK_SIP__PORT", "no number", "settings", FAILED, "RINGBACK_SIP__PORT", "correct that setting"),
        ("RINGBACK_DATA_DIR", "/dev/null/data", "data", FAILED, "cannot be written", "RINGBACK_DATA_DIR"),
        ("RINGBACK_DATA_DIR", "not/yet/there", "data", OK, "can be written", ""),
        ("RINGBACK_MEDIA__RTP_PORTS", "20000-20009", "RTP", WARNING, "room for 5 calls", "20000-29999"),
    ],
)
async def test_what_is_wrong_here_is_said_with_the_fix(
    settings: pytest.MonkeyPatch, name: str, value: str, check: str, verdict: str, words: str, fix: str
) -> None:
    settings.setenv(name, value)

    finding = await found(check)

    assert (finding.verdict, words in finding.words, fix in finding.fix) == (verdict, True, True), finding


async def test_a_port_that_somebody_else_has_is_told(settings: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        settings.setenv("RINGBACK_SIP__PORT", str(port))

        finding = await found("SIP")

    assert (finding.verdict, f"127.0.0.1:{port}" in finding.words) == (WARNING, True)
    assert "RINGBACK_SIP__PORT" in finding.fix


def test_a_port_that_the_server_of_this_machine_has_is_no_warning() -> None:
    here = [Finding("data", OK, "fine"), Finding("SIP", WARNING, "in use")]
    answers, none = [Finding("server", OK, "is ready")], [Finding("server", SKIPPED, "not asked")]

    assert [finding.check for finding in here_and_there(here, answers)] == ["data", "server"]
    assert [finding.check for finding in here_and_there(here, none)] == ["data", "SIP", "server"]


async def test_the_port_of_a_worker_that_somebody_else_has_is_told(settings: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        settings.setenv("RINGBACK_MEDIA__UDP_PORT", str(port - 1))
        settings.setenv("RINGBACK_MEDIA__WORKERS", "2")

        finding = await found("WebRTC")

    # The one before it may be somebody's, too.
    assert finding.verdict == WARNING
    assert any(f"127.0.0.1:{taken}: " in finding.words for taken in (port, port - 1))
    assert "RINGBACK_MEDIA__UDP_PORT" in finding.fix


async def test_the_ports_of_all_workers_are_told_as_those_to_open(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("RINGBACK_MEDIA__WORKERS", "3")
    # Three in a row that are free: looked for, as nobody can reserve them.
    for first in range(41000, 60000, 11):
        settings.setenv("RINGBACK_MEDIA__UDP_PORT", str(first))
        finding = await found("WebRTC")
        if finding.verdict == OK:
            break

    assert finding.words == f"UDP and TCP {first}-{first + 2}: open these towards browsers and bots"
