"""What a browser plays in step: the m-lines of an answer that belong together name one stream (RFC 8830)."""

import re
from collections.abc import Mapping

_MID = re.compile(r"^a=mid:(\S+)\r?$", re.MULTILINE)
_STREAM = re.compile(r"^(a=(?:ssrc:\d+ )?msid:)(\S+)", re.MULTILINE)
_TOKEN = re.compile(r"[A-Za-z0-9-]{1,64}")


def in_step(answer: str, streams: Mapping[str, str]) -> str:
    """An answer whose m-lines name the streams that are wished for, by mid.

    A browser delays sound or picture so that both of one stream are played as they were sent; of two it does not.
    A name that is no token (RFC 8830 §2) is left out.
    """
    head, *sections = re.split(r"(?m)^(?=m=)", answer)
    return head + "".join(_named(section, streams) for section in sections)


def _named(section: str, streams: Mapping[str, str]) -> str:
    mid = _MID.search(section)
    stream = streams.get(mid[1], "") if mid is not None else ""
    return _STREAM.sub(rf"\g<1>{stream}", section) if _TOKEN.fullmatch(stream) else section
