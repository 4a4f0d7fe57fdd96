"""What is remembered of calls over real sockets."""

from integration.sip_phone import OFFER, ask, running

SECRET = b"s3cret"


async def test_a_call_between_two_of_us_is_remembered_on_both_sides_and_by_dialog() -> None:
    async with running() as caller, running() as callee:
        caller.dial(f"sip:room@{callee.address}")
        invite = await callee.told("incoming")
        callee.telephony.reject(invite.call, 486, "Busy Here")
        await caller.told("failed")

        theirs = caller.telephony.trace(invite.dialog.call_id, invite.dialog.remote_tag)
        ours = callee.telephony.trace(invite.dialog.call_id, invite.dialog.local_tag)

        assert [one.text.split(" ")[0] for one in theirs.said if one.out] == ["INVITE", "ACK"]
        assert "SIP/2.0 486 Busy Here" in [one.text.split("\n")[0] for one in ours.said if one.out]
        assert {(one.transport, one.peer) for one in theirs.said} == {("udp", callee.address)}
        assert caller.telephony.trace(invite.dialog.call_id, "of another dialog").said == ()


async def test_what_a_stranger_sends_is_remembered_without_its_secrets() -> None:
    """G9."""
    crypto = b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + SECRET + b"\r\n"
    body = OFFER + crypto
    async with running() as callee:
        await ask(
            callee.port,
            b"INVITE sip:room@127.0.0.1 SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP 127.0.0.1:1;rport;branch=z9hG4bKtrace\r\n"
            b"From: <sip:x@127.0.0.1>;tag=a\r\nTo: <sip:room@127.0.0.1>\r\nCall-ID: traced\r\nCSeq: 1 INVITE\r\n"
            b"Contact: <sip:x@127.0.0.1>\r\nMax-Forwards: 70\r\n"
            b'Authorization: Digest username="x", realm="r", nonce="n", uri="sip:y", response="' + SECRET + b'"\r\n'
            b"Content-Type: application/sdp\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body,
            wait=0.5,
        )

        said = callee.telephony.trace("traced").said

        assert said[0].text.startswith("INVITE ") and "Authorization: Digest ***" in said[0].text
        assert not any(SECRET.decode() in one.text for one in said)
