"""``/ringback/calls/{id}/trace``: what was said on the wire in a call, for people who ask why it failed."""

from ringback.model.errors import NotFound
from ringback.model.times import iso
from ringback.model.traces import Said
from ringback.rest.errors import printable
from ringback.rest.routing import Asked, Operation


async def trace(asked: Asked) -> object:
    """The call's SIP messages, oldest first; none when the call is no longer remembered (its record lasts longer)."""
    record = await asked.services.reports.call(asked.domain.id, asked.params["call"])
    if record is None:
        raise NotFound(f"call {printable(asked.params['call'])} not found")
    tag = record.dialog.local_tag if record.dialog is not None else ""
    remembered = asked.services.traces.trace(record.sip_call_id, tag)
    return {"messages": [message_row(said) for said in remembered.said], "dropped": remembered.dropped}


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


OPERATIONS = (Operation("GET", "/ringback/calls/{call}/trace", trace),)
