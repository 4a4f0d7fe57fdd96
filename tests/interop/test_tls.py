"""Phones that others wrote speak SIP over TLS with rooms, in both directions."""

import asyncio
import signal
import ssl
from pathlib import Path

import pytest

from integration.certificates import Authority
from interop.peers.baresip import Baresip
from interop.peers.server import Server, wait_present
from interop.peers.waiting import free_port, until

OPEN = {
    "sip": {
        "sip_mode": "dial-in",
        "display_name": "Caller",
        "num_endpoints": 2,
        "dialin_config": {"allow_room_start": True},
    }
}
HIGH, LOW = 880, 440

pytestmark = pytest.mark.needs("baresip")


def secure(tmp_path: Path, authority: Authority, port: int) -> Server:
    certificate, key = authority.issue("127.0.0.1")
    settings = {
        "SIP__CERTIFICATE": str(certificate),
        "SIP__KEY": str(key),
        "SIP__TLS_PORT": str(port),
        "SIP__CA_FILE": str(authority.file),
    }
    return Server(tmp_path / "server", settings)


async def addresses(server: Server, port: int) -> list[str]:
    """Of the room, at the port for TLS; baresip adds the transport of its account."""
    found = (await server.rest("GET", "/rooms/front-desk")).body["config"]["sip_uri"]
    users = [uri.partition("@")[0] for uri in (found["endpoint"], *found["extra_endpoints"])]
    return [f"{user}@127.0.0.1:{port}" for user in users]


async def test_two_phones_call_a_room_by_tls_and_hear_each_other(tmp_path: Path) -> None:
    authority, port = Authority(tmp_path), free_port()
    async with (
        secure(tmp_path, authority, port) as server,
        Baresip(tmp_path / "ann", hz=HIGH, transport="tls", authorities=authority.file, name="ann") as ann,
        Baresip(tmp_path / "bob", hz=LOW, transport="tls", authorities=authority.file, name="bob") as bob,
    ):
        await server.room("front-desk", **OPEN)
        first, second = await addresses(server, port)
        await ann.dial(first)
        await bob.dial(second)

        await until(lambda: ann.hears(LOW) or None, "the first hears the second", 20)
        await until(lambda: bob.hears(HIGH) or None, "the second hears the first", 20)
        for phone in (ann, bob):
            await phone.command("hangup")
        await wait_present(server, "front-desk", 0)


async def test_a_room_calls_a_phone_by_tls_and_only_the_one_it_means(tmp_path: Path) -> None:
    """F1: the first has a certificate for its address; the second one for somebody else."""
    authority = Authority(tmp_path)
    async with secure(tmp_path, authority, free_port()) as server:
        await server.room("front-desk", dialout_config={"allow_room_start": True})
        async with Baresip(tmp_path / "bob", hz=LOW, transport="tls", certificate=pem(authority, "127.0.0.1")) as bob:
            await server.rest("POST", "/rooms/front-desk/dialOut/start", {"sipUri": bob.uri})
            await bob.event("CALL_ESTABLISHED")
            await bob.command("hangup")
        async with Baresip(tmp_path / "eve", hz=LOW, transport="tls", certificate=pem(authority, "eve.example")) as eve:
            await server.rest("POST", "/rooms/front-desk/dialOut/start", {"sipUri": eve.uri})
            await until(lambda: "tls: certificate is for eve.example, not 127.0.0.1" in server.log(), "it is told", 20)


async def test_a_phone_registers_by_tls_and_is_called_over_that_connection(tmp_path: Path) -> None:
    """It takes no call by TLS itself: it has no certificate."""
    authority, port = Authority(tmp_path), free_port()
    async with secure(tmp_path, authority, port) as server:
        await server.room("front-desk", **OPEN, dialout_config={"allow_room_start": True})
        password = (await server.rest("POST", "/sip-clients", {"username": "ann"})).body["password"]
        account = (str(password), f"127.0.0.1:{port}")
        async with (
            Baresip(
                tmp_path / "ann", hz=HIGH, transport="tls", authorities=authority.file, name="ann", account=account
            ) as ann,
            Baresip(tmp_path / "bob", hz=LOW, name="bob") as bob,
        ):
            await until(lambda: "sip.registered client=ann" in server.log() or None, "ann is registered")
            await server.dial_out("front-desk", f"sip:ann@127.0.0.1:{server.ports.sip}")
            await server.dial_out("front-desk", bob.uri)
            await until(lambda: ann.hears(LOW) or None, "ann hears bob", 30)
            await until(lambda: bob.hears(HIGH) or None, "bob hears ann", 30)
            await server.hang_up_all("front-desk")
            await ann.event("CALL_CLOSED")
            ann.forget()

            await ann.dial(f"sip:front-desk@127.0.0.1:{port}")
            await wait_present(server, "front-desk", 1)
            await ann.command("hangup")
            await wait_present(server, "front-desk", 0)


def pem(authority: Authority, name: str) -> Path:
    """A certificate and its key in one file."""
    certificate, key = authority.issue(name, file=name)
    both = certificate.with_suffix(".both")
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    return both


async def certificate_at(port: int) -> str:
    """What a new connection is shown, in PEM; asked without trusting it."""
    return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))


async def test_certificates_are_read_again_on_sighup_and_bad_ones_are_not_taken(tmp_path: Path) -> None:
    """SIP over TLS and the web server, which carries wss."""
    authority, port = Authority(tmp_path), free_port()
    sip = authority.issue("127.0.0.1")
    web = authority.issue("127.0.0.1", file="web")
    settings = {
        "SIP__CERTIFICATE": str(sip[0]),
        "SIP__KEY": str(sip[1]),
        "SIP__TLS_PORT": str(port),
        "HTTP__CERTIFICATE": str(web[0]),
        "HTTP__KEY": str(web[1]),
    }
    async with Server(tmp_path / "server", settings) as server:
        before = [await certificate_at(at) for at in (port, server.ports.http)]
        authority.issue("127.0.0.1", file="web")
        authority.issue("127.0.0.1")
        server.process.send_signal(signal.SIGHUP)

        async def changed() -> bool:
            after = [await certificate_at(at) for at in (port, server.ports.http)]
            return all(new != old for new, old in zip(after, before, strict=True))

        await until(changed, "both certificates are the new ones", 20)
        good = [await certificate_at(at) for at in (port, server.ports.http)]
        web[1].write_text("nonsense")
        sip[0].write_text("nonsense")
        server.process.send_signal(signal.SIGHUP)
        await until(lambda: server.log().count("certificate-unusable") == 2 or None, "the log says so of both")
        assert [await certificate_at(at) for at in (port, server.ports.http)] == good
