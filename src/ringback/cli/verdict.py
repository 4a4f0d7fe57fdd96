"""What went wrong first in a call, in words, from its messages and its record."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ringback.calls.advice import by_words
from ringback.cli.plain import plain
from ringback.cli.wiretext import Heard, read

AT_ONCE = 0.45
"""Seconds; an INVITE over UDP is sent again after half a second (RFC 3261 §17.1.1.2)."""

RETRIED = frozenset({401, 407, 422, 491})
"""Not a failure when the request came once more after it."""

AGAIN = 2
"""Times that an answer is said again, after a second and a half, before its ACK is missed."""

REFRESH_BEFORE_BYE = 0.001
"""Seconds: what a BYE is sent for came before it."""

_CONTACT = re.compile(r"@([^;>?,\s]+)")
_WARNING = re.compile(r'\d{3} \S+ "([^"]*)"')


def what_failed(messages: Sequence[Mapping[str, Any]], call: Mapping[str, Any]) -> str:
    """One sentence: the first failure, or that there was none.

    Args:
        messages: ``messages`` of ``/v1/ringback/calls/{id}/trace``.
        call: The call's record.
    """
    heard = read(messages)
    ended_at = call.get("ended_at")
    over = datetime.fromisoformat(ended_at).timestamp() if ended_at else None
    found = sorted(_failures(heard, call, over), key=lambda failure: failure[0])
    end = call.get("end") or {}
    if found:
        return f"First failure: {found[0][1]}."
    if over is None:
        return "Nothing has failed so far."
    sentence = plain(str(end.get("sentence") or "it ended"))
    well = end.get("fault") in (None, "nobody")
    if well and heard:
        return f"Nothing failed: {sentence}."
    fault = "" if well else f", fault: {plain(str(end['fault']))}"
    return f"{'The messages show no failure. ' if heard else ''}The call ended: {sentence}{fault}."


def advice(call: Mapping[str, Any]) -> str:
    """What to do about how a call ended; empty where nothing is to be done, or it goes on."""
    end = call.get("end") or {}
    talked, status = float(call.get("duration") or 0.0), end.get("sip_status")
    return by_words(str(end.get("reason")), str(end.get("fault")), talked, status) or ""


def _failures(heard: list[Heard], call: Mapping[str, Any], over: float | None) -> Iterator[tuple[float, str]]:
    if over is not None and (call.get("end") or {}).get("reason") == "refresh-missed":
        # It is not on the wire: what is there is the BYE that follows.
        talked = float(call.get("duration") or 0.0)
        missed = f"the far end's refresh (UPDATE or re-INVITE) did not come: {_seconds(talked)} after the answer the "
        yield over - REFRESH_BEFORE_BYE, f"{missed}session timer ran out"
    for number, message in enumerate(heard):
        earlier, later = heard[:number], heard[number + 1 :]
        if any(message.repeats(other) for other in earlier):
            continue
        if message.status is not None:
            words = _refusal(message, earlier, later)
        elif message.method == "ACK":
            words = None
        elif (unheard := _unheard(message, later)) is not None:
            words = unheard
        else:
            words = _silence(message, later, call, over)
        if words:
            yield message.at, words
        elif _is_unconfirmed(message, later) and (over is not None or _is_said_often(message, later)):
            yield message.at, f"no ACK to {_whose(message)} {message.answer}{_told(message)}"


def _refusal(message: Heard, earlier: list[Heard], later: list[Heard]) -> str | None:
    """A final answer that says no."""
    if message.status is None or message.status < 300:
        return None
    request = next((other for other in earlier if other.status is None and message.answers(other)), None)
    inside = request is not None and request.in_dialog
    tried_again = any(
        other.status is None
        and other.method == message.method
        and other.out is not message.out
        and (other.number, other.branch) != (message.number, message.branch)
        for other in later
    )
    if tried_again and (message.status in RETRIED or not inside):
        return None
    cancel = next((other for other in earlier if other.method == "CANCEL" and other.status is None), None)
    if message.status == 487 and cancel is not None:
        return _gave_up(cancel, earlier)
    to = f" to {message.method}" if message.method != "INVITE" or inside else ""
    warning = _WARNING.search(message.headers.get("warning", ""))
    why = f" ({warning[1]})" if warning else ""
    return f"{_who(message)} said {message.answer}{to}{why}"


def _gave_up(cancel: Heard, earlier: list[Heard]) -> str:
    invite = next(
        (other for other in earlier if other.method == "INVITE" and other.status is None and other.out == cancel.out),
        cancel,
    )
    return f"{_who(cancel)} gave up after {_seconds(cancel.at - invite.at)} without an answer (CANCEL)"


def _silence(request: Heard, later: list[Heard], call: Mapping[str, Any], over: float | None) -> str | None:
    """A request that nothing came back to. The next message under the same branch may be the same one again."""
    sent_again = sum(other.repeats(request) for other in later)
    if any(other.answers(request) for other in later):
        return None
    if over is None:
        return f"no answer to {request.method} so far" if sent_again >= AGAIN else None
    moved_on = next(
        (
            other.at
            for other in later
            if other.status is None and other.method == "INVITE" and not other.repeats(request)
        ),
        None,
    )
    until = moved_on if moved_on is not None and request.method == "INVITE" else over
    waited = until - request.at
    if request.method != "INVITE":
        return f"no answer to {request.method}" if sent_again else None
    if not request.out:
        return "we did not answer INVITE"
    others = (one.at for one in later if one.status is None and one.method == "INVITE" and not one.repeats(request))
    waited = next(others, over) - request.at
    unreachable = (call.get("end") or {}).get("reason") == "unreachable"
    if unreachable and not sent_again and waited < AT_ONCE:
        return f"nothing takes calls at {request.peer} ({request.transport})"
    return f"no answer to INVITE within {_seconds(waited)}"


def _unheard(request: Heard, later: list[Heard]) -> str | None:
    """A request of a far end that our answers do not reach: it asks again and again. Of INVITE its ACK says so."""
    if request.out or request.method in ("INVITE", "BYE", "CANCEL"):
        return None
    again = sum(other.repeats(request) for other in later)
    if again < AGAIN or not any(other.answers(request) for other in later):
        return None
    return f"our answer to {request.method} does not get there: the far end asked {again} times more"


def _is_unconfirmed(message: Heard, later: list[Heard]) -> bool:
    """A 2xx to INVITE whose ACK never came (RFC 3261 §13.3.1.4)."""
    if message.status is None or not 200 <= message.status < 300 or message.method != "INVITE":
        return False
    return not any(
        other.method == "ACK" and other.out is not message.out and other.number == message.number for other in later
    )


def _is_said_often(message: Heard, later: list[Heard]) -> bool:
    return sum(other.repeats(message) for other in later) >= AGAIN


def _told(message: Heard) -> str:
    """Where an answer of ours said that we are, for whoever is to acknowledge it."""
    contact = _CONTACT.search(message.headers.get("contact", "")) if message.out else None
    return f", which says that we are at {contact[1]}" if contact else ""


def _who(message: Heard) -> str:
    return "we" if message.out else "the far end"


def _whose(message: Heard) -> str:
    return "our" if message.out else "the far end's"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 0.95 else f"{max(0.0, seconds):.1f} s"
