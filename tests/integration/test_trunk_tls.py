"""Calls over trunks by TLS: each trunk believes whom its own settings say, and one that cannot be trusted is left."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from integration.certificates import Authority
from integration.sip_phone import OFFER, Phone, running
from ringback.calls.ports.carrier import OutgoingInvite
from ringback.model.ids import CallId
from ringback.numbers.plan import Wanted, to_number
from ringback.numbers.trunk import Host, TlsPolicy, Transport, Trunk
from ringback.sdp.negotiation import make_answer

CALL = CallId("call")


def tls_port(phone: Phone) -> int:
    return int(phone.telephony._wire.tls_port)  # type: ignore[attr-defined]


def a_trunk(label: str, carrier: Phone, **policy: Any) -> Trunk:
    priority = 1 if label == "first" else 2
    return Trunk(
        label,
        hosts=(Host("127.0.0.1", tls_port(carrier)),),
        priority=priority,
        transport=Transport.TLS,
        tls=TlsPolicy(**policy),
        options_interval=0,
    )


def dial(phone: Phone, trunks: Sequence[Trunk]) -> None:
    phone.telephony.trunks.set(trunks)
    wanted = Wanted("+4930123456", None, "main", (), "us.example")
    attempts = to_number(trunks, wanted, lambda: 0.0, lambda trunk, host: False)
    dialog = phone.telephony.prepare(attempts[0].uri, CALL, "room")
    phone.telephony.invite(OutgoingInvite(CALL, dialog, OFFER, attempts=attempts))


async def test_a_trunk_with_its_own_authority_is_called_by_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = authority.server("carrier.example")
    async with running(certificate=certificate, tls_port=0) as carrier, running(allow_private=False) as us:
        dial(us, [a_trunk("first", carrier, ca_file=str(authority.file), name="carrier.example")])

        invite = await carrier.told("incoming")
        answer, _ = make_answer(invite.offer, "127.0.0.1", 14002, ["PCMU"], session_id=1, version=1)
        carrier.telephony.answer(invite.call, answer)
        await us.told("answered")
        us.telephony.bye(CALL)
        await carrier.told("ended")

        assert (invite.user, invite.dialog.transport) == ("+4930123456", "tls")


@pytest.mark.parametrize("policy", [{}, {"pin": "sha256:" + "ab" * 32}, {"name": "other.example"}])
async def test_a_trunk_that_is_not_who_it_should_be_is_left_for_the_next(
    tmp_path: Path, policy: dict[str, Any]
) -> None:
    good, bad = Authority(tmp_path, "good"), Authority(tmp_path, "bad")
    trusted = {"ca_file": str(good.file), "name": "carrier.example"}
    async with (
        running(certificate=bad.server("carrier.example", file="bad-server"), tls_port=0) as impostor,
        running(certificate=good.server("carrier.example", file="good-server"), tls_port=0) as carrier,
        running(allow_private=False) as us,
    ):
        dial(us, [a_trunk("first", impostor, **{**trusted, **policy}), a_trunk("second", carrier, **trusted)])

        await carrier.told("incoming")

        assert await us.told("routed") == (CALL, 0, "first")
        assert await us.told("routed") == (CALL, 1, "second")
        assert impostor.events.empty()
        us.telephony.cancel(CALL)
        assert us.telephony.trunks.desk.health("first", f"127.0.0.1:{tls_port(impostor)}").why.startswith("tls:")
