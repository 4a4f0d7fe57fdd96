"""linphonec 5.1 with files for a microphone and a loudspeaker (Debian's linphone-cli)."""

from pathlib import Path
from types import TracebackType
from typing import Self

from interop.peers import tones
from interop.peers.process import Process
from interop.peers.waiting import free_port, until

CONFIG = """\
[sip]
sip_port={port}
sip_tcp_port=-2
sip_tls_port=-2
default_proxy=-1
bind_address=127.0.0.1
ipv6_migration_done=1
use_ipv6=0
register_only_when_network_is_up=0
contact="linphone" <sip:linphone@127.0.0.1>

[rtp]
audio_rtp_port=-1
bind_address=127.0.0.1

[sound]
echocancellation=0

{codecs}
"""

# Its camera is a still; what is shown goes nowhere, but may be asked for as a JPEG.
VIDEO = """
[video]
enabled=1
capture=1
display=1
automatically_initiate=1
automatically_accept=1
size=vga
show_local=0
self_view=0

[video_codec_0]
mime={codec}
rate=90000
enabled=1

[video_codec_1]
mime={other}
rate=90000
enabled=0
"""

RATES = {"OPUS": ("opus", 48000, 2), "G722": ("G722", 8000, 1), "PCMU": ("PCMU", 8000, 1), "PCMA": ("PCMA", 8000, 1)}


class Linphone:
    """A telephone.

    Args:
        folder: Its own; it is also its home, so that it keeps nothing elsewhere.
        hz: The tone that is its microphone.
        codecs: Names as in our API; all others are off.
        answer: Whether it takes calls by itself.
        account: Username, password and ``host:port`` of a registrar.
        sound: A recording that is its microphone in place of a tone.
        port: Where it listens; 0 for any free port.
        video: Codec of its camera and screen (``VP8``, or ``H264`` by Debian's plug-in); empty: it has none.
        asks_by_rtcp: Whether whole pictures are asked for by RTCP; else by INFO.
    """

    def __init__(
        self,
        folder: Path,
        *,
        hz: int = 440,
        codecs: tuple[str, ...] = ("PCMU",),
        answer: bool = False,
        account: tuple[str, str, str] | None = None,
        sound: Path | None = None,
        port: int = 0,
        video: str = "",
        asks_by_rtcp: bool = True,
    ) -> None:
        # Without this folder its database cannot be opened, and then it opens no SIP port at all.
        (folder / ".local" / "share" / "linphone").mkdir(parents=True)
        self.port = port or free_port()
        self.uri = f"sip:linphone@127.0.0.1:{self.port}"
        self._tone = sound or tones.write_tone(folder / "tone.wav", hz, rate=16000)
        self._recording = folder / "heard.wav"
        # It leaves the recording's header empty until the call is over.
        self._rate = {"OPUS": 48000, "G722": 16000}.get(codecs[0], 8000)
        config = CONFIG.format(port=self.port, codecs=_codecs(codecs))
        if account is not None:
            config = config.replace("default_proxy=-1", "default_proxy=0") + _account(*account)
        if not asks_by_rtcp:
            config = config.replace("[rtp]\n", "[rtp]\nrtcp_fb_implicit_rtcp_fb=0\n")
        if video:
            config += VIDEO.format(codec=video, other="H264" if video == "VP8" else "VP8")
        (folder / "rc").write_text(config)
        command = ["linphonec", "-c", str(folder / "rc"), "-d", "5", "-l", str(folder / "sip.txt")]
        self._sip_log = folder / "sip.txt"
        self._pictures = 0
        self._process = Process(
            [*command, *(["-a"] if answer else []), *(["-V"] if video else [])],
            folder / "log.txt",
            env={"HOME": str(folder)},
            cwd=folder,
        )

    async def __aenter__(self) -> Self:
        await self._process.start()
        await self._say("soundcard use files", "soundcard")
        await self._process.type(f"play {self._tone}")
        await self._process.type(f"record {self._recording}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._process.type("terminate")
        await self._process.type("quit")
        try:
            await self._process.wait(5)
        except TimeoutError:
            await self._process.stop()

    async def _say(self, command: str, answer: str) -> None:
        await until(lambda: "linphonec>" in self._process.output() or None, "linphonec is ready", 20)
        await self._process.type(command)

    async def dial(self, uri: str, call: int = 1) -> None:
        """Call and wait for the answer; ``call`` counts its calls."""
        await self._process.type(f"call {uri}")
        await self.says(f"streams established with {uri.lower()} for call {call} ")

    async def type(self, command: str) -> None:
        """``pause``, ``resume``, ``transfer URI``…"""
        await self._process.type(command)

    async def listen_anew(self) -> None:
        """Record the call that it is in now, after another one: it goes on with the first one's recording otherwise."""
        self._recording = self._recording.with_name("heard-anew.wav")
        await self._process.type(f"record {self._recording}")

    async def hangup(self) -> None:
        """End the call."""
        await self._process.type("terminate")

    async def digit(self, digit: str) -> None:
        """Press a key; there is no command for it, the bare line does it."""
        await self._process.type(digit)

    async def says(self, words: str, timeout_s: float = 30.0) -> None:
        """Wait until its console has these words, whatever their case."""
        try:
            await until(lambda: words in self._process.output().lower() or None, f"linphonec says {words}", timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._process.output()[-3000:]}\n{self.log()[-6000:]}") from None

    async def picture(self, folder: Path) -> bytes | None:
        """What it is shown now, as JPEG; ``None``: nothing yet."""
        self._pictures += 1
        file = folder / f"shown-{self._pictures}.jpg"
        await self._process.type(f"snapshot {file}")

        def written() -> bytes | None:
            data = file.read_bytes() if file.exists() else b""
            return data if data.endswith(b"\xff\xd9") else None

        try:
            return await until(written, "it takes a picture", 3)
        except AssertionError:
            return None

    def log(self) -> str:
        """Its own log, with every SIP message in and out."""
        return self._sip_log.read_text(errors="replace") if self._sip_log.exists() else ""

    def hears(self, hz: float) -> bool:
        """Whether the last second of what it heard has a tone."""
        return tones.hears(self._recording, hz, self._rate)


def _account(username: str, password: str, home: str) -> str:
    return (
        f"[auth_info_0]\nusername={username}\npasswd={password}\n\n"
        f"[proxy_0]\nreg_proxy=<sip:{home};transport=udp>\nreg_identity=sip:{username}@{home}\n"
        "reg_expires=120\nreg_sendregister=1\n"
    )


def _codecs(wanted: tuple[str, ...]) -> str:
    sections = []
    known = [*RATES.values(), ("speex", 8000, 1), ("speex", 16000, 1), ("speex", 32000, 1), ("G729", 8000, 1)]
    on = [RATES[name] for name in wanted]
    for number, (mime, rate, channels) in enumerate([*on, *(codec for codec in known if codec not in on)]):
        enabled = int(number < len(on))
        sections.append(f"[audio_codec_{number}]\nmime={mime}\nrate={rate}\nchannels={channels}\nenabled={enabled}\n")
    return "\n".join(sections)
