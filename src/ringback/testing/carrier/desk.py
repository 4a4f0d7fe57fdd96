"""A pretend carrier as REST shows and drives it (``rest.ports.PretendNetwork``): plain values in and out."""

from collections.abc import Mapping, Sequence

from ringback.model.errors import InvalidRequest, NotFound
from ringback.testing.carrier.call import PretendCall
from ringback.testing.carrier.directory import AREA_CODES
from ringback.testing.carrier.personas import PERSONAS
from ringback.testing.carrier.service import PretendCarrier

FIELDS = ("to", "persona", "from", "name")
LONGEST = 256
NEWEST_EVENTS = 50


class CarrierDesk:
    """Implements ``rest.ports.PretendNetwork``."""

    def __init__(self, carrier: PretendCarrier) -> None:
        self._carrier = carrier

    def people(self) -> Sequence[Mapping[str, object]]:
        """Who answers which numbers, in the order of the numbers."""
        numbers: dict[str, list[str]] = {}
        about: dict[str, str] = {}
        for number, persona in self._carrier.personas.items():
            numbers.setdefault(persona.name, []).append(number)
            about[persona.name] = persona.about
        return [
            {"persona": name, "about": about[name], "number": found[0], "also": found[1:]}
            for name, found in numbers.items()
        ]

    def calls(self) -> Sequence[Mapping[str, object]]:
        """The newest calls, newest first."""
        return [self._row(call) for call in reversed(self._carrier.calls)]

    def call(self, body: Mapping[str, object]) -> Mapping[str, object]:
        """Let somebody call in. Raises ``InvalidRequest`` with the field's name."""
        for name, value in body.items():
            if name not in FIELDS:
                raise InvalidRequest(f'"{name[:LONGEST]!r}" is not allowed')
            if not isinstance(value, str) or not 0 < len(value) <= LONGEST or not value.isprintable():
                raise InvalidRequest(f"{name} must be a string of 1 to {LONGEST} printable characters")
        to, persona = body.get("to"), str(body.get("persona", "talks"))
        if to is None:
            raise InvalidRequest("to is required: a telephone number, or a sip: address")
        if persona not in PERSONAS:
            raise InvalidRequest(f"persona must be one of {', '.join(PERSONAS)}")
        number = str(body.get("from", f"+1{next(iter(AREA_CODES))}5550199"))
        try:
            return self._row(self._carrier.call(str(to), persona, from_=number, name=str(body.get("name", ""))))
        except ValueError as error:
            raise InvalidRequest(str(error)) from None

    def hang_up(self, call: str) -> Mapping[str, object]:
        """Raises ``NotFound``."""
        found = next((one for one in self._carrier.calls if str(one.ordinal) == call), None)
        if found is None:
            raise NotFound("there is no such pretend call")
        found.hang_up(q850=16)
        return self._row(found)

    def _row(self, call: PretendCall) -> Mapping[str, object]:
        sent, heard = call.packets
        events = [event for event in self._carrier.events if event.call == call.ordinal]
        return {
            "id": str(call.ordinal),
            "direction": "to-them" if call.incoming else "from-them",
            "number": call.number,
            "other": call.other,
            "state": call.state,
            "sip_call_id": call.sip_call_id,
            "codec": call.codec,
            "keys": call.keys,
            "seconds": call.seconds,
            "status": call.status or None,
            "ended_by": call.ended_by or None,
            "packets_sent": sent,
            "packets_heard": heard,
            "events": [{"at": e.at, "kind": e.kind, **e.about} for e in events[-NEWEST_EVENTS:]],
        }
