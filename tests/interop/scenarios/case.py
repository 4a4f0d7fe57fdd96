"""One scenario, what the server does meanwhile, and how its call has to end."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from interop.peers.house import House
from interop.peers.sipp import LONGEST_S, Script


@dataclass(frozen=True, slots=True)
class Case:
    """
    Attributes:
        script: What SIPp plays.
        drive: What the server is made to do meanwhile, given the room's name.
        ending: Reason in the call's row at the end, or several that will do; ``None`` where there is no call.
        room: Properties of the room.
        dial: More of the body that starts the call out.
        transport: SIPp's: ``u1``, ``t1``.
        longest_s: How long it may take.
        user: Called instead of the room's own address.
        t1: Of a server of its own, whose SIP timers run this fast.
    """

    script: Script
    drive: Callable[[House, str], Awaitable[None]] | None = None
    ending: str | None = "hangup-remote"
    room: Mapping[str, Any] = field(default_factory=dict)
    dial: Mapping[str, Any] = field(default_factory=dict)
    transport: str = "u1"
    user: str = ""
    longest_s: float = LONGEST_S
    t1: float | None = None
