"""What to do about a call that ended as it did: one sentence for each reason, none where all is as somebody wished."""

from collections.abc import Mapping

from ringback.model.end_reason import Ending, EndReason, Fault

ADDRESS = "RINGBACK_SIP__PUBLIC_ADDRESS (unset: RINGBACK_MEDIA__PUBLIC_ADDRESS)"
LADDER = "ringback calls show ID --ladder"

NO_PORT = "There was no free RTP port for it: widen RINGBACK_MEDIA__RTP_PORTS, every call takes two."

BY_ENDING: Mapping[Ending, str] = {
    Ending.BUSY: "The far end is in a call, or its line is full: try later, or ask a carrier how many calls you may "
    "have.",
    Ending.DECLINED: "Somebody or something at the far end turned it down: nothing is broken.",
    Ending.NO_ANSWER: "Nobody picked up, or no phone is registered there now: try later.",
    Ending.REJECTED: f"{LADDER} shows the far end's words: look at the number, how it is written, and the trunk's "
    "password.",
    Ending.REFUSED: "A rule of this server turned it down: ringback audit, or call.refused in the log, names it.",
    Ending.UNREACHABLE: "Nothing comes back from there: look at the address, at its firewall, and at ours towards it; "
    "ringback doctor --trunk NAME looks at a carrier.",
    Ending.UNTRUSTED: "The far end's certificate does not prove its name: see RINGBACK_SIP__CA_FILE, or the trunk's "
    "tls.",
    Ending.UNRESOLVABLE: "No DNS knows the name: look at its spelling, and at RINGBACK_SIP__NAME_SERVERS.",
    Ending.NOT_REGISTERED: "No phone is registered for that account: ringback clients list shows where each one is.",
    Ending.NO_COMMON_CODEC: f"Compare the codecs that the SDP in {LADDER} --json offers with codecs.audio of the room, "
    "or codecs of the trunk: they have none in common.",
    Ending.NOT_PROTECTED: "One side demands encrypted sound, the other has none: see RINGBACK_SIP__SRTP, or the "
    f"trunk's srtp. Where both have it, {LADDER} --json shows which kind each offers, and the codecs.",
    Ending.MEDIA_TIMEOUT: "Nothing of the far end came for a minute: its network is gone, or a firewall or a NAT "
    "closed the way of its RTP.",
    Ending.IDLE_TIMEOUT: "Nobody else was in the room for as long as its settings allow (max_idle_timeout_sec).",
    Ending.ACK_TIMEOUT: f"Our answer did not get there, or its ACK not to us: set {ADDRESS} to the address that the "
    "far end reaches this machine at, and open the SIP port in every firewall.",
    Ending.PROTOCOL_ERROR: f"The far end sent what no call can go on with: {LADDER} shows it, for its vendor.",
    Ending.REFRESH_MISSED: "The proof that the call still exists (session timer) did not come: a re-INVITE or an "
    f"UPDATE is lost on its way. See that {ADDRESS} is right, and that firewalls keep the SIP port open as long as "
    "calls are.",
    Ending.DIALOG_GONE: "The far end answered no UPDATE or re-INVITE of ours, or knew no such call: it restarted, "
    f"another of its nodes was asked, or a firewall or a NAT closed the way of SIP in mid-call. {LADDER} shows which.",
    Ending.LIMIT_REACHED: "A limit was reached, of the room, the trunk or the domain: ringback audit names it.",
    Ending.DURATION_LIMIT: "It was as long as calls may be: maxDurationSec of the request, or "
    "RINGBACK_DIALOUT__LONGEST_CALL.",
    Ending.QUOTA_EXHAUSTED: "Its domain has used up today's minutes or money: GET /v1/ringback/dialout-policy shows "
    "them.",
    Ending.NOT_TAKEN: "Your program did not take the held call in time: see that it is told, and answers.",
    Ending.SERVER_RESTART: "The server died or was killed in mid-call: look at the log before its start.",
    Ending.SERVER_DRAIN: "The server was stopped; it waits RINGBACK_LIMITS__DRAIN_SECONDS for calls to end.",
    Ending.STORE_FAILED: "The database could not be written: ringback doctor says why (a full disk, mostly), and "
    "store.failed in the log; nothing has to be restarted once it can.",
    Ending.INTERNAL_ERROR: "This is a bug: keep the log's lines with this call's id and report it.",
}

BY_STATUS: Mapping[int, str] = {
    **dict.fromkeys((401, 407), "It wants a password, or another one: look at the trunk's credentials."),
    403: "It forbids this call: ask the carrier whether it takes calls from this address and account, to that number, "
    "and with the caller's number that was shown.",
    **dict.fromkeys((404, 410, 484, 604), "It does not know the number: look at how it is written, with or without +, "
    "and at the trunk's number_format and outbound_rules."),
    **dict.fromkeys((500, 502, 503, 504), "It cannot take calls now, for "
    "a failure of its own or a limit of your calls. A second host of the trunk, or a second trunk, would be tried."),
}  # fmt: skip
"""Of a call that was rejected, by the far end's status."""

TIMERS = (900.0, 1800.0, 3600.0)
"""Session intervals, in seconds, that carriers have."""

EARLY = 32.0
"""Seconds before its end at which a session that nobody refreshed is hung up (RFC 4028 §10), and those for which a
refresh, sent after half of it, is repeated before whoever sent it gives up."""

NEAR = 3.0


def what_to_do(end: EndReason, talked: float) -> str:
    """What may be done; empty where nothing needs to be.

    Args:
        talked: Seconds since the call was answered, 0 for one that was not.
    """
    if end.ending is Ending.HANGUP_REMOTE and (timer := _ran_out(talked)) is not None:
        return (
            f"Nothing, if it was somebody's wish. But where calls are cut after {talked:.0f} s again and again, a "
            f"session timer of {timer:.0f} s runs out (RFC 4028): {LADDER} shows whose re-INVITE or UPDATE goes "
            f"unanswered. See {ADDRESS}, or ask the carrier for the longest call it allows."
        )
    if end.ending is Ending.REFUSED and end.fault is Fault.OURS:
        return NO_PORT
    if end.ending is Ending.REJECTED and (said := BY_STATUS.get(end.sip_status or 0)) is not None:
        return said
    return BY_ENDING.get(end.ending, "")


def by_words(reason: str, fault: str, talked: float, status: int | None = None) -> str | None:
    """As ``what_to_do``, for an ending as it stands on the wire; None for one of a newer server, not known here."""
    try:
        end = EndReason(Ending(reason), Fault(fault), status)
    except ValueError:
        return None
    return what_to_do(end, talked)


def _ran_out(talked: float) -> float | None:
    """The interval at whose end, or where its end is given up, a call of that length was cut."""
    cuts = ((timer, at) for timer in TIMERS for at in (timer, timer - EARLY, timer / 2 + EARLY))
    return next((timer for timer, at in cuts if abs(talked - at) <= NEAR), None)
