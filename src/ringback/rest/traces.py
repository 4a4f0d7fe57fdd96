"""``/ringback/calls/{id}/trace``: what was said on the wire in a call, for people who ask why it failed."""

from ringback.calls.picture_notes import STEPS
from ringback.model.errors import NotFound
from ringback.model.records import CallRecord
from ringback.model.times import iso
from ringback.model.traces import Said
from ringback.rest.calls import as_it_is, timeline
from ringback.rest.errors import printable
from ringback.rest.routing import Asked, Operation


async def trace(asked: Asked) -> object:
    """The call's SIP messages, oldest first; none when the call is no longer remembered (its record lasts longer).

    Of a call with pictures also what happened to them meanwhile: they are not on this wire.
    """
    record = await asked.services.reports.call(asked.domain.id, asked.params["call"])
    if record is None:
        raise NotFound(f"call {printable(asked.params['call'])} not found")
    tag = record.dialog.local_tag if record.dialog is not None else ""
    remembered = asked.services.traces.trace(record.sip_call_id, tag)
    pictures = _pictures(as_it_is(asked, record))
    return {
        "messages": [message_row(said) for said in remembered.said],
        "dropped": remembered.dropped,
        **({"pictures": pictures} if pictures else {}),
    }


def _pictures(record: CallRecord) -> dict[str, object]:
    """Steps of a call's pictures, and how many key frames were asked for in all and by INFO (the others by RTCP)."""
    steps = timeline([step for step in record.timeline if step["step"] in STEPS])
    counted = {name: record.sound.get(f"video_key_frames_{name}", 0) for name in KEY_FRAMES}
    return {"steps": steps, "key_frames": counted} if steps or any(counted.values()) else {}


def message_row(said: Said) -> dict[str, object]:
    """One message; its first line again as ``summary``, and where it refuses something by a rule of ours, the rule."""
    return {
        "at": iso(said.at),
        "direction": "out" if said.out else "in",
        "peer": said.peer,
        "transport": said.transport,
        "summary": said.text.partition("\n")[0],
        "text": said.text,
        **({"rule": said.rule} if said.rule else {}),
    }


KEY_FRAMES = ("asked", "asked_by_info", "wanted", "wanted_by_info", "received")
"""We asked the far end for one; it wanted one of us; it sent one."""

OPERATIONS = (Operation("GET", "/ringback/calls/{call}/trace", trace),)
