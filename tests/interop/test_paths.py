"""How a browser's sound gets here: a new path in the middle of a call, and one by a TURN server."""

from pathlib import Path
from typing import Any

import pytest

from interop.peers.browser import Chromium, RoomPage
from interop.peers.process import Process
from interop.peers.server import Server
from interop.peers.waiting import until

pytestmark = pytest.mark.listens

ANN_HZ, BEN_HZ = 880, 440
TURN = {"urls": ["turn:127.0.0.1:3478?transport=udp"], "username": "ann", "credential": "secret"}

# The pair of candidates that the page's connection uses: what kind ours is, and the two ICE sessions' names.
PATH = """
async () => {
  const peer = window.ringback.call.session?.peer;
  const report = await peer?.getStats();
  if (!report) return null;
  const all = [...report.values()];
  const transport = all.find((one) => one.type === "transport");
  const pair = report.get(transport?.selectedCandidatePairId);
  if (!pair || transport.iceState !== "connected") return null;
  return { kind: report.get(pair.localCandidateId)?.candidateType, ufrag: transport.iceLocalUsernameFragment };
}
"""


async def path(page: RoomPage) -> dict[str, Any]:
    async def found() -> dict[str, Any] | None:
        answer: dict[str, Any] | None = await page.evaluate(PATH)
        return answer

    return await until(found, "the page has a path", 30)


@pytest.mark.needs("chromium")
async def test_sound_goes_on_over_a_new_ice_session(server: Server, chromium: Chromium) -> None:
    """RFC 8445 §9: as when a laptop goes from one network to another."""
    await server.room("moving")
    ann = await chromium.open(f"{server.url}/moving", hz=ANN_HZ)
    await ann.join("Ann")
    ben = await chromium.open(f"{server.url}/moving", hz=BEN_HZ)
    await ben.join("Ben")
    await ben.hears(ANN_HZ, timeout_s=30)
    before = await path(ann)

    await ann.evaluate("window.ringback.call.session.peer.restart()")

    async def renewed() -> dict[str, Any] | None:
        now = await path(ann)
        return now if now["ufrag"] != before["ufrag"] else None

    await until(renewed, "another ICE session is up", 30)
    await ben.hears(ANN_HZ, timeout_s=30)
    await ann.hears(BEN_HZ, timeout_s=30)


@pytest.mark.needs("chromium", "turnserver")
async def test_a_browser_that_may_only_relay_is_heard_by_turn(
    server: Server, chromium: Chromium, tmp_path: Path
) -> None:
    await server.room("far")
    listening = [
        "-n",
        "-L",
        "127.0.0.1",
        "-E",
        "127.0.0.1",
        "--allow-loopback-peers",
        "--no-tls",
        "--no-dtls",
        "--no-cli",
    ]
    users = ["--lt-cred-mech", "-u", "ann:secret", "-r", "ringback", "--min-port", "13000", "--max-port", "13100"]
    files = ["--log-file", "stdout", "--pidfile", str(tmp_path / "turn.pid")]
    async with Process(["turnserver", *listening, *users, *files], tmp_path / "turn.log"):
        ann = await chromium.open(f"{server.url}/far", hz=ANN_HZ)
        await ann.page.evaluate(
            "(turn) => window.ringback.call.setIceConfig({ iceServers: [turn], iceTransportPolicy: 'relay' })", TURN
        )
        await ann.join("Ann")
        ben = await chromium.open(f"{server.url}/far", hz=BEN_HZ)
        await ben.join("Ben")

        await ben.hears(ANN_HZ, timeout_s=30)
        await ann.hears(BEN_HZ, timeout_s=30)

        assert (await path(ann))["kind"] == "relay"
        assert (await path(ben))["kind"] != "relay"
