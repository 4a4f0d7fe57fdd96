"""baresip 1.0 without a screen or a sound card: a tone goes in, what it hears is recorded (Debian's baresip-core)."""

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from interop.peers import tones
from interop.peers.png import Image, read
from interop.peers.process import Process
from interop.peers.waiting import free_pair, free_port, until

# Apart from the server's 20000-29999.
RTP_PORTS = "14000-14100"

CONFIG = """\
poll_method epoll
sip_listen {host}:{sip}
net_interface {interface}
audio_player aubridge,sink
audio_source ausine,{hz}
audio_alert aubridge,alert
ausrc_srate 48000
auplay_srate 48000
ausrc_channels 2
auplay_channels 1
rtp_ports {rtp}
module_path /usr/lib/baresip/modules
module g711.so
module g722.so
module opus.so
module aubridge.so
module sndfile.so
module srtp.so
module dtls_srtp.so
module ausine.so
module uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
module_app debug_cmd.so
ctrl_tcp_listen 127.0.0.1:{control}
snd_path {recordings}
"""

# A camera of three upright bars (red, green, blue), and a screen that snapshots are taken of.
VIDEO = """\
module {module}
module fakevideo.so
module snapshot.so
video_source fakevideo,nil
video_display fakevideo,nil
video_size {size}
video_bitrate 600000
video_fps {fps}
"""

VIDEO_MODULES = {"VP8": "vp8.so", "H264": "avcodec.so"}

# baresip leaves a codec without clock and channels out of its offer, silently.
CODECS = {"OPUS": "opus/48000/2", "G722": "g722/16000/1", "PCMU": "pcmu", "PCMA": "pcma"}


class Baresip:
    """A telephone.

    Args:
        folder: Its own, for configuration, log and recordings.
        hz: The tone that is its microphone.
        codecs: Names as in our API, in order of preference.
        answer: ``auto`` or ``manual``.
        transport: ``udp``, ``tcp`` or ``tls`` (on the port after its own, with ``certificate``).
        authorities: PEM file; without it nobody is called by TLS.
        certificate: PEM file with its certificate and the key.
        name: User part of its address.
        mediaenc: How its sound is encrypted: ``srtp`` (offered), ``srtp-mand`` (demanded), ``dtls_srtp``, nothing.
        account: Password and ``host:port`` of a registrar where ``name`` has an account.
        proxy: ``sip:`` URI everything goes through.
        host: Its IP address.
        video: Codec of its camera and screen (``VP8``, or ``H264`` of Debian's baresip-ffmpeg); empty: it has none.
        size: Of its pictures.
        rtp_ports: Where its RTP is: another range for each phone that shares a network with others.
    """

    def __init__(
        self,
        folder: Path,
        *,
        hz: int = 440,
        codecs: tuple[str, ...] = ("PCMU",),
        answer: str = "auto",
        transport: str = "udp",
        authorities: Path | None = None,
        certificate: Path | None = None,
        name: str = "alice",
        mediaenc: str = "",
        account: tuple[str, str] | None = None,
        proxy: str = "",
        host: str = "127.0.0.1",
        video: str = "",
        size: str = "640x360",
        rtp_ports: str = RTP_PORTS,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._recordings = folder / "recordings"
        self._recordings.mkdir()
        self._seen = tempfile.TemporaryDirectory(prefix="seen-")
        self.port, self._control = free_pair(), free_port()
        listening = self.port + 1 if transport == "tls" else self.port
        shown = f"[{host}]" if ":" in host else host
        self.uri = f"sip:{name}@{shown}:{listening}" + (f";transport={transport}" if transport != "udp" else "")
        self._process = Process(["baresip", "-f", folder, "-v", "-s"], folder / "log.txt", cwd=folder)
        self._events: list[Mapping[str, Any]] = []
        self._answers: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        secret = f"sip_cafile {authorities}\n" if authorities is not None else ""
        secret += f"sip_certificate {certificate}\n" if certificate is not None else ""
        secret += VIDEO.format(module=VIDEO_MODULES[video], size=size, fps=15) if video else ""
        (folder / "config").write_text(
            CONFIG.format(
                host=shown,
                interface=host,
                sip=self.port,
                hz=hz,
                rtp=rtp_ports,
                control=self._control,
                recordings=self._recordings,
            )
            + secret
        )
        wanted = ",".join(CODECS[codec] for codec in codecs)
        encrypted = f";mediaenc={mediaenc}" if mediaenc else ""
        password, home = account or ("", f"{shown}:{self.port}")
        login = f"auth_pass={password};regint=120" if account else "regint=0"
        login += f';outbound="{proxy}"' if proxy else ""
        (folder / "accounts").write_text(
            f"<sip:{name}@{home};transport={transport}>;{login};answermode={answer};"
            f"audio_codecs={wanted};dtmfmode=rtpevent{encrypted}\n"
        )

    async def __aenter__(self) -> Self:
        await self._process.start()
        try:
            reader, self._writer = await until(self._connect, "baresip listens for commands")
        except BaseException:
            await self._process.stop()
            raise
        self._listening = asyncio.create_task(self._listen(reader))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listening is not None:
            self._listening.cancel()
        if self._writer is not None:
            self._writer.close()
        await self._process.stop()
        self._seen.cleanup()

    async def kill(self) -> None:
        """As a flat battery does: nobody is told."""
        await self._process.kill()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        assert self._process.running, f"baresip ended: {self._process.output()[-2000:]}"
        with contextlib.suppress(OSError):
            return await asyncio.open_connection("127.0.0.1", self._control)
        return None

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                size = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(size + 1))[:-1])
                if message.get("event"):
                    self._events.append(message)
                elif (waiting := self._answers.pop(message.get("token", ""), None)) and not waiting.done():
                    waiting.set_result(message)

    async def command(self, command: str, params: str = "") -> str:
        """One of its commands (``dial``, ``hangup``, ``hold``, ``resume``, ``sndcode``…); returns what it says."""
        assert self._writer is not None, "it was not started"
        token = str(len(self._events) + len(self._answers)) + command
        answer = self._answers[token] = asyncio.get_running_loop().create_future()
        body = json.dumps({"command": command, "params": params, "token": token}).encode()
        self._writer.write(b"%d:%s," % (len(body), body))
        return str((await asyncio.wait_for(answer, 20)).get("data", ""))

    async def dial(self, uri: str) -> None:
        """Call and wait for the answer."""
        await self.command("dial", uri)
        await self.event("CALL_ESTABLISHED")

    async def event(self, kind: str, timeout_s: float = 30.0) -> Mapping[str, Any]:
        """The first event of a kind since the start (``CALL_RINGING``, ``CALL_ESTABLISHED``, ``CALL_CLOSED``…)."""

        def seen() -> Mapping[str, Any] | None:
            return next((event for event in self._events if event.get("type") == kind), None)

        try:
            return await until(seen, f"baresip says {kind}", timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-6000:]}") from None

    def said(self) -> set[str]:
        """Kinds of the events since the start."""
        return {str(event.get("type")) for event in self._events}

    def forget(self) -> None:
        """Forget the events so far, for a second call."""
        self._events.clear()

    def log(self) -> str:
        """Its output, with every SIP message in and out."""
        return self._process.output()

    def heard(self) -> Path | None:
        """Recording of what it heard in its newest call."""
        return max(self._recordings.glob("*-dec.wav"), key=lambda path: path.stat().st_mtime_ns, default=None)

    async def picture(self) -> Image | None:
        """What it is shown now; ``None``: nothing yet."""
        # It cuts names off after 99 characters; pytest's folders are longer.
        path = Path(self._seen.name) / f"{time.monotonic_ns()}.png"
        await self.command("snapshot_recv", str(path))
        for _ in range(20):
            if path.is_file() and (image := read(path)) is not None:
                return image
            await asyncio.sleep(0.1)
        return None

    def hears(self, hz: float) -> bool:
        """Whether the last second of what it heard has a tone."""
        recording = self.heard()
        return recording is not None and tones.hears(recording, hz)
