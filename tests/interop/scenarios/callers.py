"""SIPp calls a room: every feature of a dialog as the far end may use it."""

from interop.peers.house import House
from interop.peers.sipp import US, Caller, Script, reply, sdp
from interop.peers.waiting import until
from interop.scenarios.case import Case

DIGIT = "Signal=7\nDuration=160"
RELAY = "application/dtmf-relay"
T38 = "v=0\no=- 1 2 IN IP4 [local_ip]\ns=-\nc=IN IP4 [media_ip]\nt=0 0\nm=image [media_port] udptl t38"


def caller() -> Caller:
    return Caller()


async def hang_up(house: House, room: str) -> None:
    """As soon as the call is up."""
    await house.state(room, "answered")
    await house.hang_up(room)


async def hang_up_when_moved(house: House, room: str) -> None:
    """Once the caller's new address is known."""
    calls = house.app.telephony._agent.calls
    await until(lambda: [c for c in calls.values() if c.record.remote_target.startswith("sip:moved")], "it has moved")
    await house.hang_up(room)


def compact() -> Script:
    """Every compact form, and spaces where they may stand. (SIPp itself takes the folds out of folded lines.)"""
    script = caller()
    script.cseq = 1
    lines = [
        f"INVITE {script.uri} SIP/2.0",
        f"v: SIP / 2.0 / [transport] {US};branch={script.branch()} ; rport",
        f"f:{script.from_}",
        f"t:   <{script.uri}>",
        "i : [call_id]",
        "CSeq:  1   INVITE",
        "Max-Forwards: 70",
        f"m: <sip:sipp@{US}>",
        "k: timer",
        "c: application/sdp",
    ]
    return script.send(lines, sdp(), again=True).answered().ack().bye()


def merged() -> Script:
    """The same INVITE by another way: another branch, all else alike (RFC 3261 §8.2.2.2)."""
    script = caller().call()
    script.cseq = 0
    return script.invite().recv(482).ack_refusal().bye()


CASES = {
    "basic": Case(caller().call().bye()),
    "basic-tcp": Case(caller().call().bye(), transport="t1"),
    "we-hang-up": Case(caller().call().hung_up_on(), hang_up, "ejected"),
    "nobody-of-that-name": Case(
        caller().invite().recv(100, optional=True).recv(480).ack_refusal(), None, None, user="1"
    ),
    "compact-forms": Case(compact()),
    "merged-request": Case(merged()),
    "multipart": Case(
        caller()
        .invite(
            "--x\nContent-Type: application/sdp\n\n" + sdp() + "\n--x\nContent-Type: text/x-other\n\nhello\n--x--",
            kind="multipart/mixed;boundary=x",
        )
        .answered("m=audio [0-9]+ RTP/AVP 0")
        .ack()
        .bye()
    ),
    "required-extension-unknown": Case(
        caller().invite(None, "Require: foo, timer").recv(420, "Unsupported: foo").ack_refusal(), None, None
    ),
    "hold-and-resume": Case(
        caller()
        .call()
        .reinvite(sdp(version=2, direction="sendonly"), "a=recvonly")
        .reinvite(sdp(version=3), "a=sendrecv|m=audio [1-9]")
        .bye()
    ),
    "hold-inactive": Case(
        caller()
        .call()
        .reinvite(sdp(version=2, direction="inactive"), "a=inactive")
        .reinvite(sdp(version=3, direction="sendrecv"), "m=audio [1-9]")
        .bye()
    ),
    "hold-by-no-address": Case(
        caller().call().reinvite(sdp(version=2, address="0.0.0.0"), "m=audio").reinvite(sdp(version=3), "m=audio").bye()
    ),
    "one-way": Case(caller().call().reinvite(sdp(version=2, direction="recvonly"), "a=sendonly").bye()),
    "one-way-from-the-start": Case(caller().invite(sdp(direction="sendonly")).answered("a=recvonly").ack().bye()),
    "late-offer": Case(caller().invite("").answered("m=audio", "a=rtpmap:101 telephone-event").ack(sdp()).bye()),
    "late-offer-in-reinvite": Case(
        caller().call().within("INVITE").recv(100, optional=True).recv(200, "m=audio").ack(sdp(version=2)).bye()
    ),
    "same-offer-again": Case(caller().call().reinvite(sdp(), "m=audio").bye()),
    "another-codec": Case(caller().call().reinvite(sdp(version=2, formats=["8 PCMA/8000"]), "RTP/AVP 8").bye()),
    "odd-ptimes": Case(caller().invite(sdp(lines=["a=ptime:30", "a=maxptime:60"])).answered("a=ptime:").ack().bye()),
    "video-beside": Case(
        caller().invite(sdp() + "\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000").answered("m=video 0 ").ack().bye()
    ),
    "no-codec-in-common": Case(
        caller().invite(sdp(formats=["3 GSM/8000"])).recv(100, optional=True).recv(488).ack_refusal(),
        None,
        "no-common-codec",
    ),
    "fax": Case(
        caller()
        .call()
        .within("INVITE", body=T38)
        .recv(100, optional=True)
        .recv(488)
        .ack_refusal()
        .within("INFO", body=DIGIT, kind=RELAY)
        .recv(200)
        .bye()
    ),
    "update-refreshes": Case(
        caller()
        .call(None, "Supported: timer", "Session-Expires: 90;refresher=uac")
        .within("UPDATE", "Supported: timer", "Session-Expires: 90;refresher=uac")
        .recv(200, "Session-Expires: 90;refresher=uac")
        .bye()
    ),
    "update-holds": Case(
        caller().call().within("UPDATE", body=sdp(version=2, direction="sendonly")).recv(200, "a=recvonly").bye()
    ),
    "timer-too-short": Case(
        caller()
        .call()
        .within("INVITE", "Supported: timer", "Session-Expires: 30", body=sdp(version=2))
        .recv(100, optional=True)
        .recv(422, "Min-SE: 90")
        .ack_refusal()
        .within("UPDATE", "Supported: timer", "Session-Expires: 30")
        .recv(422, "Min-SE: 90")
        .bye()
    ),
    "timer-of-a-proxy": Case(
        caller().invite(None, "Session-Expires: 1800").answered("Session-Expires: 1800;refresher=uas").ack().bye()
    ),
    "digit-by-info": Case(
        caller()
        .call()
        .within("INFO", body=DIGIT, kind=RELAY)
        .recv(200)
        .within("INFO", body="5", kind="application/dtmf")
        .recv(200)
        .within("INFO")
        .recv(200)
        .within("INFO", body="{}", kind="application/json")
        .recv(415)
        .bye()
    ),
    "message-and-subscribe-refused": Case(
        caller()
        .outside("MESSAGE", body="hello", kind="text/plain")
        .recv(405, "Allow: ")
        .outside("SUBSCRIBE", "Event: presence")
        .recv(405)
        .outside("PUBLISH", "Event: presence")
        .recv(405)
        .outside("NOTIFY", "Event: message-summary", "Subscription-State: active")
        .recv(489, "Allow-Events: ")
        .outside("OPTIONS")
        .recv(200, "Allow: ", "Accept: ")
        .outside("BYE")
        .recv(481),
        None,
        None,
    ),
    "message-in-a-call-refused": Case(
        caller().call().within("MESSAGE", body="hello", kind="text/plain").recv(405).within("OPTIONS").recv(200).bye()
    ),
    "cancel-crosses-the-answer": Case(caller().invite().answered().cancel().recv(200, "CSeq: 1 CANCEL").ack().bye()),
    "target-refresh": Case(
        caller()
        .call()
        .reinvite(sdp(version=2), contact=f"<sip:moved@{US};transport=[transport]>")
        .recv("BYE", "BYE sip:moved@")
        .send(reply(200)),
        hang_up_when_moved,
        "ejected",
    ),
    "through-a-recording-proxy": Case(
        caller()
        .invite(None, f"Record-Route: <sip:edge@{US};lr>")
        .answered("Record-Route: <sip:edge@")
        .ack()
        .recv("BYE", "Route: <sip:edge@")
        .send(reply(200)),
        hang_up,
        "ejected",
    ),
    "bye-with-an-old-cseq-or-another-tag": Case(
        caller().call().reinvite(sdp(version=2)).stray("BYE", 1).recv(500).stray("BYE", 9, "x").recv(481).bye()
    ),
    "ack-lost": Case(
        # 64 of these T1 are 6.4 s.
        caller().invite().answered().pause(4.5).recv("BYE").send(reply(200)),
        None,
        "ack-timeout",
        t1=0.1,
    ),
    "ack-late": Case(caller().invite().answered().pause(2.2).ack().bye()),
    "bye-lost": Case(caller().call().recv("BYE", lost=50).send(reply(200)), hang_up, "ejected"),
}
