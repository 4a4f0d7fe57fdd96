"""A page of headless Chromium that speaks WebRTC with the media engine, its signalling done by the test."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from playwright.async_api import Browser, Page, Playwright, async_playwright

from interop.peers.browser import ARGUMENTS, FAKE_CAMERA
from ringback.media.service import Media
from ringback.model.ids import ParticipantId

QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]

SCRIPT = """
(() => {
  const context = new AudioContext({ sampleRate: 48000 });
  const pc = new RTCPeerConnection();
  const sent = {}, ears = {}, eyes = {};
  pc.ontrack = ({ track, transceiver }) => {
    const stream = new MediaStream([track]);
    const element = document.createElement(track.kind);
    element.autoplay = true;
    element.muted = track.kind === "video";
    element.srcObject = stream;
    document.body.append(element);
    element.play().catch(() => {});
    if (track.kind === "audio") {
      const analyser = new AnalyserNode(context, { fftSize: 16384, smoothingTimeConstant: 0 });
      new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(analyser);
      ears[transceiver.mid] = analyser;
    } else eyes[transceiver.mid] = element;
  };
  const prefer = (transceiver, names) => {
    if (!names.length) return;
    const all = RTCRtpReceiver.getCapabilities(transceiver.receiver.track.kind).codecs;
    const wanted = names.flatMap((name) => all.filter((c) => c.mimeType.split("/")[1].toUpperCase() === name));
    transceiver.setCodecPreferences(wanted);
  };
  window.peer = {
    sendTone(hz, codecs) {
      const oscillator = new OscillatorNode(context, { frequency: hz });
      const gain = new GainNode(context, { gain: 0.25 });
      const out = new MediaStreamAudioDestinationNode(context);
      oscillator.connect(gain).connect(out);
      oscillator.start();
      const transceiver = pc.addTransceiver(out.stream.getAudioTracks()[0], { direction: "sendonly" });
      prefer(transceiver, codecs);
      sent.audio = transceiver;
      window.loudness = (value) => { gain.gain.value = value; };
    },
    sendColour(colour, codecs) {
      const canvas = document.createElement("canvas");
      canvas.width = 320; canvas.height = 240;
      const draw = canvas.getContext("2d");
      let n = 0;
      setInterval(() => {
        draw.fillStyle = colour; draw.fillRect(0, 0, 320, 240);
        draw.fillStyle = "#888"; draw.fillRect((n = (n + 4) % 300), 0, 20, 20);
      }, 66);
      const transceiver = pc.addTransceiver(canvas.captureStream(15).getVideoTracks()[0], { direction: "sendonly" });
      prefer(transceiver, codecs);
      sent.video = transceiver;
    },
    receive(kind, codecs) {
      const transceiver = pc.addTransceiver(kind, { direction: "recvonly" });
      prefer(transceiver, codecs);
      return pc.getTransceivers().indexOf(transceiver);
    },
    async offer() {
      await context.resume();
      await pc.setLocalDescription();
      const sending = Object.entries(sent).map(([track, transceiver]) => [transceiver.mid, track]);
      return { sdp: pc.localDescription.sdp, sending, mids: pc.getTransceivers().map((t) => t.mid) };
    },
    async answer(sdp) { await pc.setRemoteDescription({ type: "answer", sdp }); },
    state() { return pc.connectionState; },
    heard(mid, frequencies) {
      const analyser = ears[mid];
      if (!analyser) return frequencies.map(() => 0);
      const lines = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(lines);
      const hertz = context.sampleRate / analyser.fftSize;
      const band = [...lines.slice(Math.round(200 / hertz), Math.round(3400 / hertz))].sort((a, b) => a - b);
      const median = Math.max(band[band.length >> 1], -140);
      return frequencies.map((f) => {
        const peak = Math.max(...lines.slice(Math.round((f - 15) / hertz), Math.round((f + 15) / hertz) + 1));
        return peak > -60 ? peak - median : 0;
      });
    },
    colour(mid) {
      const element = eyes[mid];
      if (!element || !element.videoWidth) return null;
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 1;
      const draw = canvas.getContext("2d");
      draw.drawImage(element, element.videoWidth / 4, element.videoHeight / 2, 1, 1, 0, 0, 1, 1);
      return [...draw.getImageData(0, 0, 1, 1).data].slice(0, 3);
    },
    async report(kind) {
      const found = [];
      (await pc.getStats()).forEach((s) => { if (s.type === kind) found.push({ ...s }); });
      return found;
    },
    restart() { pc.restartIce(); },
    close() { pc.close(); },
  };
})();
"""


class Chromium:
    """A browser for a module's tests: starting it costs more than all of them."""

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    async def __aenter__(self) -> Self:
        self._playwright = await async_playwright().start()
        self._browser = await self._playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=[*ARGUMENTS, FAKE_CAMERA, *QUIET, "--no-sandbox"]
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._browser is not None:
            await self._browser.close()
        if self._playwright is not None:
            await self._playwright.stop()

    async def page(self, media: Media, leg: str) -> "BrowserPeer":
        """A page with one peer connection."""
        assert self._browser is not None, "it was not started"
        page = await self._browser.new_page()
        await page.route("https://page.test/", lambda route: route.fulfill(body="<body></body>"))
        await page.goto("https://page.test/")
        await page.evaluate(SCRIPT)
        return BrowserPeer(page, media, ParticipantId(leg))


class BrowserPeer:
    """One page as a participant. ``leg`` is its id in the engine."""

    def __init__(self, page: Page, media: Media, leg: ParticipantId) -> None:
        self.page = page
        self.leg = leg
        self._media = media
        self._receiving: list[tuple[int, ParticipantId, str]] = []
        self._mids: list[str] = []

    async def send_tone(self, hz: float, codecs: Sequence[str] = ()) -> None:
        """A sine for a microphone; ``codecs`` are the only ones offered."""
        await self.page.evaluate("([hz, codecs]) => peer.sendTone(hz, codecs)", [hz, list(codecs)])

    async def send_colour(self, colour: str, codecs: Sequence[str] = ()) -> None:
        """A plain picture for a camera."""
        await self.page.evaluate("([colour, codecs]) => peer.sendColour(colour, codecs)", [colour, list(codecs)])

    async def receive(self, source: str, track: str, codecs: Sequence[str] = ()) -> int:
        """An m-line for somebody's track; returns its number for ``heard`` and ``colour``."""
        kind = "audio" if "udio" in track else "video"
        index = await self.page.evaluate("([kind, codecs]) => peer.receive(kind, codecs)", [kind, list(codecs)])
        self._receiving.append((index, ParticipantId(source), track))
        return int(index)

    async def negotiate(self, only: str = "") -> str:
        """Offer and apply the answer; ``only`` leaves in it the candidates with that word (``udp``, ``tcp``)."""
        offer: Mapping[str, Any] = await self.page.evaluate("peer.offer()")
        self._mids = list(offer["mids"])
        self._media.set_published(self.leg, dict(offer["sending"]))
        table = {self._mids[index]: (source, track) for index, source, track in self._receiving}
        self._media.set_subscriptions(self.leg, table)
        answer = await self._media.webrtc_offer(self.leg, str(offer["sdp"]))
        lines = [line for line in answer.splitlines() if not line.startswith("a=candidate") or f" {only}" in line]
        await self.page.evaluate("sdp => peer.answer(sdp)", "\r\n".join(lines) + "\r\n")
        return answer

    async def state(self) -> str:
        """``connected``, …"""
        return str(await self.page.evaluate("peer.state()"))

    async def heard(self, index: int, *frequencies: float) -> list[float]:
        """How many dB the line at each frequency stands above the median of the telephone band."""
        mid = self._mids[index]
        return list(await self.page.evaluate("([mid, f]) => peer.heard(mid, f)", [mid, list(frequencies)]))

    async def colour(self, index: int) -> list[int] | None:
        """Red, green and blue of what is seen, 0..255; ``None`` before the first picture."""
        seen: list[int] | None = await self.page.evaluate("mid => peer.colour(mid)", self._mids[index])
        return seen

    async def report(self, kind: str) -> list[Mapping[str, Any]]:
        """Entries of ``getStats`` of one type (``inbound-rtp``, ``candidate-pair``, …)."""
        return list(await self.page.evaluate("kind => peer.report(kind)", kind))

    async def close(self) -> None:
        """Close the page; the engine is not told."""
        await self.page.close()
