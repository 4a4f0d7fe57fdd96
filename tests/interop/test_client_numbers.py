"""A telephone that others wrote registers here and dials numbers of the telephone network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from interop.peers.baresip import Baresip
from interop.peers.house import House
from interop.peers.waiting import until
from interop.test_numbers import MINE, bought
from ringback.testing.carrier import PretendCarrier
from ringback.testing.carrier.trunk import TRUNK, trunk_of

ECHOES, HUM_HZ = "+12125550101", 440

pytestmark = pytest.mark.needs("baresip")


async def registered(house: House, folder: Path) -> Baresip:
    """baresip as ``alice``, not yet started."""
    answer = await house.rest("POST", "/sip-clients", {"username": "alice", "ringback": {"dial_numbers": True}})
    assert answer.status == 200, answer
    return Baresip(folder / "alice", hz=HUM_HZ, account=(str(answer.body["password"]), house.sip))


async def is_registered(house: House) -> None:
    async def seen() -> bool:
        return bool((await house.rest("GET", "/ringback/registrations")).body["data"])

    await until(seen, "alice is registered")


async def rows(house: House) -> dict[str, Mapping[str, Any]]:
    """The two calls, by direction."""
    return {row["direction"]: row for row in (await house.rest("GET", "/ringback/calls")).body["data"]}


async def test_a_registered_phone_dials_a_number_and_both_are_heard_from_the_domains_number(tmp_path: Path) -> None:
    async with PretendCarrier(host="127.0.0.55") as carrier, House(tmp_path) as house:
        await bought(house, trunk_of(carrier))
        async with await registered(house, tmp_path) as alice:
            await is_registered(house)
            await alice.dial(f"sip:{ECHOES}@{house.sip}")
            # What comes back of its own hum went there and was said again: both ways work.
            await until(lambda: alice.hears(HUM_HZ) or None, f"baresip hears {HUM_HZ} Hz", 30)
            there = carrier.calls[-1]
            legs = await rows(house)
            await alice.command("hangup")
            await there.over(within=10)
        await house.idle()

        assert (there.number, there.other) == (ECHOES, MINE)
        assert (legs["dial-in"]["remote"], legs["dial-in"]["trunk"]) == (f"sip:alice@{house.sip}", None)
        assert (legs["dial-out"]["called"], legs["dial-out"]["trunk"]) == (ECHOES, TRUNK)
        assert legs["dial-in"]["room"] == legs["dial-out"]["room"]
        used = (await house.rest("GET", "/ringback/usage?by=direction,kind")).body["data"]
        assert [(line["direction"], line["kind"], line["calls"]) for line in used] == [
            ("dial-in", "sip", 1),
            ("dial-out", "pstn", 1),
        ]


async def test_emergency_numbers_are_refused_to_a_registered_phone_and_the_operator_reads_why(tmp_path: Path) -> None:
    async with PretendCarrier(host="127.0.0.55") as carrier, House(tmp_path) as house:
        await bought(house, trunk_of(carrier))
        async with await registered(house, tmp_path) as alice:
            await is_registered(house)
            for number in ("911", "112", "+1911"):
                await alice.command("dial", f"sip:{number}@{house.sip}")
                closed = await alice.event("CALL_CLOSED")
                assert "403" in str(closed), closed
                alice.forget()
        await house.idle()

        assert '399 ringback "emergency-number"' in alice.log()
        assert not carrier.calls
        refused = (await house.rest("GET", "/ringback/audit")).body["data"]
        assert [(entry["rule"], entry["asker"]["id"]) for entry in refused] == [("emergency-number", "alice")] * 3
