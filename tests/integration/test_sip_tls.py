"""SIP over TLS on real sockets: calls, who a far end has to be, and handshakes that come to nothing."""

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any

import pytest

from integration.certificates import Authority, digest
from integration.sip_phone import OFFER, Phone, running
from ringback.sdp.negotiation import make_answer
from ringback.sip.flow import TlsPolicy
from ringback.telephony import streams
from ringback.telephony.admission import RateLimits
from ringback.telephony.tls import ServerCertificate


class Hosts:
    """A resolver in which every name is this machine."""

    async def naptr(self, name: str) -> list[Any]:
        return []

    async def srv(self, name: str) -> list[Any]:
        return []

    async def addresses(self, host: str) -> list[str]:
        return ["127.0.0.1"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def tls_port(phone: Phone) -> int:
    return int(phone.telephony._wire.tls_port)  # type: ignore[attr-defined]


def listening(certificate: ServerCertificate) -> Any:
    return running(certificate=certificate, tls_port=0)


def calling(authority: Authority, **policy: Any) -> Any:
    return running(tls=TlsPolicy(**{"ca_file": str(authority.file), **policy}))


async def failure(phone: Phone, target: str) -> tuple[str, str]:
    """Dial, and have it fail: cause and words."""
    phone.telephony._lookups.names = Hosts()
    phone.dial(target)
    _, failed = await phone.told("failed")
    return failed.cause, failed.reason


@pytest.mark.parametrize("target", ["sip:123@bob.example:{};transport=tls", "sips:123@bob.example:{}"])
async def test_a_call_by_tls_is_answered_held_and_hung_up_from_either_side(authority: Authority, target: str) -> None:
    async with listening(authority.server("bob.example")) as bob, calling(authority) as ann:
        ann.telephony._lookups.names = Hosts()
        here = ann.dial(target.format(tls_port(bob)))
        invite = await bob.told("incoming")
        answer, _ = make_answer(invite.offer, "127.0.0.1", 14002, ["PCMU"], session_id=1, version=1)
        bob.telephony.answer(invite.call, answer)
        assert (await ann.told("answered"))[:2] == (here, answer)
        await bob.told("acknowledged")
        assert invite.dialog.transport == "tls"
        bob.telephony.offer(invite.call, OFFER.replace(b"sendrecv", b"sendonly"))
        assert b"sendonly" in (await ann.told("reoffered"))[1]
        ann.telephony.answer_offer(here, answer)
        await ann.told("acknowledged")
        bob.telephony.bye(invite.call)
        assert (await ann.told("ended"))[:2] == (here, "bye")


async def test_a_sips_call_names_sips_contacts_and_tls_in_via(authority: Authority) -> None:
    """F3: nothing in it leads back to the clear."""
    async with listening(authority.server("bob.example")) as bob, calling(authority) as ann:
        ann.telephony._lookups.names = Hosts()
        ann.dial(f"sips:123@bob.example:{tls_port(bob)}")
        invite = await bob.told("incoming")
        said = bob.telephony.trace(invite.sip_call_id).said[0].text
        bob.telephony.reject(invite.call, 486)

    assert "\nVia: SIP/2.0/TLS " in said
    assert "\nContact: <sips:" in said
    assert "\nFrom: " in said
    assert "sips:" in said.partition("\nFrom: ")[2].partition("\n")[0]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["carol.example"], "tls: certificate is for carol.example, not bob.example"),
        (["*.example"], "tls: certificate is for *.example, not bob.example"),
        (["sip:someone@bob.example"], "tls: certificate is for no name at all, not bob.example"),
        ([], "tls: certificate is for no name at all, not bob.example"),
        (["127.0.0.1"], "tls: certificate is for 127.0.0.1, not bob.example"),
    ],
)
async def test_a_far_end_with_a_certificate_for_somebody_else_is_not_called(
    authority: Authority, names: list[str], says: str
) -> None:
    """F1; the name that was dialled counts, not the address it led to. A common name counts for nothing."""
    certificate = authority.server(*names, common="bob.example")
    async with listening(certificate) as bob, calling(authority) as ann:
        assert await failure(ann, f"sips:1@bob.example:{tls_port(bob)}") == ("tls", says)
        assert bob.events.empty()


@pytest.mark.parametrize("names", [["bob.example"], ["sip:bob.example"], ["*.bob.example", "BOB.example"]])
async def test_dns_names_and_sip_uris_of_a_certificate_count(authority: Authority, names: list[str]) -> None:
    """RFC 5922 §7.1."""
    async with listening(authority.server(*names)) as bob, calling(authority) as ann:
        ann.telephony._lookups.names = Hosts()
        ann.dial(f"sips:1@bob.example:{tls_port(bob)}")
        bob.telephony.reject((await bob.told("incoming")).call, 486)
        assert (await ann.told("failed"))[1].status == 486


async def test_an_address_is_proved_by_a_certificate_for_that_address(authority: Authority) -> None:
    """F1."""
    async with listening(authority.server("127.0.0.1")) as bob, calling(authority) as ann:
        ann.dial(f"sips:1@127.0.0.1:{tls_port(bob)}")
        bob.telephony.reject((await bob.told("incoming")).call, 486)
        assert (await ann.told("failed"))[1].status == 486


async def test_certificates_that_ran_out_or_that_nobody_vouches_for_are_refused(
    authority: Authority, tmp_path: Path
) -> None:
    """F1."""
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other", "stranger")
    for certificate, says in (
        (authority.server("bob.example", days=-1), "has expired"),
        (stranger.server("bob.example"), "unable to get local issuer"),
    ):
        async with listening(certificate) as bob, calling(authority) as ann:
            cause, words = await failure(ann, f"sips:1@bob.example:{tls_port(bob)}")
            assert cause == "tls"
            assert words.startswith("tls: certificate of bob.example is not trusted: ")
            assert says in words


async def test_a_pinned_certificate_is_taken_whoever_signed_it_and_no_other_is(
    authority: Authority, tmp_path: Path
) -> None:
    pinned = authority.issue("whatever.example", file="pinned")
    async with listening(ServerCertificate(*pinned)) as bob:
        async with running(tls=TlsPolicy(pin=digest(pinned[0]))) as ann:
            ann.telephony._lookups.names = Hosts()
            ann.dial(f"sips:1@bob.example:{tls_port(bob)}")
            bob.telephony.reject((await bob.told("incoming")).call, 486)
            assert (await ann.told("failed"))[1].status == 486
        async with running(tls=TlsPolicy(pin="sha256:" + 64 * "0")) as ann:
            target = f"sips:1@bob.example:{tls_port(bob)}"
            assert await failure(ann, target) == ("tls", "tls: certificate is not the pinned one")


async def test_verification_can_be_switched_off_and_the_log_says_so_each_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate = Authority(tmp_path, "unknown").server("elsewhere.example")
    async with listening(certificate) as bob, running(tls=TlsPolicy(verify=False)) as ann:
        ann.telephony._lookups.names = Hosts()
        ann.dial(f"sips:1@bob.example:{tls_port(bob)}")
        bob.telephony.reject((await bob.told("incoming")).call, 486)
        await ann.told("failed")

    assert "sip.tls-unverified" in capsys.readouterr().out


async def test_both_sides_prove_themselves_where_that_is_asked_for(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("bob.example")
    ours = authority.issue("ann.example", file="ann")
    server = ServerCertificate(certificate, key, clients=str(authority.file))
    policy = {"certificate": str(ours[0]), "key": str(ours[1])}
    async with listening(server) as bob, calling(authority, **policy) as ann:
        ann.telephony._lookups.names = Hosts()
        ann.dial(f"sips:1@bob.example:{tls_port(bob)}")
        invite = await bob.told("incoming")
        host, _, port = invite.source.rpartition(":")
        names = bob.telephony._wire.peer_names(("tls", host, int(port), None))  # type: ignore[attr-defined]
        bob.telephony.reject(invite.call, 486)

    assert names == ("ann.example",)


async def test_a_connection_is_not_used_for_another_name_at_the_same_address(authority: Authority) -> None:
    """F2: the certificate is for bob, and carol lives at his address."""
    async with listening(authority.server("bob.example")) as bob, calling(authority) as ann:
        ann.telephony._lookups.names = Hosts()
        ann.dial(f"sips:1@bob.example:{tls_port(bob)}")
        bob.telephony.reject((await bob.told("incoming")).call, 486)
        await ann.told("failed")
        says = "tls: certificate is for bob.example, not carol.example"
        assert await failure(ann, f"sips:1@carol.example:{tls_port(bob)}") == ("tls", says)


async def test_a_sips_address_that_is_called_in_clear_is_refused() -> None:
    """F3: the true transport counts, and Via may say what it likes."""
    request = (
        b"INVITE sips:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n"
        b"From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sips:x@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
        b"Contact: <sips:a@127.0.0.1>\r\nContent-Length: 0\r\n\r\n"
    )
    async with running() as bob:
        reader, writer = await asyncio.open_connection("127.0.0.1", bob.port)
        writer.write(request)
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).startswith(b"SIP/2.0 403 ")
        writer.close()
        assert bob.events.empty()


async def test_a_port_that_answers_no_handshake_is_told_within_5_seconds() -> None:
    started = asyncio.get_running_loop().time()
    async with running() as bob, running() as ann:
        told = await failure(ann, f"sips:1@bob.example:{bob.port}")

    assert told == ("tls", "tls: the handshake took too long")
    assert asyncio.get_running_loop().time() - started < 5.0


async def test_who_says_nothing_in_a_handshake_is_cut_off(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C9, C10, with a patience a test can wait for."""
    monkeypatch.setattr(streams, "HANDSHAKE_SECONDS", 0.2)
    async with listening(authority.server("bob.example")) as bob:
        reader, writer = await asyncio.open_connection("127.0.0.1", tls_port(bob))
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()


async def test_handshakes_of_one_source_are_limited_before_they_cost_anything(authority: Authority) -> None:
    """C10: more than 20 at once are closed without a word."""
    async with running(
        certificate=authority.server("bob.example"), tls_port=0, rate_limits=RateLimits(), lag_limit=None
    ) as bob:
        pairs = [await asyncio.open_connection("127.0.0.1", tls_port(bob)) for _ in range(25)]
        closed = 0
        for reader, writer in pairs[20:]:
            with contextlib.suppress(ConnectionError):
                closed += await asyncio.wait_for(reader.read(), 20) == b""
            writer.close()
        for _, writer in pairs[:20]:
            writer.close()

    assert closed == 5


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_only_tls_1_2_and_later_is_spoken(authority: Authority) -> None:
    """C10."""
    async with listening(authority.server("bob.example")) as bob:
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", tls_port(bob), ssl=old)


async def test_a_changed_certificate_is_used_from_the_next_connection_on_and_calls_stay(authority: Authority) -> None:
    certificate = authority.server("old.example")
    async with listening(certificate) as bob, calling(authority) as ann:
        ann.telephony._lookups.names = Hosts()
        here = ann.dial(f"sips:1@old.example:{tls_port(bob)}")
        invite = await bob.told("incoming")
        bob.telephony.answer(invite.call, OFFER)
        await bob.told("acknowledged")

        authority.issue("new.example")
        says = "tls: certificate is for new.example, not older.example"
        assert await failure(ann, f"sips:1@older.example:{tls_port(bob)}") == ("tls", says)
        bob.telephony.bye(invite.call)
        assert (await ann.told("ended"))[:2] == (here, "bye")

        (authority.file.parent / "server.pem").write_text("nonsense")
        says = "tls: certificate is for new.example, not newer.example"
        assert await failure(ann, f"sips:1@newer.example:{tls_port(bob)}") == ("tls", says)
