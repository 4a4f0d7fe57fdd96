"""baresip with SRTP: its sound is heard both ways, and nobody who demands protection is given a clear call."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from interop.peers.baresip import Baresip
from interop.peers.browser import Chromium
from interop.peers.server import Server
from interop.peers.waiting import until
from interop.test_dial_in import BROWSER_HZ, PHONE_HZ, address, joined

pytestmark = pytest.mark.needs("baresip", "chromium")

Heard = Callable[[], Awaitable[bool | None]]

BY_UDP = {"SIP__SRTP_WITHOUT_TLS": "true"}


@pytest.mark.parametrize(("mediaenc", "codec"), [("srtp", "PCMU"), ("srtp-mand", "PCMU"), ("srtp-mand", "OPUS")])
async def test_a_protected_phone_and_a_browser_hear_each_other(
    mediaenc: str, codec: str, tmp_path: Path, chromium: Chromium
) -> None:
    async with Server(tmp_path / "server", {**BY_UDP, "SIP__SRTP": "required"}) as server:
        page = await joined(server, chromium)
        async with Baresip(tmp_path / "phone", hz=PHONE_HZ, codecs=(codec,), mediaenc=mediaenc) as phone:
            await phone.dial(await address(server))

            await page.hears(PHONE_HZ)
            await until(lambda: phone.hears(BROWSER_HZ) or None, f"baresip hears {BROWSER_HZ} Hz", 20)
            await phone.command("hold")
            await phone.command("resume")
            await page.hears(PHONE_HZ)
            await phone.command("hangup")
            await page.event("dialin-stopped")


async def test_a_protected_phone_is_called_and_heard(tmp_path: Path, chromium: Chromium) -> None:
    async with Server(tmp_path / "server", {**BY_UDP, "SIP__SRTP": "required"}) as server:
        page = await joined(server, chromium)
        async with Baresip(tmp_path / "phone", hz=PHONE_HZ, mediaenc="srtp-mand") as phone:
            answer = await server.rest("POST", "/rooms/front-desk/dialOut/start", {"sipUri": phone.uri})
            assert answer.status == 200, answer.body

            await page.hears(PHONE_HZ)
            await until(lambda: phone.hears(BROWSER_HZ) or None, f"baresip hears {BROWSER_HZ} Hz", 20)


@pytest.mark.parametrize(("settings", "mediaenc"), [({}, "srtp-mand"), ({**BY_UDP, "SIP__SRTP": "required"}, "")])
async def test_who_demands_protection_is_never_given_a_clear_call(
    settings: dict[str, str], mediaenc: str, tmp_path: Path, chromium: Chromium
) -> None:
    """E10. Without TLS keys are not told unless the operator says so; a clear call is refused where it is required."""
    async with Server(tmp_path / "server", settings) as server:
        await joined(server, chromium)
        async with Baresip(tmp_path / "phone", hz=PHONE_HZ, mediaenc=mediaenc) as phone:
            await phone.command("dial", await address(server))

            closed = await phone.event("CALL_CLOSED")

            assert "488" in str(closed.get("param")), closed
