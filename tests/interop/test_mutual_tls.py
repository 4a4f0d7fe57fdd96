"""A trunk that shows a certificate of its own, to a far end that asks for one: OpenSSL's server, which knows no SIP."""

from pathlib import Path

import pytest

from integration.certificates import Authority
from interop.peers.house import House
from interop.peers.process import Process
from interop.peers.waiting import free_port, until

pytestmark = pytest.mark.needs("openssl")


@pytest.mark.parametrize(("shown", "taken"), [("theirs", True), ("another's", False), ("none", False)])
async def test_a_far_end_that_wants_a_certificate_gets_the_trunks_own(tmp_path: Path, shown: str, taken: bool) -> None:
    """What is asked of it is only heard where the certificate is one that it believes."""
    authority, another, port = Authority(tmp_path), Authority(tmp_path, "another"), free_port()
    server = authority.issue("localhost", file="far")
    issuer = authority if shown == "theirs" else another
    certificate, key = issuer.issue("us.example", file="ours")
    # openssl s_server: whoever shows no certificate of the authority's is not let in.
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", server[0], "-key", server[1]]
    command += ["-CAfile", authority.file, "-Verify", "1", "-verify_return_error", "-naccept", "20"]
    async with Process(command, tmp_path / "openssl.txt") as far, House(tmp_path / "house") as house:
        await until(lambda: "ACCEPT" in far.output() or None, "OpenSSL listens")
        own = {} if shown == "none" else {"certificate": str(certificate), "key": str(key)}
        trunk = {
            "name": "carrier",
            "hosts": [f"localhost:{port}"],
            "transport": "tls",
            "tls": {"ca_file": str(authority.file), **own},
            "options_interval": 2,
        }
        assert (await house.rest("POST", "/ringback/trunks", trunk)).status == 200

        if taken:
            await until(lambda: f"OPTIONS sip:localhost:{port}" in far.output() or None, "it is asked how it is", 20)
            assert "us.example" in far.output() or "nobody" in far.output(), "it knows who asks"
        else:
            await until(
                lambda: "verify error" in far.output() or "peer did not return" in far.output() or None, "no", 20
            )
            assert "OPTIONS" not in far.output()
