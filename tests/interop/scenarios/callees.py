"""A room calls SIPp: every way in which a far end may answer, refuse, hold or go away."""

from interop.peers.house import House
from interop.peers.sipp import US, Callee, reply, sdp
from interop.scenarios.case import Case
from interop.scenarios.stack import EARLY_CALLEES
from ringback.model.ids import CallId
from ringback.sdp.negotiation import make_offer

ELSEWHERE = f"<sip:moved@{US};transport=[transport]>"
OFFER_LINES = ("m=audio [0-9]+ RTP/AVP", "a=rtpmap:[0-9]+ telephone-event/8000", "Supported: .*timer", "Allow: ")


def called(*has: str) -> Callee:
    return Callee().invited(*has)


async def hang_up(house: House, room: str) -> None:
    """As soon as the call is up."""
    await house.state(room, "answered")
    await house.hang_up(room)


async def give_up(house: House, room: str) -> None:
    """While it rings."""
    await house.state(room, "ringing")
    await house.hang_up(room)


async def reinvite(house: House, room: str) -> None:
    """An offer of ours in the call, as hold makes them."""
    row = await house.state(room, "answered")
    await house.acknowledged(CallId(row["id"]))
    house.app.telephony.offer(CallId(row["id"]), make_offer(9, 9, "127.0.0.1", 22998, ["PCMU"], "sendonly"))


def late_answer() -> Callee:
    """It answers 200 although our CANCEL came: that gets ACK, and BYE."""
    script = called().say(180).recv("CANCEL").send(reply(200)).say(200, body=sdp())
    return script.acked().hung_up_on()


def both_forks_answer() -> Callee:
    """A proxy forks (RFC 3261 §13.2.2.4): the first answer is the call; the second gets ACK and BYE."""
    script = called().say(180, fork="a").say(180, fork="b").say(200, body=sdp(), fork="a").acked()
    script.say(200, body=sdp(), fork="b").recv("ACK", "To:.*tag=[0-9]+b").recv("BYE", "To:.*tag=[0-9]+b")
    return script.send(reply(200)).within("BYE", fork="a").recv(200)


def glare() -> Callee:
    """Our re-INVITE meets 491, and is sent again a little later (RFC 3261 §14.1)."""
    script = called().answer().recv("INVITE", "a=sendonly").send(reply(491)).acked().recv("INVITE", "a=sendonly")
    return (
        script.send([*reply(200), "Content-Type: application/sdp"], sdp(version=2, direction="recvonly")).acked().bye()
    )


def reinvited(status: int) -> Callee:
    """Our re-INVITE is refused, and the call goes on."""
    return called().answer().recv("INVITE").send(reply(status)).acked().within("INFO").recv(200).bye()


CASES = {
    **{name: Case(script) for name, script in EARLY_CALLEES.items()},
    "basic": Case(called(*OFFER_LINES).say(100).say(180).answer().bye()),
    "basic-tcp": Case(called().say(180).answer().bye(), transport="t1"),
    "answered-at-once": Case(called().answer().bye()),
    "we-hang-up": Case(called().say(180).answer().hung_up_on(), hang_up, "hangup-local"),
    "early-media": Case(called().say(183, body=sdp()).answer().bye()),
    "early-media-and-an-empty-answer": Case(called().say(183, body=sdp()).answer("").bye()),
    "queued-and-forwarded": Case(called().say(182).say(181).say(180).answer().bye()),
    "busy": Case(called().say(100).refuse(486), None, "busy"),
    "busy-after-ringing": Case(called().say(180).refuse(486), None, "busy"),
    "declined": Case(called().say(180).refuse(603), None, "declined"),
    "nobody-there": Case(called().refuse(404, "Reason: Q.850;cause=1"), None, "rejected"),
    "redirected": Case(called().refuse(302, "Contact: <sip:else@192.0.2.1>"), None, "rejected"),
    "challenged": Case(
        called().refuse(407, 'Proxy-Authenticate: Digest realm="there", nonce="n", algorithm=MD5, qop="auth"'),
        None,
        "rejected",
    ),
    "overloaded": Case(called().refuse(503, "Retry-After: 5"), None, "rejected"),
    "not-acceptable": Case(called().refuse(488), None, "no-common-codec"),
    "timer-too-short": Case(
        called("Session-Expires: 1800")
        .refuse(422, "Min-SE: 3600")
        .invited("Session-Expires: 3600", "Min-SE: 3600")
        .answer(None, "Require: timer", "Session-Expires: 3600;refresher=uac")
        .bye()
    ),
    "given-up": Case(called().say(180).cancelled(), give_up, "cancelled-local"),
    "answer-after-cancel": Case(late_answer(), give_up, "cancelled-local"),
    "both-forks-answer": Case(both_forks_answer()),
    "the-other-fork-answers": Case(
        called()
        .say(183, body=sdp(), fork="a")
        .say(180, fork="b")
        .say(200, body=sdp(), fork="b")
        .acked("To:.*tag=[0-9]+b")
        .within("BYE", fork="b")
        .recv(200)
    ),
    "holds-and-resumes": Case(
        called()
        .answer()
        .reinvite(sdp(version=2, direction="sendonly"), "a=recvonly")
        .reinvite(sdp(version=3), "m=audio [1-9]")
        .bye()
    ),
    "holds-by-no-address": Case(called().answer().reinvite(sdp(version=2, address="0.0.0.0"), "m=audio").bye()),
    "asks-for-an-offer": Case(
        called().answer().within("INVITE").recv(100, optional=True).recv(200, "m=audio").ack(sdp(version=2)).bye()
    ),
    "updates": Case(
        called().answer().within("UPDATE", body=sdp(version=2, direction="sendonly")).recv(200, "a=recvonly").bye()
    ),
    "presses-a-key": Case(
        called().answer().within("INFO", body="Signal=7\nDuration=160", kind="application/dtmf-relay").recv(200).bye()
    ),
    "sends-fax": Case(
        called()
        .answer()
        .within("INVITE", body="v=0\no=- 1 2 IN IP4 [local_ip]\ns=-\nc=IN IP4 [media_ip]\nt=0 0\nm=image 9 udptl t38")
        .recv(100, optional=True)
        .recv(488)
        .ack_refusal()
        .within("INFO")
        .recv(200)
        .bye()
    ),
    "our-offer-meets-one": Case(glare(), reinvite),
    "our-offer-is-refused": Case(reinvited(488), reinvite),
    "our-offer-finds-no-call": Case(called().answer().recv("INVITE").send(reply(481)).acked(), reinvite, "dialog-gone"),
    "moves-with-its-answer": Case(
        called()
        .say(180)
        .say(200, body=sdp(), contact=ELSEWHERE)
        .recv("ACK", "ACK sip:moved@")
        .recv("BYE", "BYE sip:moved@")
        .send(reply(200)),
        hang_up,
        "hangup-local",
    ),
    "behind-a-recording-proxy": Case(
        called().answer(None, f"Record-Route: <sip:edge@{US};lr>").recv("BYE", "Route: <sip:edge@").send(reply(200)),
        hang_up,
        "hangup-local",
    ),
    "its-answer-is-lost": Case(called().say(180).say(200, body=sdp()).recv("ACK", lost=50).bye()),
    "our-goodbye-is-lost": Case(called().answer().recv("BYE", lost=50).send(reply(200)), hang_up, "hangup-local"),
    "never-answers-our-goodbye": Case(called().answer().recv("BYE"), hang_up, "hangup-local"),
    "hangs-up-saying-why": Case(called().answer().bye('Reason: Q.850;cause=31;text="network"')),
    "nothing-in-common": Case(called().answer(sdp(formats=["3 GSM/8000"])).hung_up_on(), None, "no-common-codec"),
    "answers-with-fewer-codecs": Case(called().answer(sdp(formats=["8 PCMA/8000"])).bye()),
    "does-not-end-early-dialogs-by-bye": Case(called().say(180).within("BYE").recv(481).answer().bye()),
    "message-refused": Case(called().answer().within("MESSAGE", body="hello", kind="text/plain").recv(405).bye()),
}
