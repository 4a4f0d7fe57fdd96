"""INVITEs to ``tel:`` URIs and services: a SIP client that proves itself may dial them, nobody else."""

import pytest

from ringback.sip.digest import Credential, answer_challenge
from ringback.sip.message import Request, Response, Row
from ringback.telephony.registrar import Registry
from ringback.testing.clock import VirtualClock
from ringback.testing.link import Network, Station
from unit.sip.accounts import PASSWORD, TwoDomains
from unit.sip.puppet import OFFER, Puppet
from unit.telephony.bindings import MemoryBindings

SERVER = "10.0.0.1"


class House:
    """A server with accounts, and somebody who calls it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.network = Network(self.clock)
        self.server = Station(self.network, SERVER, registry=Registry(self.clock, TwoDomains(), MemoryBindings({})))
        self.phone = Puppet(self.network)

    async def invite(self, uri: str, cseq: int, proof: Row | None = None, who: str = "ann@sip.test") -> Request:
        rows: list[Row] = [
            ("Via", f"SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKp{cseq};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{who}>;tag=them"),
            ("To", f"<{uri}>"),
            ("Call-ID", "tel-call"),
            ("CSeq", f"{cseq} INVITE"),
            ("Contact", "<sip:ann@10.0.0.9:5060>"),
            ("Content-Type", "application/sdp"),
        ]
        request = Request("INVITE", uri, [*rows, proof] if proof else rows, OFFER)
        self.phone.send(request, SERVER)
        await self.clock.run_for(0.1)
        return request

    async def dial(self, uri: str) -> None:
        """Call, and call again with the password."""
        first = await self.invite(uri, 1)
        challenge = self.phone.last_response()
        assert isinstance(challenge, Response) and challenge.status == 401
        await self.invite(uri, 2, answer_challenge([Credential("", "ann", PASSWORD)], first, challenge, "", "cnonce"))

    async def end(self) -> None:
        await self.clock.run_for(400.0)
        assert self.server.telephony.idle, self.server.telephony.leftovers()


@pytest.mark.parametrize(
    ("uri", "user"),
    [
        ("tel:+49-30-123456", "+49-30-123456"),
        ("tel:123456;phone-context=+4930", "123456;phone-context=+4930"),
        ("TEL:112", "112"),
        ("urn:service:sos", "urn:service:sos"),
        ("URN:service:sos.police", "urn:service:sos.police"),
    ],
)
async def test_a_client_that_dials_a_telephone_uri_is_told_of_as_if_it_were_the_user_part(uri: str, user: str) -> None:
    """RFC 3261 §19.1.6."""
    house = House()
    await house.server.start()
    await house.dial(uri)

    invite = house.server.last("incoming")
    assert (invite.user, invite.client, invite.client_domain) == (user, "ann", "id-acme")
    house.server.telephony.reject(invite.call, 403)
    await house.end()


@pytest.mark.parametrize("uri", ["tel:+4930123456", "urn:service:sos"])
async def test_a_stranger_is_told_what_it_always_was(uri: str) -> None:
    house = House()
    await house.server.start()
    await house.invite(uri, 1, who="ann@elsewhere.test")

    assert house.phone.last_response().status == 416
    assert house.server.names() == []
    await house.end()


async def test_other_schemes_are_nobodys_to_dial() -> None:
    house = House()
    await house.server.start()
    await house.invite("urn:isbn:0451450523", 1)

    assert house.phone.last_response().status == 416
    await house.end()
