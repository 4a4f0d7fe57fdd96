"""An engine for one telephone outside the server: no browsers, RTP ports of its own."""

import asyncio

from ringback.calls.ports.media import MediaEvents
from ringback.core import new_engine
from ringback.media.service import Media

FIRST_PORT, LAST_PORT = 16000, 16999
"""Apart from the server's, so that both can be on one machine."""


def open_telephone(events: MediaEvents, bind: str, advertised: str) -> Media:
    """Media for a telephone that listens on ``bind`` and is told to others as ``advertised``.

    Raises:
        OSError: A port cannot be bound.
    """
    engine = new_engine("127.0.0.1", 0, ["127.0.0.1"], bind, FIRST_PORT, LAST_PORT)
    return Media(engine, asyncio.get_running_loop(), events, phone_host=advertised)
