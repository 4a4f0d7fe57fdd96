"""``/ringback/calls``: what is known of each call, past and present, and why one is silent or sounds bad."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from ringback.calls.concealed import shown
from ringback.calls.observing import CallOver
from ringback.calls.verdict import Verdict
from ringback.model.end_reason import Ending, EndReason
from ringback.model.errors import InvalidRequest, NotFound
from ringback.model.ids import RoomName
from ringback.model.records import CallRecord, Direction
from ringback.model.reports import CallFilter
from ringback.model.times import iso
from ringback.rest.errors import printable
from ringback.rest.routing import Asked, Operation


async def index(asked: Asked) -> object:
    """Newest first. Those that go on show what is counted now."""
    page = await asked.services.reports.calls(
        asked.domain.id,
        _filter(asked),
        limit=asked.limit(),
        after=asked.query.get("starting_after"),
        before=asked.query.get("ending_before"),
    )
    if page is None:
        raise InvalidRequest("starting_after and ending_before must be the id of a call")
    return {"total_count": page[0], "data": [call_row(as_it_is(asked, record)) for record in page[1]]}


async def show(asked: Asked) -> object:
    """One call with its timeline, and while it goes on the counters of those it is with."""
    record = as_it_is(asked, await _find(asked))
    others = asked.services.calls.observer.others(record.id) if record.end is None else {}
    return {
        **call_row(record),
        "timeline": timeline(record.timeline),
        "others": [{"participant": leg, **_sound(stats)} for leg, stats in others.items()],
    }


async def diagnosis(asked: Asked) -> object:
    """What is wrong with a call's sound, worst first. Takes a second and a half while the call goes on."""
    record = await _find(asked)
    try:
        found = await asked.services.calls.observer.diagnose(record)
    except CallOver:
        found = await asked.services.calls.observer.diagnose(await _find(asked))
    verdicts = [_verdict(verdict) for verdict in found.verdicts]
    return {
        "call": record.id,
        "state": record.state.value,
        "healthy": found.verdicts[0].code == "healthy",
        "verdict": verdicts[0],
        "verdicts": verdicts,
        "seconds": round(found.seconds, 3),
        "counters": _sound(found.counters),
        "others": [{"participant": leg, **_sound(stats)} for leg, stats in found.others.items()],
    }


async def _find(asked: Asked) -> CallRecord:
    record = await asked.services.reports.call(asked.domain.id, asked.params["call"])
    if record is None:
        raise NotFound(f"call {printable(asked.params['call'])} not found")
    return record


def as_it_is(asked: Asked, record: CallRecord) -> CallRecord:
    """A record of an unfinished call has no sound and no timeline: those are with the call itself."""
    if record.end is not None:
        return record
    calls = asked.services.calls
    return replace(record, sound=calls.sound(record.id), timeline=calls.timeline(record.id))


def timeline(steps: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Steps of a call with their moments as text."""
    return [{**step, "at": _at(step["at"])} for step in steps]


def _filter(asked: Asked) -> CallFilter:
    query = asked.query
    room = query.get("room")
    return CallFilter(
        room=None if room is None else RoomName(room),
        meeting=query.get("meeting_id"),
        direction=Direction(_one_of(asked, "direction", [each.value for each in Direction]))
        if "direction" in query
        else None,
        trunk=query.get("trunk"),
        number=query.get("number"),
        reason=_one_of(asked, "reason", [each.value for each in Ending]) if "reason" in query else None,
        ongoing=asked.flag("ongoing"),
        start=asked.moment("timeframe_start"),
        end=asked.moment("timeframe_end"),
    )


def _one_of(asked: Asked, name: str, known: list[str]) -> str:
    text = asked.query[name]
    if text not in known:
        raise InvalidRequest(f"{name} must be one of {', '.join(known)} [Received {name}={printable(text)}]")
    return text


def call_row(record: CallRecord) -> dict[str, object]:
    """A call as its record shows it."""
    return {
        "id": record.id,
        "room": record.room,
        "meeting_id": record.meeting,
        "direction": record.direction.value,
        "state": record.state.value,
        "remote": record.remote,
        "called": record.called or None,
        "caller": record.caller or None,
        "endpoint": record.endpoint or None,
        "display_name": record.display_name,
        "user_id": record.user_id,
        "sip_call_id": record.sip_call_id or None,
        "media": record.media or None,
        "codec": record.codec or None,
        "video_codec": record.video_codec or None,
        "trunk": record.trunk or None,
        "node": record.node,
        "created_at": iso(record.created_at),
        "ringing_at": _time(record.ringing_at),
        "answered_at": _time(record.answered_at),
        "ended_at": _time(record.ended_at),
        "duration": None if record.answered_at is None or record.ended_at is None else record.talked_ms / 1000,
        "transcoded_seconds": None if record.end is None else record.transcoded_ms / 1000,
        "end": end_fields(record.end),
        "sound": _sound(record.sound),
        "request": shown(record.request),
    }


def end_fields(end: EndReason | None) -> Mapping[str, object] | None:
    """Why a call ended, in the same words as everywhere."""
    if end is None:
        return None
    return {
        "reason": end.ending.value,
        "fault": end.fault.value,
        "sentence": end.sentence(),
        "sip_status": end.sip_status,
        "sip_reason": end.sip_reason,
        "q850": end.q850,
    }


def _verdict(verdict: Verdict) -> dict[str, object]:
    fields = asdict(verdict)
    fields["whose"], fields["way"] = verdict.whose.value, verdict.way.value
    fields["sentence"], fields["what_to_do"] = fields.pop("words"), fields.pop("to_do") or None
    return fields


def _sound(sound: Mapping[str, object]) -> dict[str, object]:
    """What a call sounds like: moments as text, and what has no place in JSON left out."""
    return {
        name: iso(value) if name.endswith("_at") and isinstance(value, float) else value
        for name, value in sound.items()
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)


def _at(moment: object) -> object:
    return iso(moment) if isinstance(moment, (int, float)) else moment


OPERATIONS = (
    Operation("GET", "/ringback/calls", index),
    Operation("GET", "/ringback/calls/{call}", show),
    Operation("GET", "/ringback/calls/{call}/diagnosis", diagnosis),
)
