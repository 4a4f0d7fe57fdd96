"""What a room says when it takes nobody more."""

from ringback.meetings.meeting import Meeting
from ringback.model.errors import InvalidRequest


def check_call_limit(meeting: Meeting) -> None:
    """Raises ``InvalidRequest`` when the room has all the calls it may have."""
    if not meeting.may_take_call():
        limit = meeting.settings.max_sip_pstn_sessions
        raise InvalidRequest(f"max_sip_pstn_sessions_per_room limit ({limit}) reached")


def check_people_limit(meeting: Meeting) -> None:
    """Raises ``InvalidRequest`` when the room has all the participants it may have."""
    if meeting.is_full():
        raise InvalidRequest(f"max_participants limit ({meeting.settings.max_participants}) reached")
