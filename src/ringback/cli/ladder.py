"""A call's messages as a ladder: the far end on the left, the server on the right, an arrow per message."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from ringback.cli.wiretext import Heard, read

SPAN = 46
"""Characters between the two."""


@dataclass(frozen=True, slots=True)
class Strokes:
    """What arrows are made of."""

    line: str
    left: str
    right: str


DRAWN = Strokes("─", "◀", "▶")
PLAIN = Strokes("-", "<", ">")


def can_draw(encoding: str) -> bool:
    """Whether a terminal's encoding has arrows."""
    try:
        "─◀▶…".encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True


def draw(messages: Sequence[Mapping[str, Any]], plain: bool = False) -> list[Text]:
    """Lines to print; no text of a caller is read as markup.

    Args:
        messages: ``messages`` of ``/v1/ringback/calls/{id}/trace``.
        plain: ASCII only.
    """
    heard = read(messages)
    if not heard:
        return [Text("Nothing is remembered of what was said in this call.")]
    return list(_lines(heard, PLAIN if plain else DRAWN))


def _lines(heard: list[Heard], strokes: Strokes) -> Iterator[Text]:
    first = heard[0]
    them = f"them {first.peer} {first.transport}"
    yield Text(f"{'seconds':>10}  {them:<{SPAN - 2}}us", "bold")
    for number, message in enumerate(heard):
        again = any(message.repeats(earlier) for earlier in heard[:number])
        line = Text(f"{message.at - first.at:>10.3f}  ")
        line.append(_arrow(_label(message, again, strokes), message.out, strokes), _style(message, again))
        if (message.peer, message.transport) != (first.peer, first.transport):
            line.append(f"  {message.peer} {message.transport}", "dim")
        if message.rule:
            line.append(f"  by our rule: {message.rule}", "yellow")
        yield line


def _label(message: Heard, again: bool, strokes: Strokes) -> str:
    words = [message.method if message.status is None else message.answer]
    if message.status is not None and message.method != "INVITE":
        words.append(f"({message.method})")
    if message.has_sdp:
        words.append("+ SDP")
    if again:
        words.append("again")
    label = " ".join(words)
    if strokes is PLAIN:
        label = label.encode("ascii", "replace").decode()
    return label


def _arrow(label: str, out: bool, strokes: Strokes) -> str:
    room = SPAN - 7
    if len(label) > room:
        label = label[: room - 3] + "..."
    shaft = f"{strokes.line * 2} {label} ".ljust(SPAN - 1, strokes.line)
    return f"{strokes.left}{shaft}" if out else f"{shaft}{strokes.right}"


def _style(message: Heard, again: bool) -> str:
    status = message.status
    if again:
        return "yellow"
    if status is None:
        return "cyan"
    if status < 200:
        return "dim"
    return "green" if status < 300 else "red"
