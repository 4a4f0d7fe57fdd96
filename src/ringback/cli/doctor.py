"""``ringback doctor``: looks over this installation or, with ``--trunk``, a trunk, and says the fix."""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ringback.cli import checkup
from ringback.cli.client import connect, quoted, show_json
from ringback.cli.plain import plain
from ringback.config import ConfigError, Settings, load_settings
from ringback.core import WrongCore, compiled
from ringback.media.pixel_program import look_at
from ringback.numbers.diagnosis import FAILED, OK, SKIPPED, WARNING, Finding
from ringback.telephony.networks import stun_server
from ringback.telephony.stun import NoAnswer, seen

app = typer.Typer()

LISTENERS = ("HTTP", "SIP", "WebRTC")

LEAST_FREE = 64 * 2**20
"""Bytes on the disk of the data folder."""

MARKS = {OK: "ok  ", WARNING: "WARN", FAILED: "FAIL", SKIPPED: "-   "}


@app.command()
def doctor(
    trunk: Annotated[str | None, typer.Option(help="Look this trunk over, on the running server.")] = None,
    call: Annotated[str | None, typer.Option(help="Number that a test call may be made to, as in +4930123456.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print findings for programs.")] = False,
) -> None:
    """Check this installation and the server that runs, or with --trunk a trunk. Status 1: something is to be fixed."""
    if trunk is None:
        findings = [vars_of(finding) for finding in here_and_there(installation(), checkup.look())]
    else:
        body = {"number": call} if call else {}
        # A test call rings for half a minute at most.
        client = connect(timeout_seconds=90.0)
        findings = client.post(f"/ringback/trunks/{quoted(trunk)}/examine", body)["findings"]
    if as_json:
        show_json(findings)
    else:
        _show(findings)
    if any(finding["verdict"] == FAILED for finding in findings):
        raise typer.Exit(1)


def installation() -> list[Finding]:
    """Look at settings, core, folders and ports of this machine."""
    try:
        settings = load_settings()
    except ConfigError as error:
        return [Finding("settings", FAILED, str(error), "correct that setting")]
    checks: list[Callable[[Settings], Finding]] = [
        _core,
        _pixels,
        _data,
        _certificate,
        _http,
        _sip,
        _webrtc,
        _rtp,
        _router,
    ]
    return [Finding("settings", OK, "they can be read"), *(check(settings) for check in checks)]


def here_and_there(here: list[Finding], there: list[Finding]) -> list[Finding]:
    """This machine's findings and the server's; ports that a server of ours has are no longer worth a warning."""
    runs = any(finding.check == "server" and finding.verdict != SKIPPED for finding in there)
    return [finding for finding in here if not (runs and finding.check in LISTENERS)] + there


def vars_of(finding: Finding) -> dict[str, str]:
    return {"check": finding.check, "verdict": finding.verdict, "words": finding.words, "fix": finding.fix}


def _core(settings: Settings) -> Finding:
    try:
        core = compiled()
    except WrongCore as error:
        words, _, fix = str(error).partition("; ")
        return Finding("core", FAILED, words, fix)
    return Finding("core", OK, f"version {core.VERSION}")


def _pixels(settings: Settings) -> Finding:
    program = settings.media.pixel_program
    found = look_at(program)
    if found.fault:
        # Calls go on without it; what a kernel or a broken file keeps from running has to be put right.
        return Finding("pictures", WARNING if program is None else FAILED, found.fault, found.fix)
    words = f"{program}, {found.version}: {', '.join(found.able)}; confined by seccomp"
    return Finding("pictures", WARNING if found.lacks_vp8 else OK, found.trouble() or words, found.fix)


def _data(settings: Settings) -> Finding:
    folder = Path(settings.data_dir).absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        # Asking for rights is not enough: root has them all, also on a disk that is full or read-only.
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        fix = "give this user write access and room, or set RINGBACK_DATA_DIR"
        return Finding("data", FAILED, f"{folder} cannot be written: {error.strerror}", fix)
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE:
        fix = "free some space, or set RINGBACK_DATA_DIR to a larger disk"
        return Finding("data", FAILED, f"the disk of {folder} is full but for {free // 2**20} MiB", fix)
    return Finding("data", OK, f"{folder} can be written")


def _certificate(settings: Settings) -> Finding:
    for name, path in (("http", settings.http.certificate), ("sip", settings.sip.certificate)):
        if path is not None and not os.access(path, os.R_OK):
            fix = f"correct RINGBACK_{name.upper()}__CERTIFICATE, or give this user read access"
            return Finding("certificates", FAILED, f"{path} cannot be read", fix)
    if settings.http.certificate is None and settings.listens_beyond_loopback:
        words = "browsers give no microphone to pages without HTTPS"
        return Finding(
            "certificates", WARNING, words, "set RINGBACK_HTTP__CERTIFICATE and __KEY, or put a proxy before it"
        )
    return Finding("certificates", OK, "nothing is missing")


def _http(settings: Settings) -> Finding:
    return _listener("HTTP", "RINGBACK_HTTP__PORT", settings.http.host, settings.http.port, socket.SOCK_STREAM)


def _sip(settings: Settings) -> Finding:
    return _listener("SIP", "RINGBACK_SIP__PORT", settings.sip.hosts[0], settings.sip.port, socket.SOCK_DGRAM)


def _webrtc(settings: Settings) -> Finding:
    """Whether each port for browsers is ours to take."""
    media, host = settings.media, settings.http.host
    for n in range(media.workers if media.udp_port else 1):
        port = media.udp_port + n
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            found = _listener("WebRTC", "RINGBACK_MEDIA__UDP_PORT", host, port, kind)
            if found.verdict != OK:
                return found
    return Finding("WebRTC", OK, f"UDP and TCP {media.webrtc_ports}: open these towards browsers and bots")


def _rtp(settings: Settings) -> Finding:
    first, last = settings.media.rtp_range
    if last - first < 20:
        fix = "set RINGBACK_MEDIA__RTP_PORTS to two ports per call, as in 20000-29999"
        return Finding("RTP", WARNING, f"{settings.media.rtp_ports} is room for {(last - first + 1) // 2} calls", fix)
    return Finding("RTP", OK, f"UDP {settings.media.rtp_ports}: open these towards carriers and phones")


def _router(settings: Settings) -> Finding:
    """Whether a router stands before this machine and shows the world other ports than ours."""
    server = stun_server(settings.sip.public_address or "")
    if server is None:
        return Finding("router", SKIPPED, "no STUN server is set as RINGBACK_SIP__PUBLIC_ADDRESS: nobody was asked")
    try:
        ours, (address, port) = asyncio.run(seen(*server))
    except NoAnswer as error:
        fix = "allow UDP to it, name another, or set RINGBACK_SIP__PUBLIC_ADDRESS to the address itself"
        return Finding("router", FAILED, f"{server[0]}:{server[1]} does not say how it sees us: {error}", fix)
    if port == ours:
        return Finding("router", OK, f"the world sees {address}, and ports as they are")
    first, last = settings.media.rtp_range
    fix = (
        f"forward UDP and TCP {settings.sip.port} and {settings.media.webrtc_ports} and UDP {first}-{last} to this"
        " machine, under the same numbers;"
        " where SIP's is another outside, set RINGBACK_SIP__PUBLIC_PORT"
    )
    return Finding("router", WARNING, f"the world sees {address}, and port {ours} as {port}", fix)


def _listener(what: str, setting: str, host: str, port: int, kind: socket.SocketKind) -> Finding:
    """Whether the port is ours to take; a server of ours that runs already has it, which is as well."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1 if kind == socket.SOCK_STREAM else 0)
        try:
            probe.bind((host, port))
        except OSError as error:
            words = f"{host}:{port}: {error.strerror}"
            fix = f"a running Ringback may have it already; otherwise set {setting} to a free port"
            return Finding(what, WARNING, words, fix)
    return Finding(what, OK, f"{host}:{port} is free")


def _show(findings: list[dict[str, Any]]) -> None:
    width = max((len(finding["check"]) for finding in findings), default=0)
    for finding in findings:
        typer.echo(f"{MARKS[finding['verdict']]} {plain(finding['check']):<{width}}  {plain(finding['words'])}")
        if finding["fix"]:
            typer.echo(f"     {'':<{width}}  → {plain(finding['fix'])}")
