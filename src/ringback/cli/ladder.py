"""A call's messages as a ladder: the far end on the left, the server on the right, an arrow per message."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.text import Text

from ringback.cli.plain import plain as plain_text
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


def draw(
    messages: Sequence[Mapping[str, Any]], plain: bool = False, pictures: Mapping[str, Any] | None = None
) -> list[Text]:
    """Lines to print; no text of a caller is read as markup.

    Args:
        messages: ``messages`` of ``/v1/ringback/calls/{id}/trace``.
        plain: ASCII only.
        pictures: ``pictures`` of the same: what happened to them is told between the messages.
    """
    heard = read(messages)
    if not heard:
        return [Text("Nothing is remembered of what was said in this call.")]
    first, asked_often = heard[0].at, _asked_again(heard)
    lines = list(_lines(heard, PLAIN if plain else DRAWN, asked_often))
    told = [(step_at, Text(f"{step_at - first:>10.3f}  {words}", "magenta")) for step_at, words in _told(pictures)]
    # A stable sort: of one moment the message comes first.
    return [lines[0][1], *(line for _, line in sorted([*lines[1:], *told], key=lambda line: line[0]))]


def picture_line(pictures: Mapping[str, Any]) -> str:
    """How often each side asked the other for a whole picture, in words."""
    counted = pictures["key_frames"]
    ours, theirs = counted["asked"], counted["wanted"]
    return (
        f"Pictures: we asked for a key frame {_times(ours)} ({counted['asked_by_info']} by INFO, {counted['received']} "
        f"came), the far end {_times(theirs)} ({counted['wanted_by_info']} by INFO)."
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _told(pictures: Mapping[str, Any] | None) -> Iterator[tuple[float, str]]:
    """Moments of pictures, and their words."""
    for step in (pictures or {}).get("steps", ()):
        details = ", ".join(str(value) for name, value in step.items() if name not in ("at", "step"))
        words = str(step["step"]).replace("-", " ")
        at = datetime.fromisoformat(step["at"]).timestamp()
        yield at, plain_text(f"{words}: {details}" if details else words)


def _asked_again(heard: list[Heard]) -> set[int]:
    """Numbers of the messages that ask for whole pictures, and answer that, after the first such each way."""
    hidden: set[int] = set()
    seen: set[bool] = set()
    for number, message in enumerate(heard):
        if not message.wants_picture:
            continue
        if message.out in seen:
            hidden.add(number)
            hidden |= {later for later in range(number + 1, len(heard)) if heard[later].answers(message)}
        seen.add(message.out)
    return hidden


def _lines(heard: list[Heard], strokes: Strokes, hidden: set[int]) -> Iterator[tuple[float, Text]]:
    first = heard[0]
    them = f"them {first.peer} {first.transport}"
    yield first.at, Text(f"{'seconds':>10}  {them:<{SPAN - 2}}us", "bold")
    for number, message in enumerate(heard):
        if number in hidden:
            continue
        again = any(message.repeats(earlier) for earlier in heard[:number])
        line = Text(f"{message.at - first.at:>10.3f}  ")
        line.append(_arrow(_label(message, again, strokes), message.out, strokes), _style(message, again))
        if (message.peer, message.transport) != (first.peer, first.transport):
            line.append(f"  {message.peer} {message.transport}", "dim")
        if message.rule:
            line.append(f"  by our rule: {message.rule}", "yellow")
        yield message.at, line


def _label(message: Heard, again: bool, strokes: Strokes) -> str:
    words = [message.method if message.status is None else message.answer]
    if message.status is not None and message.method != "INVITE":
        words.append(f"({message.method})")
    if message.has_sdp:
        words.append("+ SDP")
    if message.wants_picture:
        words.append("(wants a picture)")
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
