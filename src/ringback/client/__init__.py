"""The client of a room, for voice agents and other programs: ``async with ringback.join(url, token) as call``."""

from ringback.client.call import Call as Call
from ringback.client.call import join as join
from ringback.client.errors import CallError as CallError
from ringback.client.errors import JoinRefused as JoinRefused
from ringback.client.errors import Refused as Refused
from ringback.client.errors import Unreachable as Unreachable
from ringback.client.media import Flushed as Flushed
from ringback.client.media import Said as Said
from ringback.client.participants import Participant as Participant
