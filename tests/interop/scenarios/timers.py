"""Session timers in their own time: SIPp agrees on 90 s, the least there is (RFC 4028)."""

from interop.peers.sipp import Callee, Caller, Script, reply, sdp
from interop.scenarios.case import Case

LONG = 150
ASKED = ("Supported: timer", "Session-Expires: 90;refresher=uas", "Min-SE: 90")
REFRESHED = ["Require: timer", "Session-Expires: 90;refresher=uac"]


def refreshes_by_update() -> Script:
    """We are to refresh, and it takes UPDATE; then it hangs up."""
    script = Caller().invite(None, *ASKED, "Allow: INVITE, ACK, BYE, UPDATE")
    script.answered("Session-Expires: 90;refresher=uas").ack().speak()
    for _ in range(2):
        script.recv("UPDATE", "Session-Expires: 90;refresher=uac").send([*reply(200), *REFRESHED])
    return script.bye()


def refreshes_by_reinvite() -> Script:
    """We are to refresh, and it takes no UPDATE: the same description comes again."""
    script = Caller().invite(None, *ASKED, "Allow: INVITE, ACK, BYE")
    script.answered("Session-Expires: 90;refresher=uas", "m=audio").ack().speak()
    script.recv("INVITE", "Session-Expires: 90", "m=audio")
    script.send([*reply(200), *REFRESHED, "Content-Type: application/sdp"], sdp(), again=True)
    return script.recv("ACK").bye()


def promises_and_forgets() -> Script:
    """It is to refresh, and does not: the call ends before the time is over."""
    script = Caller().invite(None, "Supported: timer", "Session-Expires: 90;refresher=uac")
    return script.answered("Session-Expires: 90;refresher=uac").ack().speak().hung_up_on()


def forgets_as_callee() -> Script:
    """It takes our call and promises to refresh."""
    script = Callee().invited("Supported: .*timer")
    return script.answer(None, "Require: timer", "Session-Expires: 90;refresher=uas").speak().hung_up_on()


CALLERS = {
    "we-refresh-by-update": Case(refreshes_by_update(), longest_s=LONG),
    "we-refresh-by-reinvite": Case(refreshes_by_reinvite(), longest_s=LONG),
    "it-forgets-to-refresh": Case(promises_and_forgets(), None, "refresh-missed", longest_s=LONG),
}
CALLEES = {"it-forgets-to-refresh": Case(forgets_as_callee(), None, "refresh-missed", longest_s=LONG)}
