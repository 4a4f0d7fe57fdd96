"""``ringback phone``: a real SIP phone in the terminal."""

import asyncio
import json
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

import typer

from ringback.cli.fail import fail
from ringback.cli.loop import read_settings, run
from ringback.cli.plain import plain
from ringback.cli.softphone import sound
from ringback.cli.softphone.line import address_towards, open_softphone
from ringback.cli.softphone.outcome import MEANINGS, Exit
from ringback.cli.softphone.phone import Line
from ringback.cli.softphone.sound import SoundError
from ringback.cli.softphone.talk import Script, talk
from ringback.clock import SystemClock
from ringback.model.errors import RingbackError
from ringback.sdp.crypto import KEYINGS, POLICIES
from ringback.sip.errors import SipParseError
from ringback.sip.flow import TlsPolicy
from ringback.sip.uri import parse_sip_uri, undoubled

STATUSES = "Exit status: " + "; ".join(f"{int(code)} {words}" for code, words in MEANINGS.items()) + "."
CODECS = ("PCMU", "PCMA", "G722", "OPUS")
KEYS = re.compile(r"[0-9A-D*#]{1,64}")
HEADER = re.compile(r"[A-Za-z0-9._!%*+`'~-]{1,64}")

app = typer.Typer(help="A SIP phone in the terminal: dial, or wait for a call.", no_args_is_help=True, epilog=STATUSES)

Play = Annotated[Path | None, typer.Option(help="WAV file to play once the call is answered.")]
Say = Annotated[str | None, typer.Option(help="Text to speak then, by flite or espeak-ng.")]
Record = Annotated[Path | None, typer.Option(help="WAV file for what is heard.")]
Dtmf = Annotated[str | None, typer.Option(help="Keys to press after the answer, as in 123#.")]
Codec = Annotated[list[str] | None, typer.Option(help="PCMU, PCMA, G722, OPUS; again for more, best first.")]
Srtp = Annotated[str, typer.Option(help="Encrypt the sound: off, optional or required.")]
Keys = Annotated[str, typer.Option(help="How its keys come about: sdes (in SDP) or dtls (beside the sound).")]
For = Annotated[float | None, typer.Option("--for", help="Seconds after the answer to hang up.", min=0)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per event.")]


class Teller:
    """A line per event: time, name, fields; or JSON."""

    def __init__(self, as_json: bool, clock: SystemClock) -> None:
        self._as_json = as_json
        self._clock = clock
        self._begun = clock.monotonic()

    def __call__(self, event: str, fields: Mapping[str, object]) -> None:
        at = self._clock.monotonic() - self._begun
        if self._as_json:
            line = json.dumps({"event": event, "at": round(at, 3), **fields}, ensure_ascii=False)
        else:
            words = " ".join(f"{name}={_shown(value)}" for name, value in fields.items() if value not in ("", {}, None))
            line = f"{at:7.2f} s  {event:<9} {words}".rstrip()
        print(line, flush=True)


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return plain(text)


@app.command(epilog=STATUSES)
def dial(
    to: Annotated[str, typer.Argument(metavar="URI_OR_NUMBER", help="sip:user@host, or a number at --server.")],
    play: Play = None,
    say: Say = None,
    record: Record = None,
    dtmf: Dtmf = None,
    codec: Codec = None,
    srtp: Srtp = "off",
    srtp_keys: Keys = "sdes",
    transport: Annotated[str, typer.Option(help="udp, tcp or tls.")] = "udp",
    ca_file: Annotated[
        Path | None, typer.Option(help="PEM file of the authorities that vouch for who is called by TLS.")
    ] = None,
    server: Annotated[str | None, typer.Option(help="host:port that numbers are dialled at.")] = None,
    proxy: Annotated[
        str | None, typer.Option(help="host:port that the call is sent to, where the address itself is in no DNS.")
    ] = None,
    name: Annotated[str, typer.Option(help="Our name, as the far end sees it.")] = "",
    user: Annotated[str, typer.Option(help="User part of our address.")] = "phone",
    seconds: For = None,
    as_json: AsJson = False,
) -> None:
    """Call an address or a number and talk until either side hangs up. Ctrl-C hangs up."""
    line = _line(codec, user, srtp, srtp_keys)
    script = _script(play, say, record, dtmf, seconds, line.rate)
    uri, headers = _target(to, server, transport)
    tls = TlsPolicy(ca_file=str(ca_file or ""))
    call = _Call(uri, headers, name, _proxy(proxy, transport))
    raise typer.Exit(int(run(_dial(line, script, call, tls, as_json))))


@app.command(epilog=STATUSES)
def answer(
    play: Play = None,
    say: Say = None,
    record: Record = None,
    dtmf: Dtmf = None,
    codec: Codec = None,
    srtp: Srtp = "off",
    srtp_keys: Keys = "sdes",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="UDP and TCP port to listen on.", min=0, max=65535)] = 5070,
    user: Annotated[str, typer.Option(help="User part of our address.")] = "phone",
    ring: Annotated[float, typer.Option(help="Seconds to ring before answering.", min=0)] = 0.0,
    refuse: Annotated[
        int | None, typer.Option(help="Refuse every caller with this SIP status, as in 486.", min=400, max=699)
    ] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Wait for the next caller after each call.")] = False,
    seconds: For = None,
    as_json: AsJson = False,
) -> None:
    """Wait for a call, answer it and talk until either side hangs up. Ctrl-C ends it."""
    line = _line(codec, user, srtp, srtp_keys, refuse, ring)
    script = _script(play, say, record, dtmf, seconds, line.rate)
    raise typer.Exit(int(run(_answer(line, script, host, port, stay, as_json))))


@dataclass(frozen=True, slots=True)
class _Call:
    """Who is called, with which headers, as whom, and by way of which ``sip:`` address, if any."""

    uri: str
    headers: list[tuple[str, str]]
    name: str
    proxy: str


async def _dial(line: Line, script: Script, call: _Call, tls: TlsPolicy, as_json: bool) -> Exit:
    clock = SystemClock(asyncio.get_running_loop())
    tell = Teller(as_json, clock)
    stop = _stop_on_signals()
    try:
        here = address_towards(_host(call.proxy or call.uri))
        async with open_softphone(line, clock, tell, here, tls=tls) as phone:
            phone.dial(call.uri, call.headers, call.name, call.proxy)
            return (await talk(phone, script, stop)).exit
    except RingbackError as error:
        fail(error.info)
    except (OSError, SoundError) as error:
        fail(str(error))


async def _answer(line: Line, script: Script, host: str, port: int, stay: bool, as_json: bool) -> Exit:
    clock = SystemClock(asyncio.get_running_loop())
    tell = Teller(as_json, clock)
    stop = _stop_on_signals()
    try:
        async with open_softphone(line, clock, tell, host, port) as phone:
            tell("waiting", {"address": phone.address})
            while True:
                outcome = await talk(phone, script, stop)
                if stop.is_set() or not stay:
                    return outcome.exit
                phone.reset()
    except (OSError, SoundError) as error:
        fail(str(error))


def _stop_on_signals() -> asyncio.Event:
    """Ctrl-C and SIGTERM hang up."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _line(
    codecs: list[str] | None, user: str, srtp: str, srtp_keys: str, refuse: int | None = None, ring: float = 0.0
) -> Line:
    if srtp not in POLICIES:
        fail(f"--srtp {srtp}: choose among {', '.join(POLICIES)}")
    if srtp_keys not in KEYINGS:
        fail(f"--srtp-keys {srtp_keys}: choose among {', '.join(KEYINGS)}")
    wanted = [name.upper() for name in codecs or CODECS]
    if unknown := [name for name in wanted if name not in CODECS]:
        fail(f"--codec {unknown[0]}: choose among {', '.join(CODECS)}")
    rate = 48000 if wanted[0] == "OPUS" else 16000
    return Line(name=user, codecs=wanted, rate=rate, refuse=refuse, ring=ring, srtp=srtp, srtp_keys=srtp_keys)


def _script(
    play: Path | None, text: str | None, record: Path | None, dtmf: str | None, seconds: float | None, rate: int
) -> Script:
    digits = (dtmf or "").upper()
    if digits and not KEYS.fullmatch(digits):
        fail("--dtmf takes up to 64 of 0-9, A-D, * and #")
    try:
        spoken = sound.say(text, rate) if text else b""
        played = sound.read_wav(play, rate) if play else b""
    except SoundError as error:
        fail(str(error))
    return Script(spoken + played, record, digits, seconds)


def _target(to: str, server: str | None, transport: str) -> tuple[str, list[tuple[str, str]]]:
    """The address to dial, and the headers that stand behind its question mark (RFC 3261 §19.1.1)."""
    if transport not in ("udp", "tcp", "tls"):
        fail("--transport is udp, tcp or tls")
    address, _, query = undoubled(to.strip()).partition("?")
    if re.fullmatch(r"\+?[0-9*#-]+", address):
        address = f"{address}@{server or _server_here(transport)}"
    if not address.startswith(("sip:", "sips:")):
        address = f"sip:{address}"
    if transport != "udp" and ";transport=" not in address and not address.startswith("sips:"):
        address += f";transport={transport}"
    headers = []
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        if not HEADER.fullmatch(name):
            fail(f"{name!r} cannot be the name of a header")
        headers.append((name, "".join(char for char in unquote(value) if char.isprintable())))
    return address, headers


def _proxy(where: str | None, transport: str) -> str:
    if where is None:
        return ""
    address = where if where.startswith(("sip:", "sips:")) else f"sip:{where}"
    _host(address)
    return address if transport == "udp" else f"{address};transport={transport}"


def _server_here(transport: str) -> str:
    sip = read_settings({}).sip
    return f"{address_towards('127.0.0.1')}:{sip.tls_port if transport == 'tls' else sip.port}"


def _host(uri: str) -> str:
    try:
        return parse_sip_uri(uri).host.strip("[]")
    except SipParseError as error:
        fail(f"{uri} cannot be dialled: {error.reason}")
