"""Headless Chromium: a tone of ours is its microphone, what its page plays is searched for tones."""

import os
import shutil
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from playwright.async_api import Browser, BrowserContext, Page, Playwright, async_playwright

from interop.peers.tones import Samples
from interop.peers.waiting import until

KEPT_RATE = 16_000
"""Samples per second of what ``RoomPage.heard`` gives."""

ALL_FRAMES, FEW_FRAMES = 20, 5
"""Pictures per second of a camera: Chromium's own number, and its least, for tests that listen."""

FAKE_CAMERA = "--use-fake-device-for-media-stream"

ARGUMENTS = [
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    # In a network namespace with nothing but loopback there would be no candidates otherwise.
    "--allow-loopback-in-peer-connection",
]

# Before any script of the page: a sine for a microphone, and an eye on every element that plays something.
LISTENING = """
(() => {
  const context = () => (window.__tones ??= new AudioContext({ sampleRate: 48000 }));
  const original = navigator.mediaDevices?.getUserMedia?.bind(navigator.mediaDevices);
  if (original) {
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      if (!wanted?.audio) return original(wanted);
      const stream = new MediaStream();
      const oscillator = new OscillatorNode(context(), { frequency: window.__microphoneHz });
      const gain = new GainNode(context(), { gain: 0.25 });
      const out = new MediaStreamAudioDestinationNode(context());
      oscillator.connect(gain).connect(out);
      oscillator.start();
      window.__microphone = { oscillator, gain };
      await context().resume();
      stream.addTrack(out.stream.getAudioTracks()[0]);
      if (wanted.video) stream.addTrack((await original({ video: wanted.video })).getVideoTracks()[0]);
      return stream;
    };
  }
  const players = new Set();
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function () { players.add(this); return play.call(this); };
  const ears = new Map();
  const ear = (track) => {
    if (!ears.has(track.id)) {
      const analyser = new AnalyserNode(context(), { fftSize: 32768, smoothingTimeConstant: 0 });
      new MediaStreamAudioSourceNode(context(), { mediaStream: new MediaStream([track]) }).connect(analyser);
      ears.set(track.id, analyser);
    }
    return ears.get(track.id);
  };
  const playing = () => {
    document.querySelectorAll("audio, video").forEach((element) => players.add(element));
    const tracks = new Map();
    for (const element of players) {
      if (element.paused || element.muted || element.volume === 0 || !element.srcObject) continue;
      for (const track of element.srcObject.getAudioTracks())
        if (track.readyState === "live" && track.enabled) tracks.set(track.id, track);
    }
    return [...tracks.values()];
  };
  // How many dB the line at each frequency stands above the median of the telephone band, in the loudest track.
  window.__heard = async (frequencies) => {
    await context().resume();
    const best = frequencies.map(() => 0);
    for (const track of playing()) {
      const analyser = ear(track);
      const lines = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(lines);
      const hertz = context().sampleRate / analyser.fftSize;
      const band = [...lines.slice(Math.round(200 / hertz), Math.round(3400 / hertz))].sort((a, b) => a - b);
      const median = Math.max(band[band.length >> 1], -140);
      frequencies.forEach((frequency, index) => {
        const near = lines.slice(Math.round((frequency - 15) / hertz), Math.round((frequency + 15) / hertz) + 1);
        const peak = Math.max(...near);
        if (peak > -60) best[index] = Math.max(best[index], peak - median);
      });
    }
    return best;
  };
  // Say a tone after the other, again and again: what the microphone gives from now on.
  window.__say = async (frequencies, loud, word, pause, seconds) => {
    await context().resume();
    const { oscillator, gain } = window.__microphone;
    const begin = context().currentTime + 0.2;
    gain.gain.setValueAtTime(0, context().currentTime);
    for (let n = 0; n * (word + pause) < seconds; n += 1) {
      const at = begin + n * (word + pause);
      oscillator.frequency.setValueAtTime(frequencies[n % frequencies.length], at);
      gain.gain.setTargetAtTime(loud, at, 0.003);
      gain.gain.setTargetAtTime(0, at + word, 0.003);
    }
  };
  // Keep what is played from now on, at a third of 48 kHz.
  const KEEPER = `registerProcessor("keeper", class extends AudioWorkletProcessor {
    constructor() { super(); [this.kept, this.sum, this.count] = [[], 0, 0]; }
    process([[sound]]) {
      for (let n = 0; n < 128; n += 1) {
        this.sum += sound ? sound[n] : 0;
        this.count = (this.count + 1) % 3;
        if (this.count === 0) { this.kept.push(this.sum / 3); this.sum = 0; }
      }
      if (this.kept.length >= 1600) { this.port.postMessage(Float32Array.from(this.kept)); this.kept = []; }
      return true;
    }
  })`;
  window.__keep = async () => {
    const code = URL.createObjectURL(new Blob([KEEPER], { type: "text/javascript" }));
    await context().audioWorklet.addModule(code);
    const keeper = new AudioWorkletNode(context(), "keeper", { channelCount: 1, channelCountMode: "explicit" });
    const [known, kept] = [new Set(), []];
    keeper.port.onmessage = ({ data }) => kept.push(...data);
    keeper.connect(context().destination);
    setInterval(() => {
      for (const track of playing()) {
        if (known.has(track.id)) continue;
        known.add(track.id);
        new MediaStreamAudioSourceNode(context(), { mediaStream: new MediaStream([track]) }).connect(keeper);
      }
    }, 100);
    await context().resume();
    const whole = (sample) => Math.round(Math.max(-1, Math.min(1, sample)) * 32767);
    window.__kept = () => (kept.length < 16000 ? [] : kept.splice(0)).map(whole);
  };
})();
"""

EVENTS = [
    "participant-joined",
    "participant-updated",
    "participant-left",
    "active-speaker-change",
    *(f"dialin-{kind}" for kind in ("ready", "connected", "stopped", "warning", "error")),
    *(f"{way}-{kind}" for way in ("dialin", "dialout") for kind in ("held", "resumed")),
    *(f"calltransfer-{kind}" for kind in ("triggered", "initiated", "briefing", "merged", "answered", "completed")),
    *(f"dialout-{kind}" for kind in ("connected", "answered", "stopped", "warning", "error")),
    "dtmf-event",
    "error",
    "nonfatal-error",
]

# The page offers its call object under this name, for whoever looks into it from outside.
COLLECT = """
(names) => {
  window.__events = [];
  const plain = (key, value) => (value instanceof MediaStreamTrack ? null : value);
  for (const name of names)
    window.ringback.call.on(name, (event) => window.__events.push(JSON.parse(JSON.stringify(event, plain))));
}
"""


class Chromium:
    """A browser; ``open`` gives it a page.

    Args:
        frames: Pictures per second of its camera. Painting, encoding and showing twenty is half of what a page costs.
    """

    def __init__(self, frames: int = ALL_FRAMES) -> None:
        self._camera = f"{FAKE_CAMERA}=fps={frames}"
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    async def __aenter__(self) -> Self:
        self._playwright = await async_playwright().start()
        as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
        self._browser = await self._playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=[*ARGUMENTS, self._camera, *as_root]
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._browser is not None:
            await self._browser.close()
        if self._playwright is not None:
            await self._playwright.stop()

    async def open(self, url: str, *, hz: int = 880, insecure: bool = False, lenient: bool = False) -> "RoomPage":
        """A page of its own profile whose microphone is a tone.

        Args:
            insecure: Accept a certificate that nobody signed.
            lenient: Let the test bring scripts of its own, which the page's policy forbids: ``keep_sound`` does.
        """
        page = await self.blank(url, hz=hz, insecure=insecure, lenient=lenient)
        found = RoomPage(page.context, page)
        await page.evaluate(COLLECT, EVENTS)
        return found

    async def blank(self, url: str, *, hz: int = 880, insecure: bool = False, lenient: bool = False) -> Page:
        """As ``open``, for a page that need not be a room's: what it does is the test's."""
        assert self._browser is not None, "it was not started"
        context = await self._browser.new_context(
            permissions=["microphone", "camera"],
            ignore_https_errors=insecure,
            bypass_csp=lenient,
            viewport={"width": 1280, "height": 800},
        )
        page = await context.new_page()
        await page.add_init_script(f"window.__microphoneHz = {hz};{LISTENING}")
        await page.goto(url)
        return page


class RoomPage:
    """A room's page, used as a person would: by names and labels.

    Attributes:
        page: Playwright's.
        console: What the page wrote to its console.
    """

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self._context = context
        self.page = page
        self.console: list[str] = []
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.console.append(f"uncaught: {error}"))

    async def join(self, name: str = "Ann") -> None:
        """Give a name and go in."""
        await self.page.get_by_label("Your name").fill(name)
        await self.page.get_by_role("button", name="Join").click()
        try:
            await self.page.get_by_test_id("leave").wait_for(timeout=20_000)
        except Exception as error:
            raise AssertionError(f"{name} could not join: {error}\n" + "\n".join(self.console[-30:])) from None

    async def leave(self) -> None:
        """Leave the room."""
        await self.page.get_by_test_id("leave").click()

    async def events(self, *names: str) -> list[Mapping[str, Any]]:
        """What the page's call object has emitted so far, oldest first; of these names only, if any are given."""
        events: list[Mapping[str, Any]] = await self.page.evaluate("window.__events")
        return [event for event in events if not names or event["action"] in names]

    async def event(self, name: str, timeout_s: float = 30.0) -> Mapping[str, Any]:
        """The first event of a name, waited for."""

        async def seen() -> Mapping[str, Any] | None:
            return next(iter(await self.events(name)), None)

        try:
            return await until(seen, f"the page is told {name}", timeout_s)
        except AssertionError as error:
            told = [event["action"] for event in await self.events()]
            raise AssertionError(f"{error}; it was told {told}\n" + "\n".join(self.console[-20:])) from None

    async def order(self, *names: str, of: str) -> list[str]:
        """Names of those events that tell of one participant, in the order they came; the last one is waited for."""
        await self.event(names[-1])
        told = await self.events(*names)
        return [event["action"] for event in told if of in (event.get("sessionId"), _who(event))]

    async def close(self) -> None:
        """Close page and profile, as when the window is closed."""
        await self._context.close()

    async def shows(self, text: str, timeout_s: float = 30.0) -> None:
        """Wait until the page shows a text."""
        await self.page.get_by_text(text).first.wait_for(timeout=timeout_s * 1000)

    async def levels(self, *frequencies: float) -> Sequence[float]:
        """dB of each frequency above the floor, in what the page plays; about 0 to 20 where there is none."""
        levels: Sequence[float] = await self.page.evaluate("(wanted) => window.__heard(wanted)", list(frequencies))
        return levels

    async def hears(self, *frequencies: float, timeout_s: float = 20.0) -> None:
        """Wait until the page plays all of these at once."""

        async def all_of_them() -> Mapping[float, float] | None:
            levels = dict(zip(frequencies, await self.levels(*frequencies), strict=True))
            return levels if all(level > 30 for level in levels.values()) else None

        try:
            await until(all_of_them, f"the page plays {frequencies} Hz", timeout_s)
        except AssertionError as error:
            now = await self.levels(*frequencies)
            raise AssertionError(f"{error}; levels {now}\n" + "\n".join(self.console[-30:])) from None

    async def does_not_hear(self, *frequencies: float) -> None:
        """Assert that none of these is being played (call it while something else is)."""
        levels = await self.levels(*frequencies)
        assert all(level < 25 for level in levels), dict(zip(frequencies, levels, strict=True))

    async def say(self, frequencies: Sequence[int], loud: float, word_s: float, pause_s: float) -> None:
        """Let the microphone give these tones in turn, again and again for a quarter of an hour."""
        await self.page.evaluate("(wanted) => window.__say(...wanted)", [list(frequencies), loud, word_s, pause_s, 900])

    async def keep_sound(self) -> None:
        """Keep all that is played from now on, for ``heard``."""
        await self.page.evaluate("window.__keep()")

    async def heard(self) -> Samples:
        """What was played since ``keep_sound``, or since this gave something last: mono at ``KEPT_RATE``.

        Nothing before it is a second.
        """
        return np.array(await self.page.evaluate("window.__kept()"), np.float64) / 32768

    async def evaluate(self, script: str) -> Any:
        """Run a script in the page."""
        return await self.page.evaluate(script)


def _who(event: Mapping[str, Any]) -> str:
    return str(event.get("participant", {}).get("session_id", ""))
