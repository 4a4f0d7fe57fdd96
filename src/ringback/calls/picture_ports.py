"""The port for a call's pictures, opened beside that of its sound where they are wanted."""

import structlog

from ringback.calls.call import Call
from ringback.calls.ports.media import MediaLegs
from ringback.model.errors import Unavailable

log = structlog.get_logger()


def open_pictures(media: MediaLegs, call: Call) -> None:
    """Open it, once; a call for which there is none goes on without pictures."""
    if call.pictures.settings is None or call.pictures.port is not None:
        return
    try:
        call.pictures.port = media.open_phone_video(call.leg)
    except Unavailable as error:
        log.warning("call.no-video-port", call=call.id, error=error.info)
