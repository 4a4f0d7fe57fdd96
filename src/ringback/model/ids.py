"""Distinct types for every identifier, so that mypy notices when one is passed for another."""

from typing import NewType

DomainId = NewType("DomainId", str)
"""UUID of a customer's domain (Daily: ``domain_id``)."""

NO_DOMAIN = DomainId("")
"""In place of a domain where none has to do with it."""

RoomId = NewType("RoomId", str)
"""UUID of a room."""

RoomName = NewType("RoomName", str)
"""Name of a room, ``[A-Za-z0-9_-]{1,128}``, unique in its domain, case-sensitive."""

MeetingId = NewType("MeetingId", str)
"""UUID of one run of a room (Daily: ``mtgSessionId``, ``meeting_id``)."""

ParticipantId = NewType("ParticipantId", str)
"""UUID of a participant (Daily: ``session_id``, ``sessionId``). A call's participant has the same id as its leg."""

CallId = NewType("CallId", str)
"""UUID of one SIP call, dial-in or dial-out. Equals the ``ParticipantId`` of its participant, as Daily's does."""

EndpointUser = NewType("EndpointUser", str)
"""User part of a SIP address that rings a room: 12 random digits."""
