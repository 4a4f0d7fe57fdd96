"""SIPp against the SIP side alone, for what no room asks for yet: reliable ringing, offers before the answer, REFER."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from integration.sip_phone import Phone
from interop.peers.sipp import Callee, Caller, Script, Sipp, reply, sdp
from interop.peers.waiting import free_port, until
from ringback.calls.ports.carrier import IncomingInvite, Refer
from ringback.model.ids import CallId
from ringback.sdp.negotiation import make_answer, make_offer

RELIABLE = ("Require: 100rel", "RSeq: ")
SIPFRAG = "message/sipfrag;version=2.0"
KEPT = {"rseq": ("RSeq:", "([0-9]+)")}
OFFER = make_offer(1, 1, "127.0.0.1", 22990, ["PCMU"])

Drive = Callable[[Phone, CallId, Path], Awaitable[None]]


def answer_to(offer: bytes | None) -> bytes:
    """SDP of ours, to an offer or instead of one."""
    return OFFER if offer is None else make_answer(offer, "127.0.0.1", 22990, ["PCMU"], session_id=1, version=1)[0]


def serve(phone: Phone) -> None:
    """What the SIP side does with callers goes by the user they call, and REFERs are followed."""

    def incoming(invite: IncomingInvite) -> None:
        telephony, sound = phone.telephony, answer_to(invite.offer)
        if invite.user == "ring":
            telephony.ring(invite.call)
        elif invite.user == "early":
            telephony.ring(invite.call, sound)
            telephony.answer(invite.call, sound)
        elif invite.user == "ring-early":
            telephony.ring(invite.call, sound)
        elif invite.replaces is not None:
            telephony.answer(invite.call, sound)
            telephony.bye(invite.replaces)
        else:
            telephony.ring(invite.call)
            telephony.answer(invite.call, sound)

    def reoffered(call: CallId, offer: bytes | None) -> None:
        phone.telephony.answer_offer(call, answer_to(offer))

    def referred(call: CallId, refer: Refer) -> None:
        if "nobody" in refer.target:
            phone.telephony.refuse_refer(call, refer.id, 603)
            return
        phone.telephony.accept_refer(call, refer.id)
        phone.telephony.notify_refer(call, refer.id, 180, "Ringing")
        phone.telephony.notify_refer(call, refer.id, 200, "OK")

    phone.incoming, phone.reoffered, phone.referred = incoming, reoffered, referred  # type: ignore[attr-defined]


def prack(script: Caller, body: str = "", rack: str = "[$rseq] 1 INVITE") -> Caller:
    return script.within("PRACK", f"RAck: {rack}", body=body)


def reliably(user_rings: str, *more: str, body: str | None = None) -> Caller:
    """An INVITE that wants reliable 18x, up to the first of them."""
    script = Caller().invite(body, "Require: 100rel").recv(100, optional=True)
    keep = {**KEPT, "remote": ("To:", "tag=([^;]+)")}
    return script.recv(183 if user_rings == "early" else 180, *RELIABLE, *more, keep=keep, routes=True)


def confirmed(script: Caller) -> Caller:
    """200 to the INVITE, its ACK."""
    return script.recv(200, "CSeq: 1 INVITE", routes=True).ack(cseq=1)


def notified(script: Caller) -> Caller:
    """NOTIFYs of a transfer, to its end."""
    script.recv("NOTIFY", "SIP/2.0 100", "Subscription-State: active").send(reply(200))
    script.recv("NOTIFY", "SIP/2.0 180", "Event: refer").send(reply(200))
    return script.recv("NOTIFY", "SIP/2.0 200", "Subscription-State: terminated").send(reply(200))


CALLERS: dict[str, tuple[str, Script]] = {
    "prack-crosses-the-answer": (
        "plain",
        prack(reliably("180").recv(200, "CSeq: 1 INVITE", routes=True)).recv(200, "CSeq: 2 PRACK").ack(cseq=1).bye(),
    ),
    "early-media-waits-for-its-prack": (
        "early",
        confirmed(prack(reliably("early", "m=audio").pause(1.2)).recv(200, "CSeq: 2 PRACK")).bye(),
    ),
    "prack-of-nothing": (
        "early",
        confirmed(
            prack(prack(reliably("early"), rack="1 1 INVITE").recv(481)).recv(200, "CSeq: 3 PRACK"),
        ).bye(),
    ),
    "offer-in-a-reliable-183": (
        "early",
        confirmed(prack(reliably("early", "m=audio", body=""), sdp()).recv(200, "CSeq: 2 PRACK")).bye(),
    ),
    "update-before-the-answer": (
        "ring-early",
        prack(reliably("early"))
        .recv(200, "CSeq: 2 PRACK")
        .within("UPDATE", body=sdp(version=2, direction="sendonly"))
        .recv(200, "CSeq: 3 UPDATE", "a=recvonly")
        .cancel_first()
        .recv(200, "CANCEL")
        .recv(487)
        .ack_first(),
    ),
    "bye-while-it-rings": (
        "ring",
        Caller().invite().ringing().within("BYE").recv(200, "BYE").recv(487).ack_first(),
    ),
    "refers-us": (
        "plain",
        notified(
            Caller().call().within("REFER", "Refer-To: <sip:bob@192.0.2.1>", "Referred-By: <sip:me@x>").recv(202)
        ).bye(),
    ),
    "refers-us-quietly": (
        "plain",
        Caller()
        .call()
        .within("REFER", "Refer-To: <sip:bob@192.0.2.1>", "Refer-Sub: false", "Require: norefersub")
        .recv(202, "Refer-Sub: false")
        .pause(0.5)
        .bye(),
    ),
    "refers-us-to-nobody": (
        "plain",
        Caller().call().within("REFER", "Refer-To: <sip:nobody@192.0.2.1>").recv(603).bye(),
    ),
    "refers-us-wrongly": (
        "plain",
        Caller()
        .call()
        .within("REFER")
        .recv(400)
        .within("REFER", "Refer-To: <sip:a@b>, <sip:c@d>")
        .recv(400)
        .within("REFER", "Refer-To: <http://example.com/>")
        .recv(416)
        .bye(),
    ),
    "refers-outside-a-call": ("plain", Caller().outside("REFER", "Refer-To: <sip:bob@192.0.2.1>").recv(403)),
    "replaces-nothing": (
        "plain",
        Caller().invite(None, "Replaces: nothing;to-tag=1;from-tag=2").recv(100, optional=True).recv(481).ack_refusal(),
    ),
}


async def replace(phone: Phone, call: CallId, folder: Path) -> None:
    """Another caller takes the place of the one that is up (RFC 3891)."""
    dialog = phone.telephony._agent.calls[call].record
    row = f"Replaces: {dialog.call_id};to-tag={dialog.local_tag};from-tag={dialog.remote_tag}"
    script = Caller().invite(None, row).answered().ack().bye()
    await Sipp(folder / "second", script, port=free_port(), target=phone.address, user="plain").run()


async def press(phone: Phone, call: CallId, folder: Path) -> None:
    phone.telephony.send_info_digit(call, "5", 160)


async def refer(phone: Phone, call: CallId, folder: Path) -> None:
    phone.telephony.refer(call, "sip:bob@192.0.2.7", referred_by="sip:room@192.0.2.1")
    outcomes = phone.outcomes  # type: ignore[attr-defined]
    await until(lambda: outcomes.get(call), "the transfer has an outcome")


async def reinvite_into_an_offer(phone: Phone, call: CallId, folder: Path) -> None:
    phone.telephony.offer(call, make_offer(9, 9, "127.0.0.1", 22990, ["PCMU"], "sendonly"))


def transfer(end: str, status: int = 202) -> Caller:
    """Our REFER, and what the far end reports."""
    script = Caller().call().recv("REFER", "Refer-To: .*sip:bob@192.0.2.7", "Referred-By: ")
    script.send(reply(status))
    if status >= 300:
        return script.bye()
    trying = ("Event: refer", "Subscription-State: active;expires=60")
    script.within("NOTIFY", *trying, body="SIP/2.0 100 Trying", kind=SIPFRAG).recv(200)
    last = ("Event: refer", "Subscription-State: terminated;reason=reason=noresource")
    return script.within("NOTIFY", *last, body=f"SIP/2.0 {end}", kind=SIPFRAG).recv(200).bye()


DRIVEN: dict[str, tuple[Drive, Script]] = {
    "is-replaced": (replace, Caller().call().hung_up_on()),
    "is-sent-a-key": (press, Caller().call().recv("INFO", "Signal=5", "Duration=160").send(reply(200)).bye()),
    "is-transferred": (refer, transfer("200 OK")),
    "is-transferred-in-vain": (refer, transfer("486 Busy Here")),
    "refuses-a-transfer": (refer, transfer("", 603)),
    "is-held": (
        reinvite_into_an_offer,
        Caller()
        .call()
        .recv("INVITE", "a=sendonly")
        .send([*reply(200), "Content-Type: application/sdp"], sdp(version=2, direction="recvonly"), again=True)
        .recv("ACK")
        .bye(),
    ),
}
"""Callers whose calls the SIP side does something with."""


def reliable(status: int, number: int, body: str = "") -> tuple[int, tuple[str, ...], str]:
    return status, ("Require: 100rel", f"RSeq: {number}"), body


def rung(*steps: tuple[int, tuple[str, ...], str]) -> Callee:
    """Our INVITE, and 18x each of which gets its PRACK."""
    script = Callee().invited("Supported: .*100rel")
    for status, rows, body in steps:
        script.say(status, *rows, body=body).recv("PRACK", f"RAck: {rows[1][6:]} 1 INVITE").send(reply(200))
    return script


EARLY_CALLEES: dict[str, Callee] = {
    "rings-reliably": rung(reliable(180, 7)).answer().bye(),
    "early-media-reliably": rung(reliable(183, 1, sdp()), reliable(180, 2)).answer("").bye(),
    "updates-before-it-answers": (
        rung(reliable(183, 1, sdp())).within("UPDATE", body=sdp(version=2)).recv(200, "m=audio").answer("").bye()
    ),
    "offers-too-early": rung(reliable(180, 3)).within("UPDATE", body=sdp(version=2)).recv(491).answer().bye(),
}
"""Callees whose ringing is reliable; for rooms."""
