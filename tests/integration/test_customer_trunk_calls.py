"""A call over a customer's trunk, over real sockets: the host of the address names the trunk, a room is made."""

import json
from pathlib import Path

from integration.sip_phone import OFFER, running
from interop.peers.house import House
from interop.peers.waiting import until
from interop.test_dial_in_by_number import Customer
from ringback.calls.ports.carrier import OutgoingInvite
from ringback.calls.ports.routes import Attempt
from ringback.model.ids import CallId


async def test_each_call_to_a_trunk_rings_and_is_answered_in_a_room_of_its_own(tmp_path: Path) -> None:
    async with (
        Customer() as customer,
        House(tmp_path, webhooks={"allow_private": True}) as house,
        running() as phone,
    ):
        body = {
            "trunk_name": "support",
            "room_template": {},
            "notification": {"webhook_url": customer.url},
            "trunk_config": {"allowed_ips": ["127.0.0.1"]},
        }
        made = await house.rest("POST", "/sip-trunk", body)
        assert made.status == 200, made
        host = str(made.body["sip_uri"]).removeprefix("sip:").partition(":")[0]

        async def call(number: int) -> CallId:
            uri, id = f"sip:+15550100@{host}", CallId(f"call-{number}")
            attempt = Attempt(uri, proxy=f"sip:{house.sip}")
            dialog = phone.telephony.prepare(f"sip:{house.sip}", id, "caller")
            phone.telephony.invite(OutgoingInvite(id, dialog, OFFER, attempts=(attempt,)))
            return id

        one = await call(1)
        told = await phone.told("progress")
        assert told[1] == 180
        assert (await phone.told("answered"))[0] == one
        asked = [each for each, _, _ in customer.asked if each["type"] == "sip_trunk.incoming"]
        assert asked[0]["call"]["to"] == "+15550100" and asked[0]["room"]["exp"] > 0
        room = asked[0]["room"]["name"]
        (row,) = await house.calls(room)
        assert row["direction"] == "dial-in" and row["state"] == "answered"
        assert json.dumps(made.body).count("password") == 0

        phone.telephony.bye(one)
        await house.rest("PUT", f"/sip-trunk/{made.body['id']}", {"enabled": False})
        await call(2)
        failure = (await phone.told("failed"))[1]
        assert failure.status == 403
        await until(lambda: house.app.telephony.calls == 0, "no call is left")
