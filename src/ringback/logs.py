"""Logs as events with keys. Whatever a stranger wrote is shown escaped; numbers, addresses and secrets are shortened.

``text`` is for people (colours on terminals only), ``json`` for programs: one object a line either way.
"""

import contextlib
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, MutableMapping
from functools import lru_cache
from typing import Any, TextIO

import structlog
from structlog.typing import FilteringBoundLogger

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

SECRET_KEYS = re.compile(r"authorization|password|passwd|secret|token|api_?key|crypto|digits|tones", re.IGNORECASE)
NUMBER = re.compile(r"(?<![\w.:-])\+?\d{7,}(?![\w.-])")
SIP_USER = re.compile(r"(sips?:|tel:)([^@\s;>]{1,256})(@?)", re.IGNORECASE)
JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*")
SUSPECT = re.compile(r"\d{7}|sips?:|tel:|eyJ|bearer|basic|digest", re.IGNORECASE)
"""What any of the other patterns needs: most values have nothing of it, and one look is cheaper than four."""

MANY_DIGITS = re.compile(r"\d{7}")
SUSPECT_WORDS = ("sip", "tel:", "eyj", "bearer", "basic", "digest")
"""The same for plain ASCII, where looking for words is cheaper still."""

BEARER = re.compile(r"(?i)\b(bearer|basic|digest)\s+\S+")

PLAIN_KEYS = frozenset({"event", "level", "timestamp", "logger", "exception"})
MAX_TEXT = 2000
NEEDS_QUOTES = re.compile(r'[\s"=]')

LONGEST_REMEMBERED = 100
"""Characters of a value whose safe form is kept for the next line that shows it."""

COLOURS = {"debug": "2", "info": "36", "warning": "33", "error": "31", "critical": "31"}
"""Terminal colours by level (ECMA-48 SGR)."""


def redact(text: str) -> str:
    """Shorten what tells who somebody is or opens a door: numbers, users of addresses, tokens.

    ``+15551234567`` becomes ``+155…67``, ``sip:bob@host`` becomes ``sip:b…@host``.
    """
    if not _is_suspect(text):
        return text
    text = JWT.sub("[token]", text)
    text = BEARER.sub(lambda found: f"{found[1]} [hidden]", text)
    text = SIP_USER.sub(lambda found: found[1] + _shorten(found[2]) + found[3] if found[3] else found[0], text)
    return NUMBER.sub(lambda found: _shorten(found[0]), text)


def _is_suspect(text: str) -> bool:
    if not text.isascii():
        return SUSPECT.search(text) is not None
    lower = text.lower()
    return any(word in lower for word in SUSPECT_WORDS) or MANY_DIGITS.search(text) is not None


def _shorten(text: str) -> str:
    if len(text) < 7:
        return text[:1] + "…"
    return f"{text[:4]}…{text[-2:]}"


def escape(text: str) -> str:
    """Control and formatting characters as ``\\uXXXX``, so that no text can leave its line or colour it."""
    text = text[:MAX_TEXT]
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def configure(format: str = "text", level: str = "info", stream: TextIO | None = None) -> None:
    """Set up logging for the process: ours, and through the standard library that of others (warnings and up)."""
    out = stream or sys.stderr
    structlog.configure(
        processors=[_Line(_json if format == "json" else _Text(colours=out.isatty()))],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *names: _Output(_Sturdy(out)),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Bridge()], level=logging.WARNING, force=True)


class _Sturdy:
    """A stream whose reader may go away and whose disk may be full: what cannot be written is lost, nothing else."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._out.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._out.flush()


class _Output:
    """Where lines go, each in one piece and at once: what was logged is out before the next step is taken."""

    def __init__(self, out: _Sturdy) -> None:
        self._out = out
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        with self._lock:
            self._out.write(line + "\n")
            self._out.flush()

    debug = info = warning = error = critical = write


class OncePerMinute:
    """Says whether something about a source may be logged now: once a minute, with how many were kept back.

    Args:
        now: Seconds on a monotonic clock.
        most: Sources remembered; more share one line.
    """

    def __init__(self, now: Callable[[], float], most: int = 10_000) -> None:
        self._now = now
        self._most = most
        self._last: dict[str, tuple[float, int]] = {}

    def __call__(self, source: str) -> int | None:
        """``None`` to stay silent, else how many were kept back since the last line."""
        now = self._now()
        if source not in self._last and len(self._last) >= self._most:
            self._last = {key: value for key, value in self._last.items() if now - value[0] < 60}
            if len(self._last) >= self._most:
                source = "others"
        at, kept = self._last.get(source, (float("-inf"), 0))
        if now - at < 60:
            self._last[source] = (at, kept + 1)
            return None
        self._last[source] = (now, 0)
        return kept


class _Bridge(logging.Handler):
    """Standard-library records as our events."""

    def emit(self, record: logging.LogRecord) -> None:
        log: FilteringBoundLogger = structlog.get_logger()
        log.log(
            record.levelno, "library", logger=record.name, message=record.getMessage(), exc_info=record.exc_info or None
        )


class _Line:
    """From fields to a line in one step, for every call writes several.

    Args:
        render: Makes the line of fields that may be shown.
    """

    def __init__(self, render: Callable[[MutableMapping[str, Any]], str]) -> None:
        self._render = render
        self._stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)

    def __call__(self, logger: object, name: str, fields: MutableMapping[str, Any]) -> str:
        fields["level"] = name
        fields = self._stamp(logger, name, fields)
        if "exc_info" in fields:
            fields = structlog.processors.format_exc_info(logger, name, fields)
        for key, value in fields.items():
            if key not in PLAIN_KEYS:
                fields[key] = "[hidden]" if _is_secret(key) else _safe(value)
            elif key == "exception":
                fields[key] = redact(str(value))
        return self._render(fields)


def _safe(value: object) -> object:
    """A value that may stand in a line. Most are seen again: rooms, meetings, calls, codecs, reasons."""
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else str(value)
    return _safe_word(text) if len(text) <= LONGEST_REMEMBERED else escape(redact(text))


@lru_cache(maxsize=4096)
def _safe_word(text: str) -> str:
    return escape(redact(text))


@lru_cache(maxsize=1000)
def _is_secret(key: str) -> bool:
    return SECRET_KEYS.search(key) is not None


def _json(fields: MutableMapping[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=True, default=str)


class _Text:
    """``10:15:30 info    call.answered room=hello call=…``"""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, fields: MutableMapping[str, Any]) -> str:
        at = str(fields.pop("timestamp", ""))[11:19]
        level = str(fields.pop("level", "info"))
        event = str(fields.pop("event", ""))
        trace = fields.pop("exception", None)
        shown = f"{level:<8}"
        if self._colours:
            shown = f"\x1b[{COLOURS.get(level, '0')}m{shown}\x1b[0m"
        words = " ".join([f"{key}={_quoted(str(value))}" for key, value in fields.items()])
        return f"{at} {shown}{event} {words}".rstrip() + (f"\n{trace}" if trace else "")


def _quoted(text: str) -> str:
    if text and not NEEDS_QUOTES.search(text):
        return text
    return '"' + text.replace('"', "'") + '"'
