"""Strangers and keys that are agreed on beside the sound: JsSIP in a browser with ICE, and phones that cannot."""

import subprocess
from pathlib import Path

import pytest

from integration.ugly_carrier import UglyCarrier
from interop.peers.baresip import Baresip
from interop.peers.browser import Chromium
from interop.peers.server import Server
from interop.peers.waiting import until
from interop.test_dial_in import BROWSER_HZ, PHONE_HZ, joined
from interop.test_secure_websocket import ROOT, SIP

ANN_HZ, PAGE_HZ = 1320, 740
STRONG_DB = 25


@pytest.mark.needs("baresip", "chromium")
@pytest.mark.listens
async def test_a_phone_that_knows_no_dtls_is_called_in_the_clear_where_that_is_allowed(
    tmp_path: Path, chromium: Chromium
) -> None:
    """RFC 8643."""
    async with Server(tmp_path / "server", {"SIP__SRTP": "optional", "SIP__SRTP_KEYS": "dtls"}) as server:
        page = await joined(server, chromium)
        async with Baresip(tmp_path / "phone", hz=PHONE_HZ) as phone:
            await server.rest("POST", "/rooms/front-desk/dialOut/start", {"sipUri": phone.uri})

            await page.hears(PHONE_HZ)
            await until(lambda: phone.hears(BROWSER_HZ) or None, f"baresip hears {BROWSER_HZ} Hz", 30)


CALL = """
({ url, username, password, host, target }) => {
  const ua = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface(url)], uri: `sip:${username}@${host}`, password });
  const told = (window.__told = []);
  ua.on("registered", () => {
    const on = Object.fromEntries(
      ["confirmed", "ended", "failed"].map((name) => [name, ({ cause }) => told.push(`${name} ${cause}`)])
    );
    const mediaConstraints = { audio: true, video: false };
    const options = { eventHandlers: on, mediaConstraints, pcConfig: { iceServers: [] } };
    window.__session = ua.call(target, options);
    window.__session.connection.addEventListener("track", ({ track }) => {
      const sound = new Audio();
      sound.srcObject = new MediaStream([track]);
      document.body.append(sound);
      sound.play();
    });
  });
  ua.start();
}
"""


@pytest.mark.needs("chromium", "node")
@pytest.mark.listens
async def test_jssip_in_a_browser_calls_a_room_with_its_own_sound_holds_and_hangs_up(
    tmp_path: Path, chromium: Chromium
) -> None:
    """DTLS, ICE and one port for RTP and RTCP, as every browser demands; later offers go on with them."""
    bundle = bundled(tmp_path)
    async with Server(tmp_path / "server") as server:
        await server.room("desk", sip=SIP)
        config = (await server.rest("GET", "/rooms/desk")).body["config"]["sip_uri"]
        ours, free = (
            str(uri).removeprefix("sip:").partition("@")[0] for uri in (config["endpoint"], *config["extra_endpoints"])
        )
        made = await server.rest("POST", "/sip-clients", {"username": "page"})
        home = f"127.0.0.1:{server.ports.sip}"
        settings = {
            "url": f"ws://127.0.0.1:{server.ports.http}/sip",
            "username": "page",
            "password": str(made.body["password"]),
            "host": home,
            "target": f"sip:{free}@{home}",
        }
        async with UglyCarrier(("127.0.0.1", server.ports.sip), media="127.0.0.2", hz=ANN_HZ) as ann:
            ann.talk(await ann.call(ours, ann.description()))
            await ann.ack()
            page = await chromium.blank(f"{server.url}/healthz", hz=PAGE_HZ)
            await page.evaluate(bundle)
            await page.evaluate(CALL, settings)

            async def told(word: str) -> bool | None:
                lines: list[str] = await page.evaluate("window.__told")
                return any(line.startswith(word) for line in lines) or None

            async def page_hears() -> bool | None:
                heard: list[float] = await page.evaluate("(hz) => window.__heard([hz])", ANN_HZ)
                return heard[0] > STRONG_DB or None

            await until(lambda: told("confirmed"), "JsSIP is answered", 30)
            await ann.hears(PAGE_HZ)
            await until(page_hears, "the page hears Ann", 30)

            await page.evaluate("window.__session.hold()")
            await until(lambda: page.evaluate("window.__session.isOnHold().local || null"), "JsSIP holds", 20)
            # Refused while its hold is not agreed on.
            await until(lambda: page.evaluate("window.__session.unhold() || null"), "JsSIP offers to resume", 20)
            await until(lambda: page.evaluate("!window.__session.isOnHold().local || null"), "JsSIP resumes", 20)
            await until(page_hears, "the page hears Ann again", 30)
            await page.evaluate("window.__session.terminate()")
            await until(lambda: told("ended"), "JsSIP hung up", 20)
            await ann.request("BYE")


def bundled(folder: Path) -> str:
    """JsSIP as one script that makes ``JsSIP`` global."""
    web = ROOT / "web"
    entry, out = web / "node_modules" / ".jssip-entry.mjs", folder / "jssip.js"
    entry.write_text('import JsSIP from "jssip";\nglobalThis.JsSIP = JsSIP;\n')
    command = [str(web / "node_modules" / ".bin" / "rolldown"), str(entry), "--file", str(out), "--format", "iife"]
    subprocess.run(command, cwd=web, check=True, capture_output=True, timeout=120)
    return out.read_text()
