"""baresip with SRTP: its sound is heard both ways, and nobody who demands protection is given a clear call."""

from pathlib import Path

import pytest

from integration.certificates import Authority
from interop.peers.baresip import Baresip
from interop.peers.browser import Chromium
from interop.peers.server import Server
from interop.peers.waiting import free_port, until
from interop.test_dial_in import BROWSER_HZ, PHONE_HZ, address, joined
from interop.test_tls import HIGH, LOW, OPEN, addresses, secure

pytestmark = [pytest.mark.needs("baresip", "chromium"), pytest.mark.listens]

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


async def test_over_tls_protection_needs_no_setting_and_a_clear_phone_is_heard_beside_it(tmp_path: Path) -> None:
    authority, port = Authority(tmp_path), free_port()
    trusted = authority.file
    async with (
        secure(tmp_path, authority, port) as server,
        Baresip(
            tmp_path / "ann", hz=HIGH, name="ann", transport="tls", authorities=trusted, mediaenc="srtp-mand"
        ) as ann,
        Baresip(tmp_path / "bob", hz=LOW, name="bob", transport="tls", authorities=trusted) as bob,
    ):
        await server.room("front-desk", **OPEN)
        first, second = await addresses(server, port)
        await ann.dial(first)
        await bob.dial(second)

        await until(lambda: ann.hears(LOW) or None, "the protected one hears the clear one", 20)
        await until(lambda: bob.hears(HIGH) or None, "the clear one hears the protected one", 20)
        await ann.command("hangup")
        await until(lambda: "srtp=AES_CM_128_HMAC_SHA1" in server.log() or None, "the log says how", 20)
